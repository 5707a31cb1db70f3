// Where the head is: masks of its body, the range of an MR's values in it, and its box.

import { dilated, element, largestPart } from "./filters.js";
import { percentiles } from "./levels.js";
import { maskLike, masked, median, volume } from "./volume.js";

const BODY_HU = -300; // between air and fat
const MASK_SPACING_MM = 2; // masks are computed on a grid at least this coarse
const BOX_SPACING_MM = 4;
const MARGIN_MM = 10; // air kept around the head
const CLOSING_MM = 4; // gaps in the scalp, where hair or fat-free skin is dark
const OPENING_MM = 6; // separates the head from couch and head holder
const BINS = 128;
const MARGINAL_SCALE = 100; // of ITK's histogram: the highest bin extends past the highest value
const MR_PERCENTILES = [1, 99.5];

// Voxels of a block by axis.
const factorsFor = (shape, spacingMm, coarseMm) =>
  shape.map((size, axis) => Math.min(Math.max(1, Math.floor(coarseMm / spacingMm[axis] + 1e-3)), size));

// Whole voxels averaged; an incomplete last block is left out.
function shrunk(image, spacingMm, coarseMm) {
  const factors = factorsFor(image.shape, spacingMm, coarseMm);
  const coarse = volume(image.shape.map((size, axis) => Math.floor(size / factors[axis])));
  const [depth, rows, columns] = coarse.shape;
  const sums = new Float64Array(coarse.data.length);
  for (let z = 0; z < depth * factors[0]; z++)
    for (let y = 0; y < rows * factors[1]; y++) {
      const from = (z * image.shape[1] + y) * image.shape[2];
      const to = (Math.floor(z / factors[0]) * rows + Math.floor(y / factors[1])) * columns;
      for (let x = 0; x < columns * factors[2]; x++) sums[to + Math.floor(x / factors[2])] += image.data[from + x];
    }
  const count = factors[0] * factors[1] * factors[2];
  sums.forEach((sum, i) => { coarse.data[i] = sum / count; });
  return { coarse, factors, spacingMm: spacingMm.map((step, axis) => step * factors[axis]) };
}

function extremes(data) {
  let low = Infinity;
  let high = -Infinity;
  for (const value of data) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return [low, high];
}

// The value that separates two classes best, by Otsu: the upper end of a bin of the histogram.
function otsuThreshold(data) {
  const [low, high] = extremes(data);
  const step = (high + (high - low) / BINS / MARGINAL_SCALE - low) / BINS;
  const counts = new Float64Array(BINS);
  for (const value of data) counts[Math.min(Math.floor((value - low) / step), BINS - 1)]++;
  const total = counts.reduce((sum, count, bin) => sum + count * (bin + 0.5), 0);
  let [best, most, below, sumBelow] = [0, -1, 0, 0];
  for (let bin = 0; bin < BINS - 1; bin++) {
    below += counts[bin];
    sumBelow += counts[bin] * (bin + 0.5);
    const above = data.length - below;
    const apart = sumBelow / below - (total - sumBelow) / above;
    const between = below * above * apart * apart;
    if (between > most) [most, best] = [between, bin];
  }
  return low + step * (best + 1);
}

// Offsets of ITK's ball: a radius of r voxels reaches r and a half.
const ball = (radius) => element(radius, (...offset) =>
  offset.reduce((sum, n, axis) => sum + (n / (radius[axis] + 0.5)) ** 2, 0) <= 1);

const radiusOf = (shape, spacingMm, radiusMm) =>
  shape.map((size, axis) => Math.min(Math.floor(radiusMm / spacingMm[axis]), Math.floor(size / 4)));

const inverted = (mask) => masked(mask, (i) => !mask.data[i]);

// Erosion; outside of the volume all is foreground.
const eroded = (mask, offsets) => inverted(dilated(inverted(mask), offsets));

// The mask with background around it, or with it cut off.
function padded({ shape, data }, margin, sign) {
  const out = maskLike({ shape: shape.map((size, axis) => size + 2 * sign * margin[axis]) });
  const [source, target] = sign > 0 ? [shape, out.shape] : [out.shape, shape];
  for (let z = 0; z < source[0]; z++)
    for (let y = 0; y < source[1]; y++) {
      const inner = (z * source[1] + y) * source[2];
      const outer = ((z + margin[0]) * target[1] + y + margin[1]) * target[2] + margin[2];
      if (sign > 0) out.data.set(data.subarray(inner, inner + source[2]), outer);
      else out.data.set(data.subarray(outer, outer + source[2]), inner);
    }
  return out;
}

// Holes filled slice by slice: background that does not reach the border of its slice.
function filledSlices(mask) {
  const { shape: [depth, rows, columns], data } = mask;
  const filled = maskLike(mask).data.fill(1);
  const queue = new Int32Array(rows * columns);
  for (let z = 0; z < depth; z++) {
    const first = z * rows * columns;
    let found = 0;
    const open = (y, x) => {
      if (y < 0 || x < 0 || y >= rows || x >= columns) return;
      const i = y * columns + x;
      if (data[first + i] || !filled[first + i]) return;
      filled[first + i] = 0;
      queue[found++] = i;
    };
    for (let y = 0; y < rows; y++) [0, columns - 1].forEach((x) => open(y, x));
    for (let x = 0; x < columns; x++) [0, rows - 1].forEach((y) => open(y, x));
    for (let done = 0; done < found; done++) {
      const y = Math.floor(queue[done] / columns);
      const x = queue[done] % columns;
      [[y - 1, x], [y + 1, x], [y, x - 1], [y, x + 1]].forEach(([row, column]) => open(row, column));
    }
  }
  return volume(mask.shape, filled);
}

// The largest connected body: gaps in the scalp closed, holes filled, thin bridges opened.
function largestBody(mask, spacingMm) {
  const margin = radiusOf(mask.shape, spacingMm, CLOSING_MM);
  const near = ball(margin);
  const closed = padded(eroded(dilated(padded(mask, margin, 1), near), near), margin, -1);
  const wide = ball(radiusOf(mask.shape, spacingMm, OPENING_MM));
  const opened = dilated(eroded(filledSlices(closed), wide), wide);
  return filledSlices(largestPart(opened));
}

// Values of an MR that become 0 and 1: percentiles of the voxels of the head.
export function headRange(image, spacingMm) {
  const { coarse, factors, spacingMm: coarseMm } = shrunk(image, spacingMm, MASK_SPACING_MM);
  const threshold = otsuThreshold(coarse.data);
  const level = median(coarse.data.filter((value) => value > threshold)) / 4;
  const head = largestBody(masked(coarse, (i) => coarse.data[i] > level), coarseMm);
  const [depth, rows, columns] = image.shape;
  const values = [];
  for (let z = 0, i = 0; z < depth; z++)
    for (let y = 0; y < rows; y++)
      for (let x = 0; x < columns; x++, i++) {
        const [cz, cy, cx] = [z, y, x].map((n, axis) => Math.floor(n / factors[axis]));
        if (cz >= head.shape[0] || cy >= head.shape[1] || cx >= head.shape[2]) continue;
        if (head.data[(cz * head.shape[1] + cy) * head.shape[2] + cx]) values.push(image.data[i]);
      }
  return values.length ? percentiles(values, MR_PERCENTILES) : [0, 0];
}

// The box of the head in a CT with its margin, [start, stop] by axis; null without a head.
export function headBox(hu, spacingMm) {
  const { coarse, factors, spacingMm: coarseMm } = shrunk(hu, spacingMm, BOX_SPACING_MM);
  const head = largestBody(masked(coarse, (i) => coarse.data[i] > BODY_HU), coarseMm);
  const bounds = [0, 1, 2].map(() => [Infinity, -Infinity]);
  const [, rows, columns] = head.shape;
  head.data.forEach((inside, i) => {
    if (!inside) return;
    const plane = Math.floor(i / columns);
    [Math.floor(plane / rows), plane % rows, i % columns].forEach((n, axis) => {
      bounds[axis] = [Math.min(bounds[axis][0], n), Math.max(bounds[axis][1], n + 1)];
    });
  });
  if (bounds[0][0] === Infinity) return null;
  return bounds.map(([start, stop], axis) => {
    const factor = factors[axis];
    const margin = MARGIN_MM / spacingMm[axis];
    const low = Math.max(Math.floor(start * factor - 0.5 - margin), 0);
    return [low, Math.min(Math.ceil(stop * factor - 0.5 + margin) + 1, hu.shape[axis])];
  });
}
