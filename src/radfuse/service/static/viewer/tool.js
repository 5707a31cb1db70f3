// What the pointer does in a viewport; drawing tools work in axial planes, where contours lie.

export class Tool {
  constructor(desk) {
    this.desk = desk; // structures, viewer, and the panel's settings
    this.place = null;
  }

  get structure() {
    return this.desk.structures.active;
  }

  sizeOf(viewport) {
    return [viewport.columns, viewport.rows];
  }

  mayDraw(viewport) {
    if (viewport.plane !== "axial") return false;
    if (this.structure) return true;
    this.desk.complain("Add a structure first: type a name and press Add.");
    return false;
  }

  // A copy of the slice as it is, to draw on.
  paper(viewport, index, structure = this.structure) {
    const mask = structure.slices.get(index);
    return mask ? mask.slice() : new Uint8Array(viewport.columns * viewport.rows);
  }

  value(event) {
    return this.desk.isErasing || event.ctrlKey ? 0 : 1;
  }

  hover(viewport, voxel) {
    this.place = viewport.plane === "axial" ? voxel : null;
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
