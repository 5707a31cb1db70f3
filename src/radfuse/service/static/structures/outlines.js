// Outlines: freehand and polygon.

import { Tool } from "../viewer/tool.js";
import { fillPolygon } from "./masks.js";

const CLOSE_PX = 9;

// An outline of points; `Freehand` takes them while the pointer is drawn, `Polygon` one a click.
class Outline extends Tool {
  constructor(desk) {
    super(desk);
    this.cancel();
  }

  cancel() {
    this.points = [];
    this.desk.viewer.requestDraw();
  }

  begin(viewport, voxel, event) {
    Object.assign(this, { points: [], drawn: this.structure, index: Math.round(voxel[2]), filling: this.value(event), viewport });
  }

  finish() {
    if (this.points.length > 2 && this.desk.structures.list.includes(this.drawn)) {
      const mask = this.paper(this.viewport, this.index, this.drawn);
      fillPolygon(mask, this.sizeOf(this.viewport), this.points, this.filling);
      this.desk.structures.edit(this.drawn, new Map([[this.index, mask]]));
    }
    this.cancel();
  }

  draw(context, viewport, index) {
    if (viewport.plane !== "axial" || index !== this.index || !this.points.length) return;
    const places = this.points.map(([x, y]) => viewport.toScreen([x, y, index]));
    context.beginPath();
    for (const [x, y] of places) context.lineTo(x, y);
    if (this.place) context.lineTo(...viewport.toScreen(this.place));
    context.setLineDash([5, 3]);
    context.strokeStyle = this.drawn.colour;
    context.stroke();
    context.setLineDash([]);
    context.strokeRect(places[0][0] - 3 * viewport.ratio, places[0][1] - 3 * viewport.ratio, 6 * viewport.ratio, 6 * viewport.ratio);
  }
}

export class Freehand extends Outline {
  down(viewport, voxel, event) {
    if (!this.mayDraw(viewport)) return false;
    this.begin(viewport, voxel, event);
  }

  move(viewport, voxel) {
    this.points.push(voxel.slice(0, 2));
    this.desk.viewer.requestDraw();
  }

  up() {
    this.finish();
  }
}

export class Polygon extends Outline {
  down(viewport, voxel, event) {
    if (!this.mayDraw(viewport)) return false;
    if (this.points.length && Math.round(voxel[2]) !== this.index) this.cancel();
    if (!this.points.length) this.begin(viewport, voxel, event);
    const [first] = this.points;
    const near = first && Math.hypot(...viewport.toScreen([...first, 0]).map((value, axis) => value - viewport.toScreen(voxel)[axis])) < CLOSE_PX * viewport.ratio;
    if (near && this.points.length > 2) this.finish();
    else this.points.push(voxel.slice(0, 2));
    this.desk.viewer.requestDraw();
  }

  back() {
    this.points.pop();
    this.desk.viewer.requestDraw();
  }
}
