// A round brush; with a range of values it draws only voxels inside the range.

import { stroke } from "../masks.js";
import { Tool } from "./tool.js";

export class Brush extends Tool {
  radii({ grid, right, down }) {
    return [right, down].map((axis) => this.panel.brushMm / 2 / grid.spacing[axis]);
  }

  down(viewport, voxel, event) {
    if (!this.canDraw(viewport)) return false;
    this.stroke = { ...this.startStroke(viewport, voxel, event), from: this.inPlane(viewport, voxel), isRanged: Boolean(this.panel.range) };
  }

  // By values of the displayed plane: only drawing is limited, erasing is not.
  accepts(viewport, index) {
    const { range, viewer, isErasing } = this.panel;
    if (!range || isErasing) return null;
    const values = viewer.planes.slice(range.image, viewport, index), { step } = viewer[range.image];
    const [low, high] = [range.low / step, range.high / step];
    return (line, column) => {
      const value = values[(viewport.upwards ? viewport.rows - 1 - line : line) * viewport.columns + column];
      return value >= low && value <= high;
    };
  }

  move(viewport, voxel) {
    if (!this.stroke) return;
    const { from, emit } = this.stroke, to = this.inPlane(viewport, voxel);
    stroke(this.sizeOf(viewport), from, to, this.radii(viewport), emit);
    this.stroke.from = to;
    this.pointer = { voxel, plane: viewport.plane };
    this.panel.viewer.requestDraw();
  }

  up() {
    if (!this.stroke) return;
    const { isRanged, ...drawn } = this.stroke;
    this.stroke = null;
    this.endStroke(drawn, isRanged ? "threshold-brush" : "brush");
  }

  // A cancelled stroke keeps what was drawn so far.
  cancel() {
    this.up();
  }

  draw(context, viewport) {
    if (this.pointer?.plane !== viewport.plane) return;
    const [x, y] = viewport.toScreen(this.pointer.voxel);
    const radius = (this.panel.brushMm / 2) * viewport.pixelsPerMm;
    context.beginPath();
    context.arc(x, y, Math.max(radius, 1), 0, 2 * Math.PI);
    context.strokeStyle = this.panel.isErasing ? "#ffffff" : (this.structure?.colour ?? "#ffffff");
    context.stroke();
  }
}
