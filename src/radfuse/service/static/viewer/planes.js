// Planes of all images on the displayed grid: one slice or a slab, cached.

import { IDENTITY, inverse, multiply } from "./geometry.js";
import { OUTSIDE, extractPlane, resamplePlane } from "./volume.js";

const MAX_CACHED_PLANES = 64;
const MAX_GRID_SIZE = 640; // of a grid with the MR's axes, along an axis

export const SLAB_KINDS = {
  max: (planes) => combined(planes, Math.max),
  mean: meanOf,
  min: (planes) => combined(planes, (a, b) => (a === OUTSIDE ? b : b === OUTSIDE ? a : Math.min(a, b))),
};

function combined([first, ...others], pick) {
  const values = Int16Array.from(first);
  for (const other of others) for (let i = 0; i < values.length; i++) values[i] = pick(values[i], other[i]);
  return values;
}

// The mean of the planes inside the field of view.
function meanOf(planes) {
  const count = new Uint16Array(planes[0].length), sums = new Int32Array(planes[0].length);
  for (const plane of planes) for (let i = 0; i < sums.length; i++) if (plane[i] !== OUTSIDE) (sums[i] += plane[i]), count[i]++;
  return Int16Array.from(sums, (sum, i) => (count[i] ? Math.round(sum / count[i]) : OUTSIDE));
}

// First and last plane of a slab around a plane: as many as its thickness has, one at least, inside the grid.
export function slabRange(index, thicknessMm, spacingMm, count) {
  const planes = Math.max(Math.round(thicknessMm / spacingMm), 1);
  const first = index - ((planes - 1) >> 1);
  return [Math.max(first, 0), Math.min(first + planes - 1, count - 1)];
}

// A grid with the axes of the MR, in coordinates of the CT; thick slices are divided, so that voxels are nearly cubes.
// `strides` are the steps from one voxel of the MR to the next.
export function mrGrid(mr, mrFromCt) {
  const finest = Math.min(...mr.spacing);
  const strides = mr.spacing.map((mm, axis) => Math.max(Math.min(Math.round(mm / finest), Math.floor(MAX_GRID_SIZE / mr.size[axis])), 1));
  const divided = IDENTITY.map((row, i) => row.map((value, j) => (i === j && i < 3 ? 1 / strides[i] : value)));
  const mmFromVoxel = multiply(inverse(mrFromCt), mr.mmFromVoxel, divided);
  return {
    size: mr.size.map((count, axis) => (count - 1) * strides[axis] + 1),
    spacing: mr.spacing.map((mm, axis) => mm / strides[axis]),
    mmFromVoxel,
    voxelFromMm: inverse(mmFromVoxel),
    strides,
  };
}

export class Planes {
  constructor(viewer) {
    Object.assign(this, { viewer, cached: new Map() });
  }

  // Forget the planes of an image, or all.
  clear(name = "") {
    for (const key of this.cached.keys()) if (key.startsWith(name)) this.cached.delete(key);
  }

  // The plane or slab of an image that a viewport displays.
  of(name, viewport, index) {
    const { slab } = this.viewer;
    if (!slab.mm) return this.slice(name, viewport, index);
    const [first, last] = this.slabOf(viewport, index);
    if (first === last) return this.slice(name, viewport, index);
    const build = () => SLAB_KINDS[slab.kind](Array.from({ length: last - first + 1 }, (_, i) => this.compute(name, viewport, first + i)));
    return this.cache(`${name} ${viewport.plane} ${slab.kind} ${first} ${last}`, build);
  }

  slabOf({ grid, across }, index) {
    return slabRange(index, this.viewer.slab.mm, grid.spacing[across], grid.size[across]);
  }

  slice(name, viewport, index) {
    return this.cache(`${name} ${viewport.plane} ${index}`, () => this.compute(name, viewport, index));
  }

  cache(key, build) {
    const values = this.cached.get(key) ?? build();
    this.cached.delete(key); // the latest are last
    this.cached.set(key, values);
    if (this.cached.size > MAX_CACHED_PLANES) this.cached.delete(this.cached.keys().next().value);
    return values;
  }

  compute(name, { grid, planeOfGrid }, index) {
    const { volume, fromCt } = this.viewer.imageNamed(name);
    if (!fromCt && grid === this.viewer.ct) return extractPlane(volume, planeOfGrid, index);
    return resamplePlane(volume, multiply(volume.voxelFromMm, fromCt ?? IDENTITY, grid.mmFromVoxel), grid.size, planeOfGrid, index);
  }
}
