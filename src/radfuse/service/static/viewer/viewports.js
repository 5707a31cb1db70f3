// Layouts of the viewports on the canvas, and conversion between canvas positions and voxels.

import { PLANES } from "./volume.js";

const MARGIN_PX = 2;

// `area` is left, top, width, height in [0, 1] of the canvas; `show` fixes the image, else the overlay is shown.
const column = (plane, i, row, show) => ({ plane, show, area: [i / 3, row / 2, 1 / 3, 1 / 2] });
const planes = ["axial", "coronal", "sagittal"];
export const LAYOUTS = {
  planes: [
    { plane: "axial", area: [0, 0, 0.62, 1] },
    { plane: "coronal", area: [0.62, 0, 0.38, 0.5] },
    { plane: "sagittal", area: [0.62, 0.5, 0.38, 0.5] },
  ],
  rendering: [
    { plane: "axial", area: [0, 0, 0.5, 0.5] },
    { plane: "coronal", area: [0.5, 0, 0.5, 0.5] },
    { plane: "sagittal", area: [0, 0.5, 0.5, 0.5] },
  ],
  side: ["ct", "mr", "fused"].map((show, i) => ({ plane: "axial", show, area: [i / 3, 0, 1 / 3, 1] })),
  axial: [{ plane: "axial", area: [0, 0, 1, 1] }],
  coronal: [{ plane: "coronal", area: [0, 0, 1, 1] }],
  sagittal: [{ plane: "sagittal", area: [0, 0, 1, 1] }],
  landmarks: [...planes.map((plane, i) => column(plane, i, 0, "ct")), ...planes.map((plane, i) => column(plane, i, 1, "mr"))],
};
export const RENDERING_AREA = [0.5, 0.5, 0.5, 0.5];

export function rectangle([left, top, width, height], canvas) {
  return [left * canvas.width + MARGIN_PX, top * canvas.height + MARGIN_PX, width * canvas.width - 2 * MARGIN_PX, height * canvas.height - 2 * MARGIN_PX];
}

export class Viewport {
  constructor({ plane, show, area }, grid, canvas, { zoom, middle, ratio }) {
    Object.assign(this, PLANES[plane], { plane, show, grid, ratio });
    [this.left, this.top, this.width, this.height] = rectangle(area, canvas);
    this.columns = grid.size[this.right];
    this.rows = grid.size[this.down];
    const [wide, high] = [this.columns * grid.spacing[this.right], this.rows * grid.spacing[this.down]];
    this.pixelsPerMm = zoom * Math.min(this.width / wide, this.height / high);
    this.scale = [this.pixelsPerMm * grid.spacing[this.right], this.pixelsPerMm * grid.spacing[this.down]];
    this.corner = [this.left + this.width / 2 - (middle[this.right] + 0.5) * this.scale[0], this.top + this.height / 2 - (this.rowOf(middle) + 0.5) * this.scale[1]];
  }

  rowOf(voxel) {
    return this.upwards ? this.rows - 1 - voxel[this.down] : voxel[this.down];
  }

  contains(x, y) {
    return x >= this.left && y >= this.top && x < this.left + this.width && y < this.top + this.height;
  }

  // Canvas position of a voxel's centre.
  toScreen(voxel) {
    return [this.corner[0] + (voxel[this.right] + 0.5) * this.scale[0], this.corner[1] + (this.rowOf(voxel) + 0.5) * this.scale[1]];
  }

  // Continuous voxel index at a canvas position, in the plane of another voxel.
  toVoxel(x, y, within) {
    const voxel = [...within];
    voxel[this.right] = (x - this.corner[0]) / this.scale[0] - 0.5;
    const row = (y - this.corner[1]) / this.scale[1] - 0.5;
    voxel[this.down] = this.upwards ? this.rows - 1 - row : row;
    return voxel;
  }
}
