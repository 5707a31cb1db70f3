// Residuals of the skull by region in colour on the bone of the CT: outside (+) orange, inside (-) blue, as on the QA sheet.

import { FULL_MM, residualColour } from "../panels/residual_map.js";
import { apply } from "../viewer/geometry.js";
import { OUTSIDE } from "../viewer/volume.js";

const SECTORS = ["left", "back left", "back", "back right", "right", "front right", "front", "front left"];
const VERTEX_DEG = 60, UPPER_DEG = 15, BASE_DEG = -30; // elevations from the centre of the brain, as in the registration QA
const BONE_HU = 300;
const ALPHA = 190;
const BAR_STEPS = 32;

// The region of a direction from the centre of the brain, LPS.
export function regionOf([x, y, z]) {
  const elevation = (Math.atan2(z, Math.hypot(x, y)) * 180) / Math.PI;
  if (elevation > VERTEX_DEG) return "vertex";
  if (elevation < BASE_DEG) return "skull base";
  const sector = (Math.round((Math.atan2(y, x) * 180) / Math.PI / 45) + SECTORS.length) % SECTORS.length;
  return `${SECTORS[sector]}, ${elevation > UPPER_DEG ? "upper" : "lower"}`;
}

export class ResidualOverlay {
  constructor(viewer) {
    Object.assign(this, { viewer, isShown: false, isOblique: true, images: new Map() });
    this.set({}, null);
  }

  // Residuals, [mm outwards, patches] by region, and the centre of the brain, LPS mm of the CT.
  set(residuals, centreMm) {
    const colours = Object.entries(residuals ?? {}).map(([name, [mm]]) => [name, residualColour(mm)]);
    Object.assign(this, { centreMm, colours: new Map(colours) });
    this.images.clear();
  }

  show(isShown) {
    this.isShown = isShown;
    this.viewer.requestDraw();
  }

  get isKnown() {
    return Boolean(this.centreMm && this.colours.size);
  }

  draw(context, viewport, index) {
    if (!this.isShown || !this.isKnown || (viewport.show && viewport.show !== "fused")) return;
    const image = this.image(viewport, index);
    const { corner, columns, rows, scale } = viewport;
    context.drawImage(image, corner[0], corner[1], columns * scale[0], rows * scale[1]);
    if (viewport === this.viewer.viewports[0]) this.drawBar(context, viewport);
  }

  // The colours from inside to outside with their residuals, at the bottom of a viewport.
  drawBar(context, { left, top, width, height, ratio }) {
    const [side, length, margin] = [8 * ratio, 120 * ratio, 14 * ratio];
    const [from, y] = [left + (width - length) / 2, top + height - 3.2 * margin];
    for (let step = 0; step < BAR_STEPS; step++) {
      context.fillStyle = `rgb(${residualColour(FULL_MM * ((2 * step) / (BAR_STEPS - 1) - 1))})`;
      context.fillRect(from + (step * length) / BAR_STEPS, y, length / BAR_STEPS + 1, side);
    }
    this.viewer.write(`−${FULL_MM}`, from - margin / 2, y + side / 2, "right");
    this.viewer.write(`+${FULL_MM} mm`, from + length + margin / 2, y + side / 2, "left");
  }

  image(viewport, index) {
    const { viewer } = this;
    const key = `${viewport.plane} ${index} ${viewer.version}`;
    const cached = this.images.get(viewport.number);
    if (cached?.key === key) return cached.canvas;
    const canvas = Object.assign(document.createElement("canvas"), { width: viewport.columns, height: viewport.rows });
    const context = canvas.getContext("2d", { willReadFrequently: true });
    const pixels = context.createImageData(viewport.columns, viewport.rows);
    this.paint(pixels.data, viewport, index);
    context.putImageData(pixels, 0, 0);
    this.images.set(viewport.number, { key, canvas });
    return canvas;
  }

  paint(bytes, viewport, index) {
    const values = this.viewer.planes.slice("ct", viewport, index);
    const bone = BONE_HU / this.viewer.ct.step;
    const voxel = [0, 0, 0];
    voxel[viewport.across] = index;
    for (let row = 0, i = 0; row < viewport.rows; row++)
      for (let column = 0; column < viewport.columns; column++, i++) {
        if (values[i] < bone || values[i] === OUTSIDE) continue;
        voxel[viewport.right] = column;
        voxel[viewport.down] = viewport.upwards ? viewport.rows - 1 - row : row;
        const mm = apply(viewport.grid.mmFromVoxel, voxel);
        const colour = this.colours.get(regionOf(mm.map((value, axis) => value - this.centreMm[axis])));
        if (colour) bytes.set([...colour, ALPHA], 4 * i);
      }
  }
}
