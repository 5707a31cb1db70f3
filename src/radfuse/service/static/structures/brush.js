// A round brush.

import { fillStroke } from "./masks.js";
import { Tool } from "./tool.js";

export class Brush extends Tool {
  radii(viewport) {
    const { spacing } = viewport.grid;
    return [this.panel.brushMm / 2 / spacing[0], this.panel.brushMm / 2 / spacing[1]];
  }

  down(viewport, voxel, event) {
    if (!this.canDraw(viewport)) return false;
    const { structure } = this;
    const index = Math.round(voxel[2]);
    this.stroke = { structure, index, before: structure.slices.get(index), mask: this.copyOfSlice(viewport, index), value: this.value(event), from: voxel };
  }

  move(viewport, voxel) {
    if (!this.stroke) return;
    const { structure, index, mask, value, from } = this.stroke;
    fillStroke(mask, this.sizeOf(viewport), from.slice(0, 2), voxel.slice(0, 2), this.radii(viewport), value);
    this.stroke.from = this.pointer = voxel;
    structure.put(index, mask);
    this.panel.viewer.requestDraw();
  }

  up() {
    if (!this.stroke) return;
    const { structure, index, before, mask } = this.stroke;
    this.stroke = null;
    this.panel.store.edit(structure, new Map([[index, mask]]), new Map([[index, before]]));
  }

  // A cancelled stroke keeps what was drawn so far.
  cancel() {
    this.up();
  }

  draw(context, viewport) {
    if (!this.pointer || viewport.plane !== "axial") return;
    const [x, y] = viewport.toScreen(this.pointer);
    const radius = (this.panel.brushMm / 2) * viewport.pixelsPerMm;
    context.beginPath();
    context.arc(x, y, Math.max(radius, 1), 0, 2 * Math.PI);
    context.strokeStyle = this.panel.isErasing ? "#ffffff" : (this.structure?.colour ?? "#ffffff");
    context.stroke();
  }
}
