// The Registration panel: manual registration by a tool, values and landmark pairs, displayed at once; then a refinement.

import { byId, showErrors } from "../dom.js";
import { AlignSection } from "../registration/align_section.js";
import { Alignment } from "../registration/alignment.js";
import { Comparison } from "../registration/comparison.js";
import { LandmarksSection } from "../registration/landmarks_section.js";
import { RegionSection } from "../registration/region_section.js";
import { text } from "../text.js";

export class RegistrationPanel {
  // `fuse` starts a fusion with options.
  constructor(viewer, fuse) {
    Object.assign(this, { viewer, fuse, alignment: new Alignment(viewer) });
    this.align = new AlignSection(viewer, this.alignment);
    this.landmarks = new LandmarksSection(viewer, this.alignment);
    this.region = new RegionSection(viewer);
    this.comparison = new Comparison(viewer, this.alignment);
    byId("refine").addEventListener("click", showErrors(() => this.run(true), "registration-error"));
    byId("use-unrefined").addEventListener("click", showErrors(() => this.run(false), "registration-error"));
    byId("reset-registration").addEventListener("click", () => this.setAlignment(this.alignment.initial, "reset"));
  }

  // Start from the last registration, or from the initial alignment. Pairs stay with their study.
  open(study, mrFromCt) {
    const isOther = this.study !== study;
    this.study = study;
    this.alignment.open(mrFromCt, "start", isOther);
    if (!isOther) return;
    this.landmarks.open(study);
    this.region.tool.set(null);
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

  // Change the alignment; `label` names the change.
  setAlignment(mrFromCt, label) {
    if (mrFromCt) this.alignment.change({ mrFromCt }, label);
  }

  async run(refine) {
    if (!this.viewer.isShowing) throw new Error(text("studies.open-first"));
    await this.fuse({ mr_from_ct: this.viewer.mrFromCt, refine });
  }

  get keys() {
    return { ...this.align.keys, ...this.landmarks.keys, ...this.comparison.keys };
  }
}
