// What the pointer draws with. A tool draws in axial planes: there the contours of a structure set lie.

import { fillPolygon, fillStroke } from "./rasters.js";

const CLOSE_PX = 9;

class Tool {
  constructor(desk) {
    this.desk = desk; // structures, viewer, and the panel's settings
    this.place = null;
  }

  get structure() {
    return this.desk.structures.active;
  }

  sizeOf(pane) {
    return [pane.columns, pane.rows];
  }

  mayDraw(pane) {
    if (pane.plane !== "axial") return false;
    if (this.structure) return true;
    this.desk.complain("Add a structure first: type a name and press Add.");
    return false;
  }

  // A copy of the slice as it is, to draw on.
  paper(pane, index, structure = this.structure) {
    const mask = structure.slices.get(index);
    return mask ? mask.slice() : new Uint8Array(pane.columns * pane.rows);
  }

  value(event) {
    return this.desk.isErasing || event.ctrlKey ? 0 : 1;
  }

  hover(pane, voxel) {
    this.place = pane.plane === "axial" ? voxel : null;
    this.desk.viewer.requestDraw();
  }

  leave() {
    this.place = null;
    this.desk.viewer.requestDraw();
  }

  down() {}
  move() {}
  up() {}
  draw() {}
  cancel() {}
}

export class Brush extends Tool {
  radii(pane) {
    const { spacing } = pane.grid;
    return [this.desk.brushMm / 2 / spacing[0], this.desk.brushMm / 2 / spacing[1]];
  }

  down(pane, voxel, event) {
    if (!this.mayDraw(pane)) return false;
    const { structure } = this;
    const index = Math.round(voxel[2]);
    this.stroke = { structure, index, before: structure.slices.get(index), mask: this.paper(pane, index), value: this.value(event), from: voxel };
  }

  move(pane, voxel) {
    if (!this.stroke) return;
    const { structure, index, mask, value, from } = this.stroke;
    fillStroke(mask, this.sizeOf(pane), from.slice(0, 2), voxel.slice(0, 2), this.radii(pane), value);
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

  draw(context, pane) {
    if (!this.place || pane.plane !== "axial") return;
    const [x, y] = pane.toScreen(this.place);
    const radius = (this.desk.brushMm / 2) * pane.pixelsPerMm;
    context.beginPath();
    context.arc(x, y, Math.max(radius, 1), 0, 2 * Math.PI);
    context.strokeStyle = this.desk.isErasing ? "#ffffff" : (this.structure?.colour ?? "#ffffff");
    context.stroke();
  }
}

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

  begin(pane, voxel, event) {
    Object.assign(this, { points: [], drawn: this.structure, index: Math.round(voxel[2]), filling: this.value(event), pane });
  }

  finish() {
    if (this.points.length > 2 && this.desk.structures.list.includes(this.drawn)) {
      const mask = this.paper(this.pane, this.index, this.drawn);
      fillPolygon(mask, this.sizeOf(this.pane), this.points, this.filling);
      this.desk.structures.edit(this.drawn, new Map([[this.index, mask]]));
    }
    this.cancel();
  }

  draw(context, pane, index) {
    if (pane.plane !== "axial" || index !== this.index || !this.points.length) return;
    const places = this.points.map(([x, y]) => pane.toScreen([x, y, index]));
    context.beginPath();
    for (const [x, y] of places) context.lineTo(x, y);
    if (this.place) context.lineTo(...pane.toScreen(this.place));
    context.setLineDash([5, 3]);
    context.strokeStyle = this.drawn.colour;
    context.stroke();
    context.setLineDash([]);
    context.strokeRect(places[0][0] - 3 * pane.ratio, places[0][1] - 3 * pane.ratio, 6 * pane.ratio, 6 * pane.ratio);
  }
}

export class Freehand extends Outline {
  down(pane, voxel, event) {
    if (!this.mayDraw(pane)) return false;
    this.begin(pane, voxel, event);
  }

  move(pane, voxel) {
    this.points.push(voxel.slice(0, 2));
    this.desk.viewer.requestDraw();
  }

  up() {
    this.finish();
  }
}

export class Polygon extends Outline {
  down(pane, voxel, event) {
    if (!this.mayDraw(pane)) return false;
    if (this.points.length && Math.round(voxel[2]) !== this.index) this.cancel();
    if (!this.points.length) this.begin(pane, voxel, event);
    const [first] = this.points;
    const near = first && Math.hypot(...pane.toScreen([...first, 0]).map((value, axis) => value - pane.toScreen(voxel)[axis])) < CLOSE_PX * pane.ratio;
    if (near && this.points.length > 2) this.finish();
    else this.points.push(voxel.slice(0, 2));
    this.desk.viewer.requestDraw();
  }

  back() {
    this.points.pop();
    this.desk.viewer.requestDraw();
  }
}

export class Grow extends Tool {
  down(pane, voxel, event) {
    if (!this.mayDraw({ plane: "axial" })) return false;
    this.desk.grow(voxel.map(Math.round), this.value(event) === 0);
  }
}

// A line with its length; it lies in one plane until the next one is drawn.
export class Ruler extends Tool {
  down(pane, voxel) {
    this.line = { plane: pane.plane, index: Math.round(voxel[pane.across]), from: voxel, to: voxel };
  }

  move(pane, voxel) {
    if (pane.plane === this.line.plane) this.line.to = voxel;
    this.desk.viewer.requestDraw();
  }

  get mm() {
    const { from, to } = this.line;
    return Math.hypot(...from.map((value, axis) => (to[axis] - value) * this.desk.viewer.ct.spacing[axis]));
  }

  draw(context, pane, index) {
    if (this.line?.plane !== pane.plane || this.line.index !== index) return;
    const [from, to] = [pane.toScreen(this.line.from), pane.toScreen(this.line.to)];
    context.beginPath();
    context.moveTo(...from);
    context.lineTo(...to);
    context.strokeStyle = "#56b4e9";
    context.lineWidth = 2 * pane.ratio;
    context.stroke();
    context.lineWidth = pane.ratio;
    this.desk.viewer.write(`${this.mm.toFixed(1)} mm`, to[0] + 8 * pane.ratio, to[1] - 10 * pane.ratio, "left");
  }
}

