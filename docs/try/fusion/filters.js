// Filters of volumes: Gaussian means, largest values, connected parts, distances.
//
// Borders, kernels and the order of sums are those of scipy.ndimage, so that results agree with
// radfuse's to the last digits of float32.

import { asFloat, clipped, computed, maskLike, roundedEven, volume } from "./volume.js";

const TRUNCATE = 3; // radius of a Gaussian kernel in standard deviations
const FAR = 1e20;

// Index inside an axis of a given size, mirrored at its ends: c b a | a b c | c b a.
function mirrored(index, size) {
  const period = 2 * size;
  const inside = ((index % period) + period) % period;
  return inside < size ? inside : period - 1 - inside;
}

function kernel(sigma) {
  const radius = Math.floor(TRUNCATE * sigma + 0.5);
  const weights = Float64Array.from({ length: radius + 1 }, (_, x) => Math.exp((-0.5 / (sigma * sigma)) * x * x));
  const sum = weights.reduce((total, weight, x) => total + (x ? 2 * weight : weight), 0);
  return weights.map((weight) => weight / sum);
}

// The axis as the number of lines, their length and the distance of neighbours in memory.
function strides(shape, axis) {
  const step = shape.slice(axis + 1).reduce((product, size) => product * size, 1);
  return { count: shape[axis], step, outer: shape.slice(0, axis).reduce((product, size) => product * size, 1) };
}

// Apply combine(output, inputRows, row) along an axis; a row is all that shares an index on it.
function smoothedAlong({ shape, data }, axis, sigma) {
  const { count, step, outer } = strides(shape, axis);
  const weights = kernel(sigma);
  const out = volume(shape);
  const sums = new Float64Array(step);
  for (let block = 0; block < outer; block++) {
    const first = block * count * step;
    for (let index = 0; index < count; index++) {
      const here = first + index * step;
      for (let i = 0; i < step; i++) sums[i] = data[here + i] * weights[0];
      for (let distance = weights.length - 1; distance > 0; distance--) {
        const before = first + mirrored(index - distance, count) * step;
        const after = first + mirrored(index + distance, count) * step;
        const weight = weights[distance];
        for (let i = 0; i < step; i++) sums[i] += (data[before + i] + data[after + i]) * weight;
      }
      out.data.set(sums, here);
    }
  }
  return out;
}

// The same along the columns, whose neighbours are next to each other in memory.
function smoothedInRows({ shape, data }, sigma) {
  const count = shape[2];
  const weights = kernel(sigma);
  const radius = weights.length - 1;
  const out = volume(shape);
  const line = new Float64Array(count + 2 * radius);
  const source = Int32Array.from(line, (_, i) => mirrored(i - radius, count));
  for (let first = 0; first < data.length; first += count) {
    for (let i = 0; i < line.length; i++) line[i] = data[first + source[i]];
    for (let i = 0; i < count; i++) {
      let sum = line[i + radius] * weights[0];
      for (let distance = radius; distance > 0; distance--)
        sum += (line[i + radius - distance] + line[i + radius + distance]) * weights[distance];
      out.data[first + i] = sum;
    }
  }
  return out;
}

// A Gaussian mean along the axes that have more than one voxel.
export function smoothed(values, sigmaMm, spacingMm) {
  let result = values.data instanceof Float32Array ? values : asFloat(values);
  for (let axis = 0; axis < 3; axis++) {
    const sigma = values.shape[axis] > 1 ? sigmaMm / spacingMm[axis] : 0;
    if (sigma <= 1e-15) continue;
    result = axis === 2 ? smoothedInRows(result, sigma) : smoothedAlong(result, axis, sigma);
  }
  return result;
}

// The largest value within a distance along each axis.
export function spread(values, reachMm, spacingMm) {
  let result = values;
  for (let axis = 0; axis < 3; axis++) {
    const reach = values.shape[axis] > 1 ? roundedEven(reachMm / spacingMm[axis]) : 0;
    if (reach) result = largestAlong(result, axis, reach);
  }
  return result;
}

function largestAlong({ shape, data }, axis, reach) {
  const { count, step, outer } = strides(shape, axis);
  const out = volume(shape);
  for (let block = 0; block < outer; block++) {
    const first = block * count * step;
    for (let index = 0; index < count; index++) {
      const here = first + index * step;
      const row = out.data.subarray(here, here + step).fill(-Infinity);
      for (let near = Math.max(index - reach, 0); near <= Math.min(index + reach, count - 1); near++)
        for (let i = 0; i < step; i++) row[i] = Math.max(row[i], data[first + near * step + i]);
    }
  }
  return out;
}

// 0 up to a start, 1 from start plus width on, smooth between.
export function ramp(value, start, width) {
  const share = clipped((value - start) / width, 0, 1);
  return share * share * (3 - 2 * share);
}

export const ramped = (values, start, width) => computed(values, (i) => ramp(values.data[i], start, width));

// Offsets [z, y, x] of a structuring element whose test holds within a reach.
export function element(reach, test) {
  const offsets = [];
  for (let z = -reach[0]; z <= reach[0]; z++)
    for (let y = -reach[1]; y <= reach[1]; y++)
      for (let x = -reach[2]; x <= reach[2]; x++) if (test(z, y, x)) offsets.push([z, y, x]);
  return offsets;
}

const FACES = [[-1, 0, 0], [1, 0, 0], [0, -1, 0], [0, 1, 0], [0, 0, -1], [0, 0, 1]];

// Call visit(index) for the neighbours of a voxel inside the volume.
function forNeighbours(shape, [z, y, x], offsets, visit) {
  const [depth, rows, columns] = shape;
  for (const [dz, dy, dx] of offsets) {
    const near = [z + dz, y + dy, x + dx];
    if (near[0] < 0 || near[1] < 0 || near[2] < 0) continue;
    if (near[0] >= depth || near[1] >= rows || near[2] >= columns) continue;
    visit((near[0] * rows + near[1]) * columns + near[2]);
  }
}

// Dilation by a convex element: only voxels with a neighbour outside the mask extend it.
export function dilated(mask, offsets) {
  const { shape, data } = mask;
  const [depth, rows, columns] = shape;
  const out = volume(shape, data.slice());
  for (let z = 0, i = 0; z < depth; z++)
    for (let y = 0; y < rows; y++)
      for (let x = 0; x < columns; x++, i++) {
        if (!data[i]) continue;
        let isEdge = false;
        forNeighbours(shape, [z, y, x], FACES, (near) => { isEdge ||= !data[near]; });
        if (isEdge) forNeighbours(shape, [z, y, x], offsets, (near) => { out.data[near] = 1; });
      }
  return out;
}

// Connected parts, numbered from 1 in the order of their first voxels; by faces, or by corners too.
export function labelled(mask, byCorners = false) {
  const { shape, data } = mask;
  const [, rows, columns] = shape;
  const offsets = byCorners ? element([1, 1, 1], (z, y, x) => z || y || x) : FACES;
  const labels = new Int32Array(data.length);
  const queue = new Int32Array(data.length);
  let count = 0;
  for (let start = 0; start < data.length; start++) {
    if (!data[start] || labels[start]) continue;
    labels[start] = ++count;
    queue[0] = start;
    for (let done = 0, found = 1; done < found; done++) {
      const i = queue[done];
      const plane = Math.floor(i / columns);
      forNeighbours(shape, [Math.floor(plane / rows), plane % rows, i % columns], offsets, (near) => {
        if (!data[near] || labels[near]) return;
        labels[near] = count;
        queue[found++] = near;
      });
    }
  }
  return { labels, count };
}

// The largest connected part of a mask, by faces; empty where the mask is.
export function largestPart(mask) {
  const { labels, count } = labelled(mask);
  const sizes = new Float64Array(count + 1);
  for (const label of labels) sizes[label]++;
  sizes[0] = 0;
  const largest = sizes.indexOf(Math.max(...sizes.subarray(1), 0), 1);
  const part = maskLike(mask);
  if (count) for (let i = 0; i < labels.length; i++) part.data[i] = labels[i] === largest ? 1 : 0;
  return part;
}

// Distance in mm of each voxel of a mask to the nearest voxel outside it; 0 outside.
export function distances(mask, spacingMm) {
  const { shape } = mask;
  const squared = Float64Array.from(mask.data, (inside) => (inside ? FAR : 0));
  for (let axis = 0; axis < 3; axis++) {
    const { count, step, outer } = strides(shape, axis);
    if (count > 1) for (let block = 0; block < outer; block++)
      for (let i = 0; i < step; i++) lowerEnvelope(squared, block * count * step + i, step, count, spacingMm[axis]);
  }
  return squared.map(Math.sqrt);
}

// Squared distances along one line, from those of the axes before (lower envelope of parabolas).
function lowerEnvelope(squared, first, step, count, spacing) {
  const heights = Float64Array.from({ length: count }, (_, i) => squared[first + i * step]);
  const vertices = new Int32Array(count);
  const bounds = new Float64Array(count + 1).fill(Infinity);
  bounds[0] = -Infinity;
  let last = 0;
  const meet = (q, v) =>
    ((heights[q] - heights[v]) / (spacing * spacing) + q * q - v * v) / (2 * (q - v));
  for (let q = 1; q < count; q++) {
    let at = meet(q, vertices[last]);
    while (at <= bounds[last]) at = meet(q, vertices[--last]);
    vertices[++last] = q;
    bounds[last] = at;
    bounds[last + 1] = Infinity;
  }
  for (let q = 0, k = 0; q < count; q++) {
    while (bounds[k + 1] < q) k++;
    const apart = (q - vertices[k]) * spacing;
    squared[first + q * step] = Math.min(apart * apart + heights[vertices[k]], FAR);
  }
}
