// Layouts of the viewports on the canvas, and conversion between canvas positions and voxels.

import { apply, inverse, multiply } from "./geometry.js";
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
const WHOLE_CANVAS = [0, 0, 1, 1];

// The viewports of a layout, or the one that is maximised, each with its number in the layout. For landmarks the MR is replaced by
// the image that is aligned.
export function layoutOf(name, maximised, aligned = "mr") {
  const show = (image) => (name === "landmarks" && image === "mr" ? aligned : image);
  const entries = LAYOUTS[name].map((entry, number) => ({ ...entry, show: show(entry.show), number }));
  return entries[maximised] ? [{ ...entries[maximised], area: WHOLE_CANVAS }] : entries;
}

export function rectangle([left, top, width, height], canvas) {
  return [left * canvas.width + MARGIN_PX, top * canvas.height + MARGIN_PX, width * canvas.width - 2 * MARGIN_PX, height * canvas.height - 2 * MARGIN_PX];
}

// A plane of a grid on the canvas. Voxels are those of the CT, also where the grid is another one.
export class Viewport {
  constructor({ plane, show, area, number = 0 }, grid, canvas, { zoom, middle, ratio }, ct = grid) {
    Object.assign(this, PLANES[plane], { plane, show, number, grid, ratio, isOblique: grid !== ct });
    if (this.isOblique) {
      this.plane = `MR ${plane}`; // what is drawn in planes of the CT is not drawn here
      this.gridFromCt = multiply(grid.voxelFromMm, ct.mmFromVoxel);
      this.ctFromGrid = inverse(this.gridFromCt);
    }
    this.planeOfGrid = plane;
    [this.left, this.top, this.width, this.height] = rectangle(area, canvas);
    this.columns = grid.size[this.right];
    this.rows = grid.size[this.down];
    const [wide, high] = [this.columns * grid.spacing[this.right], this.rows * grid.spacing[this.down]];
    this.fitted = Math.min(this.width / wide, this.height / high);
    this.pixelsPerMm = zoom * this.fitted;
    this.scale = [this.pixelsPerMm * grid.spacing[this.right], this.pixelsPerMm * grid.spacing[this.down]];
    this.corner = [this.left + this.width / 2 - (middle[this.right] + 0.5) * this.scale[0], this.top + this.height / 2 - (this.rowOf(middle) + 0.5) * this.scale[1]];
  }

  toGrid(voxel) {
    return this.isOblique ? apply(this.gridFromCt, voxel) : voxel;
  }

  fromGrid(voxel) {
    return this.isOblique ? apply(this.ctFromGrid, voxel) : voxel;
  }

  // Number of the plane of a voxel.
  indexOf(voxel) {
    return Math.round(this.toGrid(voxel)[this.across]);
  }

  rowOf(voxel) {
    return this.upwards ? this.rows - 1 - voxel[this.down] : voxel[this.down];
  }

  contains(x, y) {
    return x >= this.left && y >= this.top && x < this.left + this.width && y < this.top + this.height;
  }

  // Canvas position of a voxel's centre.
  toScreen(voxel) {
    return this.gridToScreen(this.toGrid(voxel));
  }

  // Canvas position of a voxel of the grid of this viewport.
  gridToScreen(voxel) {
    return [this.corner[0] + (voxel[this.right] + 0.5) * this.scale[0], this.corner[1] + (this.rowOf(voxel) + 0.5) * this.scale[1]];
  }

  // Continuous voxel index at a canvas position, in the plane of another voxel.
  toVoxel(x, y, within) {
    return this.fromGrid(this.screenToGrid(x, y, this.toGrid(within)));
  }

  screenToGrid(x, y, within) {
    const voxel = [...within];
    voxel[this.right] = (x - this.corner[0]) / this.scale[0] - 0.5;
    const row = (y - this.corner[1]) / this.scale[1] - 0.5;
    voxel[this.down] = this.upwards ? this.rows - 1 - row : row;
    return voxel;
  }

  // Unit vectors (LPS) along the screen's right and down, and away from the reader.
  get directions() {
    const column = (axis, sign) => {
      const vector = [0, 1, 2].map((row) => this.grid.mmFromVoxel[row][axis]);
      return vector.map((value) => (sign * value) / Math.hypot(...vector));
    };
    const right = column(this.right, 1), down = column(this.down, this.upwards ? -1 : 1);
    return { right, down, away: [0, 1, 2].map((i) => right[(i + 1) % 3] * down[(i + 2) % 3] - right[(i + 2) % 3] * down[(i + 1) % 3]) };
  }
}
