// The Registration panel: manual registration by a tool, values and landmark pairs, displayed at once; then a refinement.

import { byId, showErrors } from "../dom.js";
import { AlignSection } from "../registration/align_section.js";
import { Alignment, MR } from "../registration/alignment.js";
import { Comparison } from "../registration/comparison.js";
import { LandmarksSection } from "../registration/landmarks_section.js";
import { RegionSection } from "../registration/region_section.js";
import { text } from "../text.js";

export class RegistrationPanel {
  // `fuse` starts a fusion with options; `isMrMoved` tells whether the MR is displayed as moved since the last one.
  constructor(viewer, { fuse, isMrMoved }) {
    Object.assign(this, { viewer, fuse, isMrMoved, alignment: new Alignment(viewer) });
    this.align = new AlignSection(viewer, this.alignment);
    this.landmarks = new LandmarksSection(viewer, this.alignment);
    this.region = new RegionSection(viewer, this.alignment);
    this.comparison = new Comparison(viewer, this.alignment);
    byId("refine").addEventListener("click", showErrors(() => this.run(true), "registration-error"));
    byId("use-unrefined").addEventListener("click", showErrors(() => this.run(false), "registration-error"));
    byId("reset-registration").addEventListener("click", () => this.reset());
  }

  // Start from the last registration, or from the initial alignment. Pairs stay with their study.
  open(study, mrFromCt) {
    const isOther = this.study !== study;
    if (isOther) this.landmarks.store.close(), this.region.close();
    this.study = study;
    this.alignment.open(mrFromCt, "start", isOther);
    if (!isOther) return;
    this.align.showImages(); // those of a result follow
    this.landmarks.open(study);
    this.region.open(study);
    showErrors(() => this.comparison.open(study), "alignments-error")();
  }

  // Leave the tab.
  leave() {
    this.align.leave();
    this.region.leave();
    this.comparison.stop();
  }

  showStructures(list) {
    this.region.showStructures(list);
  }

  // The regions to which the next registration is restricted, by field of the request.
  get masks() {
    return this.region.masks;
  }

  reset() {
    if (this.alignment.initial) this.alignment.change({ fromCt: this.alignment.initial }, "reset");
  }

  // Change the alignment of the MR; `label` names the change.
  setAlignment(mrFromCt, label) {
    if (!mrFromCt) return;
    this.alignment.edit(MR);
    this.alignment.change({ fromCt: mrFromCt }, label);
  }

  async run(refine) {
    if (!this.viewer.isShowing) throw new Error(text("studies.open-first"));
    const { image, fromCt } = this.alignment;
    if (image === MR) return this.fuse({ mr_from_ct: fromCt, refine });
    if (this.isMrMoved()) throw new Error(text("align.mr-first"));
    const { label } = this.viewer.furtherNamed(image);
    await this.fuse({ keep_registration: true, further: [{ label, image_from_ct: fromCt, refine }] });
  }

  get keys() {
    return { ...this.align.keys, ...this.landmarks.keys, ...this.comparison.keys };
  }
}
