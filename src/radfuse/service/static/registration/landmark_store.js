// The landmark pairs of a study on the server: loaded on opening, saved after each change.

import * as api from "../api.js";

const SAVE_DELAY_MS = 600; // after a change
const RETRY_MS = 3000;
const CONFLICT = 409;

// Events: `status` after a change of `isSaved` or `problem`.
export class LandmarkStore extends EventTarget {
  constructor(alignment) {
    super();
    Object.assign(this, { alignment, study: null, revision: 0, saved: null, problem: "", isOfOtherImages: false, timer: null });
    alignment.addEventListener("change", () => this.saveSoon());
    addEventListener("beforeunload", (event) => this.isSaved || event.preventDefault());
  }

  get isSaved() {
    return !this.study || this.saved === this.alignment.pairs;
  }

  // Load the pairs of a study; unsaved ones of the study before are saved first.
  async open(study) {
    const last = this.isSaved ? null : { study: this.study, revision: this.revision, pairs: this.alignment.pairs };
    clearTimeout(this.timer);
    Object.assign(this, { study: null, problem: "" });
    if (last) api.saveLandmarks(last.study, last.revision, last.pairs).catch(() => {});
    const request = (this.request = {});
    const { revision, pairs, of_other_images } = await api.landmarks(study);
    if (this.request !== request) return;
    Object.assign(this, { study, revision, saved: pairs, isOfOtherImages: of_other_images });
    this.alignment.load(pairs);
    this.dispatchEvent(new Event("status"));
  }

  saveSoon(delay = SAVE_DELAY_MS) {
    clearTimeout(this.timer);
    this.dispatchEvent(new Event("status"));
    if (!this.isSaved) this.timer = setTimeout(() => this.save(), delay);
  }

  async save() {
    const { study, revision, alignment: { pairs } } = this;
    try {
      const stored = await api.saveLandmarks(study, revision, pairs);
      if (this.study !== study) return;
      Object.assign(this, { revision: stored.revision, saved: pairs, problem: "", isOfOtherImages: false });
    } catch (error) {
      if (this.study !== study) return;
      if (error.status === CONFLICT) return this.loadOthers(study);
      this.problem = error.message;
      return this.saveSoon(RETRY_MS);
    }
    this.saveSoon(); // what was changed meanwhile
  }

  // Another window has changed the pairs: show its version; undo shows that of this window.
  async loadOthers(study) {
    const { revision, pairs } = await api.landmarks(study);
    if (this.study !== study) return;
    Object.assign(this, { revision, saved: pairs, problem: "conflict" });
    this.alignment.change({ pairs }, "pairs-elsewhere");
  }
}
