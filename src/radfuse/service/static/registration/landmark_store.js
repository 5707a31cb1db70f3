// The landmark pairs of a study on the server: loaded on opening, saved after each change.

import * as api from "../api.js";
import { MR } from "./alignment.js";

const SAVE_DELAY_MS = 600; // after a change
const RETRY_MS = 3000;
const CONFLICT = 409;

// Events: `status` after a change of `isSaved` or `problem`.
export class LandmarkStore extends EventTarget {
  constructor(alignment) {
    super();
    Object.assign(this, { alignment, study: null, revisions: new Map(), saving: null, saved: null, problem: "", isOfOtherImages: false, timer: null });
    alignment.addEventListener("change", () => this.saveSoon());
    addEventListener("beforeunload", (event) => this.isSaved || event.preventDefault());
  }

  get isSaved() {
    return !this.study || this.saved === this.alignment.pairs;
  }

  // Leave a study: what is not saved yet is sent, after a request that is on its way.
  close() {
    clearTimeout(this.timer);
    const { study, isSaved, alignment: { pairs } } = this;
    Object.assign(this, { study: null, problem: "", isOfOtherImages: false });
    if (!isSaved) (this.saving ?? Promise.resolve()).then(() => api.saveLandmarks(study, this.revisions.get(study), pairs)).catch(() => {});
  }

  // Load the pairs of a study.
  async open(study) {
    const request = (this.request = {});
    const { revision, pairs, of_other_images } = await api.landmarks(study);
    if (this.request !== request) return;
    this.revisions.set(study, revision);
    Object.assign(this, { study, saved: pairs, isOfOtherImages: of_other_images });
    this.alignment.load(pairs);
    this.dispatchEvent(new Event("status"));
  }

  saveSoon(delay = SAVE_DELAY_MS) {
    clearTimeout(this.timer);
    this.dispatchEvent(new Event("status"));
    if (!this.isSaved) this.timer = setTimeout(() => this.save(), delay);
  }

  // One request at a time: each names the revision that it changes.
  async save() {
    if (this.saving) return;
    this.saving = this.send();
    const isDone = await this.saving;
    this.saving = null;
    this.saveSoon(isDone ? SAVE_DELAY_MS : RETRY_MS); // again, or what was changed meanwhile
  }

  async send() {
    const { study, alignment: { pairs } } = this;
    try {
      const stored = await api.saveLandmarks(study, this.revisions.get(study), pairs);
      this.revisions.set(study, stored.revision);
      if (this.study === study) Object.assign(this, { saved: pairs, problem: "", isOfOtherImages: false });
      return true;
    } catch (error) {
      if (this.study !== study) return true;
      if (error.status === CONFLICT) return this.loadOthers(study);
      this.problem = error.message;
      return false;
    }
  }

  // Another window has changed the pairs: show its version; undo shows that of this window.
  async loadOthers(study) {
    const stored = await api.landmarks(study).catch((error) => ({ error }));
    if (this.study !== study || stored.error) return false;
    this.revisions.set(study, stored.revision);
    Object.assign(this, { saved: stored.pairs, problem: "conflict" });
    this.alignment.edit(MR);
    this.alignment.change({ pairs: stored.pairs }, "pairs-elsewhere");
    return true;
  }
}
