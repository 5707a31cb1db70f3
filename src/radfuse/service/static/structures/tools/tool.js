// Base of the drawing tools. They draw in the axial, coronal and sagittal planes of the CT.

import { text } from "../../text.js";
import { CT_PLANES, Toggled } from "../structure.js";

export class Tool {
  isOblique = true; // asked in planes of the MR, too, where they say that they do not draw

  constructor(panel) {
    this.panel = panel; // the structures panel: structures, viewer, settings of the tools
    this.pointer = null; // voxel and plane under the pointer
  }

  get structure() {
    return this.panel.store.active;
  }

  canDraw(viewport) {
    const isIn = viewport.plane in CT_PLANES;
    if (isIn && this.structure) return true;
    this.panel.showError(text(isIn ? "structures.add-first" : "tool.ct-planes"));
    return false;
  }

  // Columns and lines of a plane; its lines are rows or slices of the CT.
  sizeOf({ grid, right, down }) {
    return [grid.size[right], grid.size[down]];
  }

  // Position of a voxel in a plane.
  inPlane({ right, down }, voxel) {
    return [voxel[right], voxel[down]];
  }

  indexOf({ across }, voxel) {
    return Math.round(voxel[across]);
  }

  // A stroke in one plane of a structure: `emit` draws a line of voxels.
  startStroke(viewport, voxel, event) {
    const { structure } = this, toggled = new Toggled();
    const [index, value] = [this.indexOf(viewport, voxel), this.value(event)];
    const accepts = this.accepts(viewport, index);
    const emit = (line, first, last) => structure.fillLine(viewport, index, line, first, last, value, toggled, accepts);
    return { structure, viewport, index, toggled, emit };
  }

  endStroke({ structure, viewport, toggled }, step) {
    structure.plane = viewport.plane;
    this.panel.store.commit(structure, toggled.runs(), step);
  }

  // Which voxels a stroke may change; null for all.
  accepts() {
    return null;
  }

  // 1 to draw, 0 to erase.
  value(event) {
    return this.panel.isErasing || event.ctrlKey ? 0 : 1;
  }

  hover(viewport, voxel) {
    this.pointer = viewport.plane in CT_PLANES ? { voxel, plane: viewport.plane } : null;
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
