// Tools that fill an outline: `Freehand` adds points while the pointer is dragged, `Polygon` one per click.

import { fillPolygon } from "./masks.js";
import { Tool } from "./tool.js";

const CLOSE_PX = 9; // a click this near to the first point closes the polygon

class Outline extends Tool {
  constructor(panel) {
    super(panel);
    this.cancel();
  }

  cancel() {
    this.points = [];
    this.panel.viewer.requestDraw();
  }

  begin(viewport, voxel, event) {
    Object.assign(this, { points: [], target: this.structure, index: Math.round(voxel[2]), fillValue: this.value(event), viewport });
  }

  finish() {
    if (this.points.length > 2 && this.panel.store.list.includes(this.target)) {
      const mask = this.copyOfSlice(this.viewport, this.index, this.target);
      fillPolygon(mask, this.sizeOf(this.viewport), this.points, this.fillValue);
      this.panel.store.edit(this.target, new Map([[this.index, mask]]));
    }
    this.cancel();
  }

  draw(context, viewport, index) {
    if (viewport.plane !== "axial" || index !== this.index || !this.points.length) return;
    const corners = this.points.map(([x, y]) => viewport.toScreen([x, y, index]));
    context.beginPath();
    for (const [x, y] of corners) context.lineTo(x, y);
    if (this.pointer) context.lineTo(...viewport.toScreen(this.pointer));
    context.setLineDash([5, 3]);
    context.strokeStyle = this.target.colour;
    context.stroke();
    context.setLineDash([]);
    context.strokeRect(corners[0][0] - 3 * viewport.ratio, corners[0][1] - 3 * viewport.ratio, 6 * viewport.ratio, 6 * viewport.ratio);
  }
}

export class Freehand extends Outline {
  down(viewport, voxel, event) {
    if (!this.canDraw(viewport)) return false;
    this.begin(viewport, voxel, event);
  }

  move(viewport, voxel) {
    this.points.push(voxel.slice(0, 2));
    this.panel.viewer.requestDraw();
  }

  up() {
    this.finish();
  }
}

export class Polygon extends Outline {
  down(viewport, voxel, event) {
    if (!this.canDraw(viewport)) return false;
    if (this.points.length && Math.round(voxel[2]) !== this.index) this.cancel();
    if (!this.points.length) this.begin(viewport, voxel, event);
    const [first] = this.points;
    const isNear = first && Math.hypot(...viewport.toScreen([...first, 0]).map((value, axis) => value - viewport.toScreen(voxel)[axis])) < CLOSE_PX * viewport.ratio;
    if (isNear && this.points.length > 2) this.finish();
    else this.points.push(voxel.slice(0, 2));
    this.panel.viewer.requestDraw();
  }

  removeLast() {
    this.points.pop();
    this.panel.viewer.requestDraw();
  }
}
