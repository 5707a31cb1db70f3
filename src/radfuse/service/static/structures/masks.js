// Masks: bytes of 0 and 1, row by row; a voxel is inside where its centre is. Shapes are emitted as rows of voxels:
// `emit(row, first, last)`, clipped to the size of the plane.

// Runs are [start, length, start, length, ...] of ones.
export function fromRuns(runs, count) {
  const mask = new Uint8Array(count);
  for (let i = 0; i < runs.length; i += 2) mask.fill(1, runs[i], runs[i] + runs[i + 1]);
  return mask;
}

export function toRuns(mask) {
  const runs = [];
  let start = mask.indexOf(1);
  while (start >= 0) {
    const end = mask.indexOf(0, start);
    const stop = end < 0 ? mask.length : end;
    runs.push(start, stop - start);
    start = end < 0 ? -1 : mask.indexOf(1, stop);
  }
  return runs;
}

export function runLength(runs) {
  let sum = 0;
  for (let i = 1; i < runs.length; i += 2) sum += runs[i];
  return sum;
}

// Runs of positions in any order, each once.
export function runsOf(positions) {
  const sorted = Int32Array.from(positions).sort();
  const runs = [];
  for (let i = 0, start = 0; i < sorted.length; i++)
    if (i + 1 === sorted.length || sorted[i + 1] !== sorted[i] + 1) runs.push(sorted[start], i + 1 - start), (start = i + 1);
  return runs;
}

// An ellipse in voxels: a round brush on anisotropic voxels; at least the voxel at its centre.
export function disc(size, [x, y], [radiusX, radiusY], emit) {
  emitRow(size, Math.round(y), Math.round(x), Math.round(x), emit);
  for (let row = Math.max(Math.ceil(y - radiusY), 0); row <= Math.min(Math.floor(y + radiusY), size[1] - 1); row++) {
    const half = radiusX * Math.sqrt(1 - ((row - y) / radiusY) ** 2);
    emitRow(size, row, x - half, x + half, emit);
  }
}

// Discs along a line, without gaps.
export function stroke(size, from, to, radii, emit) {
  const steps = Math.max(1, Math.ceil(2 * Math.max(...[0, 1].map((axis) => Math.abs(to[axis] - from[axis]) / radii[axis]))));
  for (let step = 0; step <= steps; step++) {
    const centre = from.map((start, axis) => start + ((to[axis] - start) * step) / steps);
    disc(size, centre, radii, emit);
  }
}

// The inside of a polygon of [x, y] in voxels, by the even-odd rule.
export function polygon(size, points, emit) {
  const heights = points.map(([, y]) => y);
  const last = Math.min(Math.floor(Math.max(...heights)), size[1] - 1);
  for (let row = Math.max(Math.ceil(Math.min(...heights)), 0); row <= last; row++) {
    const crossings = crossingsAt(points, row);
    for (let i = 0; i + 1 < crossings.length; i += 2) emitRow(size, row, crossings[i], crossings[i + 1], emit);
  }
}

function crossingsAt(points, row) {
  const crossings = [];
  points.forEach(([x, y], i) => {
    const [toX, toY] = points[(i + 1) % points.length];
    if (y <= row !== toY <= row) crossings.push(x + ((row - y) * (toX - x)) / (toY - y));
  });
  return crossings.sort((a, b) => a - b);
}

function emitRow([columns, rows], row, from, to, emit) {
  const [first, last] = [Math.max(Math.ceil(from), 0), Math.min(Math.floor(to), columns - 1)];
  if (row >= 0 && row < rows && last >= first) emit(row, first, last);
}
