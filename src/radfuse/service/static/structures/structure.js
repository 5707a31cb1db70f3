// A structure: a mask for each axial slice, changed voxel by voxel, and its contours in the three planes.

import { contourPath } from "./contours.js";
import { fromRuns, runLength, runsOf, toRuns } from "./masks.js";
import { FINER, obliqueMask } from "./oblique.js";

const MAX_PATHS = 100; // contours of planes that are kept
const MAX_OBLIQUE_PATHS = 12;
export const CT_PLANES = { sagittal: 0, coronal: 1, axial: 2 }; // axis across each plane

// The first characters of a name, none of which is cut.
export const beginOf = (name, length) => [...name].slice(0, length).join("");

// Voxels that a step toggles, as positions by slice: toggled again, they are as before.
export class Toggled {
  constructor() {
    this.positions = new Map();
  }

  of(slice) {
    if (!this.positions.has(slice)) this.positions.set(slice, []);
    return this.positions.get(slice);
  }

  runs() {
    const changed = [...this.positions].filter(([, positions]) => positions.length);
    return new Map(changed.map(([slice, positions]) => [slice, runsOf(positions)]));
  }
}

export class Structure {
  constructor({ id, name, colour, revision, runs = {}, steps = [], line = "solid", line_width = 2 }, volume) {
    Object.assign(this, { id, name, colour, revision, steps, line, lineWidth: line_width, volume, version: 0, isVisible: true, plane: "axial", paths: new Map(), obliquePaths: new Map(), outdated: null });
    this.sliceSize = volume.size[0] * volume.size[1];
    this.counts = new Map();
    this.slices = new Map();
    for (const [index, sliceRuns] of Object.entries(runs)) {
      this.slices.set(Number(index), fromRuns(sliceRuns, this.sliceSize));
      this.counts.set(Number(index), runLength(sliceRuns));
    }
  }

  // Draw (1) or erase (0) voxels of a line of a plane, as far as `accepts(row, column)`; they are added to `toggled`.
  fillLine({ plane, right }, index, line, first, last, value, toggled, accepts = null) {
    const slice = plane === "axial" ? index : line;
    const mask = this.slices.get(slice) ?? (value ? new Uint8Array(this.sliceSize) : null);
    if (!mask) return;
    const [columns] = this.volume.size;
    const stride = plane === "sagittal" ? columns : 1;
    let at = { axial: line * columns, coronal: index * columns, sagittal: index }[plane] + first * stride;
    const positions = toggled.of(slice), before = positions.length;
    for (let column = first; column <= last; column++, at += stride)
      if (mask[at] !== value && (!accepts || accepts(line, column))) (mask[at] = value), positions.push(at);
    if (positions.length === before) return;
    this.count(slice, mask, (value ? 1 : -1) * (positions.length - before));
    const box = [[0, 0], [0, 0], [slice, slice]];
    box[right] = [first, last];
    if (plane === "axial") box[1] = [line, line];
    else box[CT_PLANES[plane]] = [index, index];
    this.touch(box);
  }

  count(slice, mask, change) {
    const count = (this.counts.get(slice) ?? 0) + change;
    if (count) this.slices.set(slice, mask), this.counts.set(slice, count);
    else this.slices.delete(slice), this.counts.delete(slice);
  }

  // Toggle runs by slice.
  toggle(runsBySlice) {
    for (const [slice, runs] of runsBySlice) {
      const mask = this.slices.get(slice) ?? new Uint8Array(this.sliceSize);
      let change = 0;
      for (let i = 0; i < runs.length; i += 2)
        for (let at = runs[i], end = at + runs[i + 1]; at < end; at++) (mask[at] ^= 1), (change += 2 * mask[at] - 1);
      this.count(slice, mask, change);
      this.touch([[0, Infinity], [0, Infinity], [slice, slice]]);
    }
  }

  // The runs that toggling changes a slice into a mask with.
  difference(slice, mask) {
    const own = this.slices.get(slice);
    return own ? toRuns(mask.map((value, at) => value ^ own[at])) : toRuns(mask);
  }

  // The mask of a slice with runs added to it, or erased from it.
  combined(slice, runs, isErasing = false) {
    const mask = this.slices.get(slice)?.slice() ?? new Uint8Array(this.sliceSize);
    for (let i = 0; i < runs.length; i += 2) mask.fill(isErasing ? 0 : 1, runs[i], runs[i] + runs[i + 1]);
    return mask;
  }

  get cm3() {
    const voxels = [...this.counts.values()].reduce((sum, one) => sum + one, 0);
    return (voxels * this.volume.spacing.reduce((product, mm) => product * mm, 1)) / 1000;
  }

  runs(indices = this.slices.keys()) {
    return Object.fromEntries([...indices].map((index) => [index, this.slices.has(index) ? toRuns(this.slices.get(index)) : []]));
  }

  // Remember in which planes contours have changed: ranges of x, y and slice.
  touch(box) {
    this.version++;
    this.outdated = this.outdated ? this.outdated.map(([low, high], axis) => [Math.min(low, box[axis][0]), Math.max(high, box[axis][1])]) : box;
  }

  // Contours in one plane, in voxels of that plane, row 0 at the top of the screen.
  path(viewport, index, isSmooth) {
    return viewport.isOblique ? this.obliquePath(viewport, index, isSmooth) : this.pathOnCt(viewport, index, isSmooth);
  }

  obliquePath(viewport, index, isSmooth) {
    const { plane, columns, rows, ctFromGrid } = viewport;
    const key = JSON.stringify([plane, index, isSmooth, this.version, columns, rows, ctFromGrid]);
    const kept = this.obliquePaths.get(key);
    if (kept) return kept;
    if (this.obliquePaths.size >= MAX_OBLIQUE_PATHS) this.obliquePaths.delete(this.obliquePaths.keys().next().value);
    const mask = obliqueMask(this, viewport, index, isSmooth);
    const path = new Path2D();
    if (mask) path.addPath(contourPath(mask, [columns * FINER, rows * FINER], isSmooth), new DOMMatrix().scale(1 / FINER));
    this.obliquePaths.set(key, path);
    return path;
  }

  pathOnCt(viewport, index, isSmooth) {
    this.dropOutdated();
    const key = `${viewport.plane} ${index} ${isSmooth}`;
    const kept = this.paths.get(key);
    if (kept) return kept.path;
    if (this.paths.size >= MAX_PATHS) this.paths.delete(this.paths.keys().next().value);
    const mask = this.mask(viewport, index);
    const path = mask ? contourPath(mask, [viewport.columns, viewport.rows], isSmooth) : new Path2D();
    this.paths.set(key, { axis: viewport.across, index, path });
    return path;
  }

  dropOutdated() {
    if (!this.outdated) return;
    for (const [key, { axis, index }] of this.paths) if (index >= this.outdated[axis][0] && index <= this.outdated[axis][1]) this.paths.delete(key);
    this.outdated = null;
  }

  // The mask of a plane, row 0 at the top of the screen; null where there is nothing.
  mask({ plane, columns, rows, upwards }, index) {
    if (plane === "axial") return this.slices.get(index);
    if (!this.slices.size) return null;
    const mask = new Uint8Array(columns * rows);
    const [width] = this.volume.size;
    for (const [slice, voxels] of this.slices) {
      const to = (upwards ? rows - 1 - slice : slice) * columns;
      if (plane === "coronal") mask.set(voxels.subarray(index * width, (index + 1) * width), to);
      else for (let column = 0, from = index; column < columns; column++, from += width) mask[to + column] = voxels[from];
    }
    return mask;
  }
}
