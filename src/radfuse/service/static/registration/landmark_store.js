// The landmark pairs of the images of a study on the server: those of the MR, and of each further image by its label.

import * as api from "../api.js";
import { SavedValue } from "./saved_value.js";

const MR_LABEL = "";

// Event: `status` after a change of what is loaded or saved.
export class LandmarkStore extends EventTarget {
  constructor(viewer, alignment) {
    super();
    Object.assign(this, { viewer, alignment, study: null, values: new Map() });
    alignment.addEventListener("change", () => this.saveSoon());
  }

  // That of the edited image.
  get current() {
    return this.values.get(this.alignment.label) ?? null;
  }

  get isLoaded() {
    return Boolean(this.current?.isLoaded);
  }

  get isSaved() {
    return [...this.values.values()].every((one) => one.isSaved) && (this.isLoaded || !this.alignment.pairs.length);
  }

  get isOfOtherImages() {
    return Boolean(this.current?.stored?.of_other_images);
  }

  saveSoon() {
    for (const one of this.values.values()) one.saveSoon();
    this.dispatchEvent(new Event("status"));
  }

  // Leave a study: what is not saved yet is still saved.
  close() {
    this.closeAll(() => true);
    this.study = null;
  }

  closeAll(isClosed) {
    for (const [label, one] of this.values) if (isClosed(label)) one.close(), this.values.delete(label);
  }

  // Load the pairs of the MR; those of further images follow when they are shown.
  async open(study) {
    this.study = study;
    await this.openLabels([MR_LABEL]);
  }

  async openFurther() {
    if (!this.study) return;
    const labels = this.viewer.further.map(({ label }) => label);
    this.closeAll((label) => label !== MR_LABEL && !labels.includes(label));
    await this.openLabels(labels);
  }

  async openLabels(labels) {
    const added = labels.filter((label) => !this.values.has(label)).map((label) => [label, this.valueOf(label)]);
    for (const [label, one] of added) this.values.set(label, one);
    await Promise.all(added.map(([, one]) => one.open()));
  }

  valueOf(label) {
    const { study, alignment } = this;
    const value = new SavedValue({
      read: () => api.landmarks(study, label),
      write: (revision, pairs) => api.saveLandmarks(study, label, revision, pairs),
      valueOf: ({ pairs }) => pairs,
      get: () => alignment.pairsOf(label),
      load: (pairs) => alignment.load(label, pairs),
      replace: (pairs) => alignment.editLabelled(label) && alignment.change({ pairs }, "pairs-elsewhere"),
    });
    value.addEventListener("status", () => this.dispatchEvent(new Event("status")));
    return value;
  }
}
