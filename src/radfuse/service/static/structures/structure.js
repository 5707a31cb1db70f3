// A structure: a mask for each axial slice, and its contours in the three planes.

import { borders, count, fromRuns, isEmpty, toRuns } from "./masks.js";

export class Structure {
  constructor({ id, name, colour, revision, runs = {} }, volume) {
    Object.assign(this, { id, name, colour, revision, volume, isVisible: true, paths: new Map() });
    this.counts = new Map();
    this.slices = new Map();
    const size = volume.size[0] * volume.size[1];
    for (const [index, sliceRuns] of Object.entries(runs)) this.put(Number(index), fromRuns(sliceRuns, size));
  }

  put(index, mask) {
    if (isEmpty(mask)) this.slices.delete(index), this.counts.delete(index);
    else this.slices.set(index, mask), this.counts.set(index, count(mask));
    this.paths.clear();
  }

  get cm3() {
    const voxels = [...this.counts.values()].reduce((sum, one) => sum + one, 0);
    return (voxels * this.volume.spacing.reduce((product, mm) => product * mm, 1)) / 1000;
  }

  runs(indices = this.slices.keys()) {
    return Object.fromEntries([...indices].map((index) => [index, this.slices.has(index) ? toRuns(this.slices.get(index)) : []]));
  }

  // Contours in one plane, in voxels of that plane, row 0 at the top of the screen.
  path(viewport, index) {
    const key = `${viewport.plane} ${index}`;
    if (!this.paths.has(key)) this.paths.set(key, this.trace(viewport, index));
    return this.paths.get(key);
  }

  trace(viewport, index) {
    const path = new Path2D();
    const mask = this.plane(viewport, index);
    if (mask) for (const [x, y, toX, toY] of borders(mask, [viewport.columns, viewport.rows])) path.moveTo(x, y), path.lineTo(toX, toY);
    return path;
  }

  plane(viewport, index) {
    if (viewport.plane === "axial") return this.slices.get(index);
    const mask = new Uint8Array(viewport.columns * viewport.rows);
    const width = this.volume.size[0];
    for (const [slice, sliceMask] of this.slices) {
      const row = (viewport.rows - 1 - slice) * viewport.columns;
      if (viewport.plane === "coronal") mask.set(sliceMask.subarray(index * width, (index + 1) * width), row);
      else for (let column = 0; column < viewport.columns; column++) mask[row + column] = sliceMask[column * width + index];
    }
    return mask;
  }
}

// The layer of the viewer that draws the contours of all visible structures.
export class ContourLayer {
  constructor(store) {
    this.store = store;
  }

  draw(context, viewport, index) {
    for (const structure of this.store.list) {
      if (!structure.isVisible) continue;
      const path = new Path2D();
      path.addPath(structure.path(viewport, index), new DOMMatrix([viewport.scale[0], 0, 0, viewport.scale[1], viewport.corner[0], viewport.corner[1]]));
      context.lineWidth = (structure === this.store.active ? 2 : 1.2) * viewport.ratio;
      context.strokeStyle = structure.colour;
      context.stroke(path);
    }
    context.lineWidth = viewport.ratio;
  }
}
