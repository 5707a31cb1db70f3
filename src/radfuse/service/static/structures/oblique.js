// The mask of a structure in a plane of another grid than the CT's, such as one of the MR.

import { apply } from "../viewer/geometry.js";

export const FINER = 2; // pixels of the mask per voxel of the grid, along an axis

// Row 0 at the top of the screen; null where the structure is not in the plane. Smooth: where the linear interpolation of
// the structure is a half or more; else the voxel is that of the CT at the position.
export function obliqueMask(structure, { ctFromGrid, gridFromCt, columns, rows, right, down, across, upwards }, index, isSmooth) {
  const box = boxOf(structure);
  if (!box) return null;
  const [low, high] = rangeOn(gridFromCt, box);
  if (index < low[across] || index > high[across]) return null;
  const inside = isSmooth ? interpolated(structure, box) : nearest(structure);
  const [width, height] = [columns * FINER, rows * FINER], mask = new Uint8Array(width * height);
  const [x, y, z] = ctFromGrid.slice(0, 3).map((row) => row[right] / FINER); // from pixel to pixel
  const from = Math.max(low[right], 0) * FINER, end = Math.min((high[right] + 1) * FINER, width);
  for (let line = Math.max(low[down], 0) * FINER; line < Math.min((high[down] + 1) * FINER, height); line++) {
    const start = apply(ctFromGrid, Object.assign([0, 0, 0], { [right]: voxelOf(from), [down]: voxelOf(line), [across]: index }));
    const to = (upwards ? height - 1 - line : line) * width;
    for (let column = from, i = 0; column < end; column++, i++) if (inside(start[0] + i * x, start[1] + i * y, start[2] + i * z)) mask[to + column] = 1;
  }
  return mask;
}

// Position of the centre of a pixel in voxels of the grid.
const voxelOf = (pixel) => (pixel + 0.5) / FINER - 0.5;

// First and last voxel of a structure along each axis; null where nothing is drawn.
function boxOf(structure) {
  if (structure.boxVersion !== structure.version) Object.assign(structure, { boxVersion: structure.version, box: computeBox(structure) });
  return structure.box;
}

function computeBox({ slices, volume: { size: [columns] } }) {
  if (!slices.size) return null;
  const low = [Infinity, Infinity, Infinity], high = [-1, -1, -1];
  const include = (axis, first, last) => ((low[axis] = Math.min(low[axis], first)), (high[axis] = Math.max(high[axis], last)));
  for (const [slice, mask] of slices) {
    const [first, last] = [mask.indexOf(1), mask.lastIndexOf(1)].map((at) => Math.floor(at / columns));
    include(2, slice, slice);
    include(1, first, last);
    for (let row = first; row <= last; row++) {
      const line = mask.subarray(row * columns, (row + 1) * columns), start = line.indexOf(1);
      if (start >= 0) include(0, start, line.lastIndexOf(1));
    }
  }
  return [low, high];
}

// First and last index of a grid along each axis at which a box of the CT, with the voxels around it, may be.
function rangeOn(gridFromCt, [low, high]) {
  const corners = Array.from({ length: 8 }, (_, i) => apply(gridFromCt, [0, 1, 2].map((axis) => ((i >> axis) & 1 ? high[axis] + 1 : low[axis] - 1))));
  const bound = (pick, round) => [0, 1, 2].map((axis) => round(pick(...corners.map((corner) => corner[axis]))));
  return [bound(Math.min, Math.floor), bound(Math.max, Math.ceil)];
}

function nearest({ slices, volume: { size: [columns, rows] } }) {
  return (x, y, z) => {
    const column = Math.round(x), row = Math.round(y);
    if (column < 0 || row < 0 || column >= columns || row >= rows) return false;
    return slices.get(Math.round(z))?.[row * columns + column] === 1;
  };
}

function interpolated({ slices, volume: { size: [columns, rows] } }, [low, high]) {
  const masks = Array.from({ length: high[2] - low[2] + 3 }, (_, i) => slices.get(low[2] - 1 + i)); // one more at each end
  const at = (mask, column, row) => (mask && column >= 0 && row >= 0 && column < columns && row < rows ? mask[row * columns + column] : 0);
  return (x, y, z) => {
    const column = Math.floor(x), row = Math.floor(y), slice = Math.floor(z);
    const fx = x - column, fy = y - row, fz = z - slice;
    let sum = 0;
    for (let i = 0; i < 2; i++) {
      const mask = masks[slice + i - low[2] + 1];
      if (!mask) continue;
      const first = (1 - fx) * at(mask, column, row) + fx * at(mask, column + 1, row);
      const second = (1 - fx) * at(mask, column, row + 1) + fx * at(mask, column + 1, row + 1);
      sum += (i ? fz : 1 - fz) * ((1 - fy) * first + fy * second);
    }
    return sum >= 0.5;
  };
}
