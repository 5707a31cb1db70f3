// A volume of the viewer: int16 voxels with axes in LPS order, and its planes.

import { loadVolume } from "../early.js";
import { apply, inverse } from "./geometry.js";

const DATA_OFFSET = 352;
export const OUTSIDE = -32768;
const EDGE = 1e-6; // voxels: nearer to the border an index is clamped

// Voxel axes along the screen's right and down directions and across the plane; superior is up.
export const PLANES = {
  axial: { right: 0, down: 1, across: 2, upwards: false },
  coronal: { right: 0, down: 2, across: 1, upwards: true },
  sagittal: { right: 1, down: 2, across: 0, upwards: true },
};

export class Volume {
  constructor(description, data) {
    this.size = description.size;
    this.spacing = description.spacing_mm;
    this.step = description.step;
    this.mmFromVoxel = description.mm_from_voxel;
    this.voxelFromMm = inverse(description.mm_from_voxel);
    this.data = data;
  }

  static async load(url, description) {
    const { response, bytes } = await loadVolume(url);
    if (!response.ok) throw new Error((await response.json()).error);
    const count = description.size.reduce((product, size) => product * size, 1);
    return new Volume(description, new Int16Array(bytes, DATA_OFFSET, count));
  }

  valueAt(voxel) {
    const [x, y, z] = voxel.map(Math.round);
    const [nx, ny, nz] = this.size;
    if (x < 0 || y < 0 || z < 0 || x >= nx || y >= ny || z >= nz) return null;
    return this.data[(z * ny + y) * nx + x] * this.step;
  }
}

// One plane of a volume on its own grid, row by row from the top of the screen.
export function extractPlane(volume, plane, index) {
  const { right, down, across, upwards } = PLANES[plane];
  const [columns, rows] = [volume.size[right], volume.size[down]];
  const strides = [1, volume.size[0], volume.size[0] * volume.size[1]];
  const values = new Int16Array(columns * rows);
  const { data } = volume;
  for (let row = 0, to = 0; row < rows; row++) {
    let from = index * strides[across] + (upwards ? rows - 1 - row : row) * strides[down];
    for (let column = 0; column < columns; column++, from += strides[right]) values[to++] = data[from];
  }
  return values;
}

// The same plane of a grid, interpolated linearly in another volume; OUTSIDE where its field of view ends.
export function resamplePlane(volume, volumeFromGrid, gridSize, plane, index) {
  const { right, down, across, upwards } = PLANES[plane];
  const [columns, rows] = [gridSize[right], gridSize[down]];
  const values = new Int16Array(columns * rows);
  const step = volumeFromGrid.slice(0, 3).map((row) => row[right]);
  const start = [0, 0, 0];
  start[across] = index;
  for (let row = 0; row < rows; row++) {
    start[down] = upwards ? rows - 1 - row : row;
    sampleRow(volume, apply(volumeFromGrid, start), step, values, row * columns, columns);
  }
  return values;
}

// Columns of a row whose coordinate along an axis is in [low, high): first and end; the coordinate is `at` + column * `step`.
function within(at, step, low, high, [first, end]) {
  if (step === 0) return at >= low && at < high ? [first, end] : [0, 0];
  const [a, b] = [(low - at) / step, (high - at) / step];
  return step > 0 ? [Math.max(first, Math.ceil(a)), Math.min(end, Math.ceil(b))] : [Math.max(first, Math.floor(b) + 1), Math.min(end, Math.floor(a) + 1)];
}

// The outer half voxel belongs to the image: its value is held there. Inside of it no index needs to be clamped.
function sampleRow({ data, size }, from, step, values, to, count) {
  let span = [0, count], core = [0, count];
  for (let axis = 0; axis < 3; axis++) {
    span = within(from[axis], step[axis], -0.5, size[axis] - 0.5, span);
    core = within(from[axis], step[axis], EDGE, size[axis] - 1 - EDGE, core);
  }
  const [first, end] = span[1] > span[0] ? span : [0, 0];
  const [coreFirst, coreEnd] = core[1] > core[0] ? core : [end, end];
  values.fill(OUTSIDE, to, to + first);
  values.fill(OUTSIDE, to + end, to + count);
  for (let i = first; i < coreFirst; i++) values[to + i] = clampedSample(data, size, from, step, i);
  for (let i = coreEnd; i < end; i++) values[to + i] = clampedSample(data, size, from, step, i);
  sampleCore(data, size, from, step, values, to, coreFirst, coreEnd);
}

function sampleCore(data, [nx, ny], [x0, y0, z0], [dx, dy, dz], values, to, first, end) {
  const slice = nx * ny;
  for (let i = first; i < end; i++) {
    const x = x0 + i * dx, y = y0 + i * dy, z = z0 + i * dz;
    const ix = x | 0, iy = y | 0, iz = z | 0;
    const fx = x - ix, fy = y - iy, fz = z - iz;
    const low = iz * slice + iy * nx + ix, high = low + slice;
    const a = data[low] + (data[low + 1] - data[low]) * fx;
    const b = data[low + nx] + (data[low + nx + 1] - data[low + nx]) * fx;
    const c = data[high] + (data[high + 1] - data[high]) * fx;
    const d = data[high + nx] + (data[high + nx + 1] - data[high + nx]) * fx;
    const near = a + (b - a) * fy;
    values[to + i] = Math.floor(near + (c + (d - c) * fy - near) * fz + 0.5);
  }
}

function clampedSample(data, [nx, ny, nz], from, step, column) {
  const [x, y, z] = [nx, ny, nz].map((count, axis) => Math.min(Math.max(from[axis] + column * step[axis], 0), count - 1));
  const ix = x | 0, iy = y | 0, iz = z | 0;
  let sum = 0;
  for (let corner = 0; corner < 8; corner++) {
    const cx = Math.min(ix + (corner & 1), nx - 1), cy = Math.min(iy + ((corner >> 1) & 1), ny - 1), cz = Math.min(iz + (corner >> 2), nz - 1);
    const weight = (corner & 1 ? x - ix : 1 - x + ix) * (corner & 2 ? y - iy : 1 - y + iy) * (corner & 4 ? z - iz : 1 - z + iz);
    sum += weight * data[(cz * ny + cy) * nx + cx];
  }
  return Math.floor(sum + 0.5);
}
