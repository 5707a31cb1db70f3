// Base of the drawing tools. They draw in axial planes, where a structure set has its contours.

import { text } from "../text.js";

export class Tool {
  constructor(panel) {
    this.panel = panel; // the structures panel: structures, viewer, settings of the tools
    this.pointer = null; // voxel under the pointer
  }

  get structure() {
    return this.panel.store.active;
  }

  sizeOf(viewport) {
    return [viewport.columns, viewport.rows];
  }

  canDraw(viewport) {
    if (viewport.plane !== "axial") return false;
    if (this.structure) return true;
    this.panel.showError(text("structures.add-first"));
    return false;
  }

  // A copy of a slice's mask, to draw on.
  copyOfSlice(viewport, index, structure = this.structure) {
    return structure.slices.get(index)?.slice() ?? new Uint8Array(viewport.columns * viewport.rows);
  }

  // 1 to draw, 0 to erase.
  value(event) {
    return this.panel.isErasing || event.ctrlKey ? 0 : 1;
  }

  hover(viewport, voxel) {
    this.pointer = viewport.plane === "axial" ? voxel : null;
    this.panel.viewer.requestDraw();
  }

  leave() {
    this.pointer = null;
    this.panel.viewer.requestDraw();
  }

  down() {}
  move() {}
  up() {}
  draw() {}
  cancel() {}
}
