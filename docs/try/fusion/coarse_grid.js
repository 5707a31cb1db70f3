// A coarse grid over a volume, for what is smoothed by more than a millimetre.

import { clipped, volume } from "./volume.js";

export class CoarseGrid {
  // Blocks of at most `coarseMm`, of at least a voxel.
  constructor(shape, spacingMm, coarseMm) {
    this.shape = shape;
    this.factors = shape.map((size, axis) =>
      Math.min(Math.max(1, Math.floor(coarseMm / spacingMm[axis] + 1e-3)), size));
    this.spacingMm = spacingMm.map((step, axis) => this.factors[axis] * step);
  }

  // Mean of each block of some slices that begin with a block; 0 outside the volume.
  reduce({ shape, data }) {
    const [fz, fy, fx] = this.factors;
    const out = volume(shape.map((size, axis) => Math.ceil(size / this.factors[axis])));
    const [, rows, columns] = out.shape;
    const sums = new Float64Array(out.data.length);
    for (let z = 0, i = 0; z < shape[0]; z++)
      for (let y = 0; y < shape[1]; y++) {
        const row = (Math.floor(z / fz) * rows + Math.floor(y / fy)) * columns;
        for (let x = 0; x < shape[2]; x++, i++) sums[row + Math.floor(x / fx)] += data[i];
      }
    const voxels = fz * fy * fx;
    for (let i = 0; i < sums.length; i++) out.data[i] = sums[i] / voxels;
    return out;
  }

  // Values of the blocks, linearly interpolated at the voxels of the slices [start, stop).
  expand({ shape, data }, start, stop) {
    const along = [[start, stop], [0, this.shape[1]], [0, this.shape[2]]].map(
      ([first, end], axis) => weights(first, end, this.factors[axis], shape[axis]));
    const [, rows, columns] = shape;
    const out = volume([stop - start, this.shape[1], this.shape[2]]);
    const plane = new Float32Array(rows * columns);
    const line = new Float32Array(columns);
    let i = 0;
    for (const z of along[0]) {
      blend(plane, data, z, rows * columns);
      for (const y of along[1]) {
        blend(line, plane, y, columns);
        for (const x of along[2]) out.data[i++] = line[x.low] * x.lowShare + line[x.high] * x.highShare;
      }
    }
    return out;
  }

  // Whether the block of a voxel is in a mask of blocks.
  repeated({ shape: [, rows, columns], data }, z, y, x) {
    const [fz, fy, fx] = this.factors;
    return data[(Math.floor(z / fz) * rows + Math.floor(y / fy)) * columns + Math.floor(x / fx)];
  }
}

function blend(out, data, { low, high, lowShare, highShare }, size) {
  for (let i = 0; i < size; i++) out[i] = data[low * size + i] * lowShare + data[high * size + i] * highShare;
}

// The two nearest blocks of each voxel and their shares, or the only one.
function weights(first, end, factor, blocks) {
  return Array.from({ length: end - first }, (_, i) => {
    const position = clipped((first + i + 0.5) / factor - 0.5, 0, blocks - 1);
    const low = Math.min(Math.floor(position), Math.max(blocks - 2, 0));
    const high = Math.min(low + 1, blocks - 1);
    const highShare = high > low ? Math.fround(position - low) : 0;
    return { low, high, lowShare: Math.fround(1 - highShare), highShare };
  });
}
