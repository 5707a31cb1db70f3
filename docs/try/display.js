// Images on canvases, in 8 bits; volumes slice by slice, the patient's right on the left.

import { inWindow } from "./fusion/levels.js";
import { clipped } from "./fusion/volume.js";

// Whether an axis of an axial volume is displayed in the opposite order: [columns, rows].
function reversedAxes({ affine }) {
  if (!affine) return [false, false];
  const main = (axis) => [0, 1, 2].reduce((best, row) =>
    (Math.abs(affine[row][axis]) > Math.abs(affine[best][axis]) ? row : best), 0);
  if (main(0) !== 0 || main(1) !== 1) return [false, false];
  return [affine[0][0] > 0, affine[1][1] > 0];
}

// Draw a slice whose grey level at i is grey(i), 0 to 255.
export function draw(canvas, image, slice, grey) {
  const [, rows, columns] = image.shape;
  const [fromRight, fromBottom] = reversedAxes(image);
  const pixels = new ImageData(columns, rows);
  const first = slice * rows * columns;
  for (let y = 0; y < rows; y++)
    for (let x = 0; x < columns; x++) {
      const i = first + (fromBottom ? rows - 1 - y : y) * columns + (fromRight ? columns - 1 - x : x);
      pixels.data.fill(grey(i), 4 * (y * columns + x), 4 * (y * columns + x) + 3);
      pixels.data[4 * (y * columns + x) + 3] = 255;
    }
  Object.assign(canvas, { width: columns, height: rows });
  const [, rowMm, columnMm] = image.spacingMm ?? [1, 1, 1];
  canvas.style.aspectRatio = `${columns * columnMm} / ${rows * rowMm}`;
  canvas.getContext("2d").putImageData(pixels, 0, 0);
}

// The grey levels of CT, MR and fused image, by canvas.
export function greyOf({ ct, mr }, window, { levels, full, mrRange }) {
  if (!mrRange)
    return { ct: (i) => ct.data[i] * 255, mr: (i) => mr.data[i] * 255, fused: (i) => levels[i] };
  const [low, high] = mrRange;
  return {
    ct: (i) => inWindow(ct.data[i], window) * 255,
    mr: (i) => clipped((mr.data[i] - low) / (high - low), 0, 1) * 255,
    fused: (i) => (levels[i] / full) * 255,
  };
}
