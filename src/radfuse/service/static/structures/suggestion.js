// Slices that are suggested between drawn ones: displayed in all planes, part of the structure once they are accepted.

import * as api from "../api.js";
import { byId } from "../dom.js";
import { text } from "../text.js";
import { Structure } from "./structure.js";

export class Suggestion {
  constructor({ store, layer, viewer }) {
    Object.assign(this, { store, layer, viewer, structure: null });
    byId("accept-suggestion").addEventListener("click", () => this.accept());
    byId("discard-suggestion").addEventListener("click", () => this.discard());
    store.addEventListener("change", () => this.structure && this.isOutdated && this.discard());
  }

  get isOutdated() {
    return this.store.active !== this.structure || this.store.done.at(-1) !== this.last;
  }

  // Ask the server for the planes between the drawn ones of the last used direction.
  async ask(study, structure) {
    const { plane } = structure;
    const last = this.store.done.at(-1);
    const { runs } = await api.interpolate(study, structure.runs(), plane);
    if (this.store.active !== structure || this.store.done.at(-1) !== last) return;
    Object.assign(this, { structure, runs, last });
    const { colour } = structure;
    this.show(new Structure({ colour, runs: { ...(plane === "axial" ? structure.runs() : {}), ...runs } }, structure.volume));
    byId("suggestion-text").textContent = text(`structures.suggested-${plane}`, { count: Object.keys(runs).length, name: structure.name });
  }

  show(suggestion) {
    this.layer.suggestion = suggestion;
    byId("suggestion").hidden = !suggestion;
    this.viewer.requestDraw();
  }

  accept() {
    if (!this.structure) return;
    const { structure, runs } = this;
    this.discard();
    const masks = new Map(Object.entries(runs).map(([index, flat]) => [Number(index), structure.combined(Number(index), flat)]));
    this.store.edit(structure, masks, "interpolation");
  }

  discard() {
    this.structure = null;
    this.show(null);
  }
}
