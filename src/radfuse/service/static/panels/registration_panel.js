// The Registration panel: manual registration by a tool, values and landmark pairs, displayed at once; then a refinement.

import { byId, showErrors } from "../dom.js";
import { AlignSection } from "../registration/align_section.js";
import { Alignment } from "../registration/alignment.js";
import { LandmarksSection } from "../registration/landmarks_section.js";
import { text } from "../text.js";

const MASKS = ["roi", "metric-mask"]; // the selects

export class RegistrationPanel {
  // `fuse` starts a fusion with options.
  constructor(viewer, fuse) {
    Object.assign(this, { viewer, fuse, alignment: new Alignment(viewer) });
    this.align = new AlignSection(viewer, this.alignment);
    this.landmarks = new LandmarksSection(viewer, this.alignment);
    byId("refine").addEventListener("click", showErrors(() => this.run(true), "registration-error"));
    byId("use-unrefined").addEventListener("click", showErrors(() => this.run(false), "registration-error"));
    byId("reset-registration").addEventListener("click", () => this.setAlignment(this.alignment.initial, "reset"));
  }

  // Start from the last registration, or from the initial alignment. Pairs stay with their study.
  open(study, mrFromCt) {
    const isOther = this.study !== study;
    this.study = study;
    this.alignment.open(mrFromCt, "start", isOther);
    if (isOther) this.landmarks.open(study);
  }

  // Leave the tab.
  leave() {
    this.align.leave();
  }

  // Structures that a registration may be restricted to; a chosen one stays chosen.
  showStructures(list) {
    for (const id of MASKS) {
      const chosen = byId(id).value;
      const options = [new Option(text("registration.whole-head"), ""), ...list.map((one) => new Option(one.name, one.id))];
      byId(id).replaceChildren(...options);
      byId(id).value = list.some((one) => one.id === chosen) ? chosen : "";
    }
  }

  // The structures to which the next registration is restricted, by field of the request.
  get masks() {
    return Object.fromEntries(MASKS.map((id) => [id.replace("-", "_"), byId(id).value]));
  }

  // Change the alignment; `label` names the change.
  setAlignment(mrFromCt, label) {
    if (mrFromCt) this.alignment.change({ mrFromCt }, label);
  }

  async run(refine) {
    if (!this.viewer.isShowing) throw new Error(text("studies.open-first"));
    await this.fuse({ mr_from_ct: this.viewer.mrFromCt, refine });
  }

  get keys() {
    return { ...this.align.keys, ...this.landmarks.keys };
  }
}
