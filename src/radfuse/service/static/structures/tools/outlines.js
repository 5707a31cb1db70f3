// Tools that fill an outline: `Freehand` adds points while the pointer is dragged, `Polygon` one per click.

import { polygon } from "../masks.js";
import { Tool } from "./tool.js";

const CLOSE_PX = 9; // a click this near to the first point closes the polygon

class Outline extends Tool {
  constructor(panel) {
    super(panel);
    this.cancel();
  }

  cancel() {
    Object.assign(this, { points: [], stroke: null });
    this.panel.viewer.requestDraw();
  }

  begin(viewport, voxel, event) {
    Object.assign(this, { points: [], stroke: this.startStroke(viewport, voxel, event) });
  }

  finish() {
    const { points, stroke } = this;
    if (points.length > 2 && this.panel.store.list.includes(stroke.structure)) {
      polygon(this.sizeOf(stroke.viewport), points, stroke.emit);
      this.endStroke(stroke, this.step);
    }
    this.cancel();
  }

  // Whether a point is in the plane of the outline.
  isIn({ plane }, index) {
    return this.stroke?.viewport.plane === plane && this.stroke.index === index;
  }

  toScreen(viewport, [x, y]) {
    return viewport.toScreen(Object.assign([0, 0, 0], { [viewport.right]: x, [viewport.down]: y, [viewport.across]: this.stroke.index }));
  }

  draw(context, viewport, index) {
    if (!this.points.length || !this.isIn(viewport, index)) return;
    const corners = this.points.map((point) => this.toScreen(viewport, point));
    context.beginPath();
    for (const [x, y] of corners) context.lineTo(x, y);
    if (this.pointer?.plane === viewport.plane) context.lineTo(...viewport.toScreen(this.pointer.voxel));
    context.setLineDash([5, 3]);
    context.strokeStyle = this.stroke.structure.colour;
    context.stroke();
    context.setLineDash([]);
    context.strokeRect(corners[0][0] - 3 * viewport.ratio, corners[0][1] - 3 * viewport.ratio, 6 * viewport.ratio, 6 * viewport.ratio);
  }
}

export class Freehand extends Outline {
  step = "freehand";

  down(viewport, voxel, event) {
    if (!this.canDraw(viewport)) return false;
    this.begin(viewport, voxel, event);
  }

  move(viewport, voxel) {
    this.points.push(this.inPlane(viewport, voxel));
    this.panel.viewer.requestDraw();
  }

  up() {
    if (this.stroke) this.finish();
  }
}

export class Polygon extends Outline {
  step = "polygon";

  down(viewport, voxel, event) {
    if (!this.canDraw(viewport)) return false;
    const point = this.inPlane(viewport, voxel);
    if (this.points.length && !this.isIn(viewport, this.indexOf(viewport, voxel))) this.cancel();
    if (!this.points.length) this.begin(viewport, voxel, event);
    const [first] = this.points;
    const isNear = first && Math.hypot(...this.toScreen(viewport, first).map((value, axis) => value - this.toScreen(viewport, point)[axis])) < CLOSE_PX * viewport.ratio;
    if (isNear && this.points.length > 2) this.finish();
    else this.points.push(point);
    this.panel.viewer.requestDraw();
  }

  removeLast() {
    this.points.pop();
    this.panel.viewer.requestDraw();
  }
}
