// The brush and the eraser: paint a disc along the pointer.

import { Tool } from "../viewer/tool.js";
import { fillStroke } from "./masks.js";

export class Brush extends Tool {
  radii(viewport) {
    const { spacing } = viewport.grid;
    return [this.desk.brushMm / 2 / spacing[0], this.desk.brushMm / 2 / spacing[1]];
  }

  down(viewport, voxel, event) {
    if (!this.mayDraw(viewport)) return false;
    const { structure } = this;
    const index = Math.round(voxel[2]);
    this.stroke = { structure, index, before: structure.slices.get(index), mask: this.paper(viewport, index), value: this.value(event), from: voxel };
  }

  move(viewport, voxel) {
    if (!this.stroke) return;
    const { structure, index, mask, value, from } = this.stroke;
    fillStroke(mask, this.sizeOf(viewport), from.slice(0, 2), voxel.slice(0, 2), this.radii(viewport), value);
    this.stroke.from = this.place = voxel;
    structure.put(index, mask);
    this.desk.viewer.requestDraw();
  }

  // What is drawn stays, however the stroke ends.
  up() {
    if (!this.stroke) return;
    const { structure, index, before, mask } = this.stroke;
    this.stroke = null;
    this.desk.structures.edit(structure, new Map([[index, mask]]), new Map([[index, before]]));
  }

  cancel() {
    this.up();
  }

  draw(context, viewport) {
    if (!this.place || viewport.plane !== "axial") return;
    const [x, y] = viewport.toScreen(this.place);
    const radius = (this.desk.brushMm / 2) * viewport.pixelsPerMm;
    context.beginPath();
    context.arc(x, y, Math.max(radius, 1), 0, 2 * Math.PI);
    context.strokeStyle = this.desk.isErasing ? "#ffffff" : (this.structure?.colour ?? "#ffffff");
    context.stroke();
  }
}
