// Copy the contours of the current slice to adjacent ones, clear the slice, or the whole structure.

import { byId, showErrors } from "../dom.js";
import { text } from "../text.js";
import { PLANES } from "../viewer/volume.js";
import { clearPlane, copyPlane } from "./copying.js";

export class SlicesSection {
  // `panel` is the structures panel.
  constructor(panel) {
    Object.assign(this, { panel, store: panel.store, viewer: panel.viewer });
    const on = (id, action) => byId(id).addEventListener("click", showErrors(action, "structures-error"));
    on("copy-next", () => this.copy(1));
    on("copy-previous", () => this.copy(-1));
    on("clear-slice", () => this.clearSlice());
    on("clear-structure", () => this.clearStructure());
  }

  // The active structure, and the number of the current plane in the direction that it was drawn in last.
  current() {
    const structure = this.panel.requireActive();
    if (this.viewer.frame !== "ct") throw new Error(text("tool.ct-planes"));
    const { across } = PLANES[structure.plane];
    return { structure, across, index: this.viewer.crosshair[across] };
  }

  // To as many planes as are asked for, inside the image; the last one is shown.
  copy(step) {
    const { structure, across, index } = this.current(), { viewer } = this;
    const count = Math.max(Math.round(byId("copy-count").valueAsNumber) || 1, 1);
    const inside = step > 0 ? viewer.ct.size[across] - 1 - index : index;
    if (!inside) throw new Error(text("structures.no-next-slice"));
    const targets = Array.from({ length: Math.min(count, inside) }, (_, i) => index + step * (i + 1));
    if (!copyPlane(structure, index, targets, this.store)) throw new Error(text("structures.nothing-to-copy"));
    viewer.setCrosshair(Object.assign([...viewer.crosshair], { [across]: targets.at(-1) }));
  }

  clearSlice() {
    const { structure, index } = this.current();
    if (!clearPlane(structure, index, this.store)) throw new Error(text("structures.nothing-to-copy"));
  }

  clearStructure() {
    const structure = this.panel.requireActive();
    if (!structure.slices.size) throw new Error(text("structures.nothing-drawn"));
    this.store.replace(structure, {}, null);
  }
}
