// A volume of the viewer: int16 voxels with axes in LPS order, and its planes.

import { apply, inverse } from "./geometry.js";

const DATA_OFFSET = 352;
export const OUTSIDE = -32768;

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
    const response = await fetch(url);
    if (!response.ok) throw new Error((await response.json()).error);
    const bytes = await response.arrayBuffer();
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

function sampleRow({ data, size: [nx, ny, nz] }, [x, y, z], [dx, dy, dz], values, to, count) {
  const slice = nx * ny;
  for (let end = to + count; to < end; to++, x += dx, y += dy, z += dz) {
    // the outer half voxel belongs to the image: its value is held there
    if (x < -0.5 || y < -0.5 || z < -0.5 || x >= nx - 0.5 || y >= ny - 0.5 || z >= nz - 0.5) {
      values[to] = OUTSIDE;
      continue;
    }
    const cx = x < 0 ? 0 : x > nx - 1 ? nx - 1 : x, cy = y < 0 ? 0 : y > ny - 1 ? ny - 1 : y, cz = z < 0 ? 0 : z > nz - 1 ? nz - 1 : z;
    const ix = cx | 0, iy = cy | 0, iz = cz | 0;
    const fx = cx - ix, fy = cy - iy, fz = cz - iz;
    const base = iz * slice + iy * nx + ix;
    const px = fx > 0 ? 1 : 0, py = fy > 0 ? nx : 0, pz = fz > 0 ? slice : 0;
    const a = data[base] + (data[base + px] - data[base]) * fx;
    const b = data[base + py] + (data[base + py + px] - data[base + py]) * fx;
    const c = data[base + pz] + (data[base + pz + px] - data[base + pz]) * fx;
    const d = data[base + pz + py] + (data[base + pz + py + px] - data[base + pz + py]) * fx;
    const near = a + (b - a) * fy, far = c + (d - c) * fy;
    values[to] = Math.round(near + (far - near) * fz);
  }
}
