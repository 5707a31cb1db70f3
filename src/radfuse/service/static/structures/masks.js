// Masks of one slice: bytes of 0 and 1, row by row; a voxel is inside where its centre is.

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

export const isEmpty = (mask) => !mask || mask.indexOf(1) < 0;

export function count(mask) {
  let sum = 0;
  for (const value of mask) sum += value;
  return sum;
}

// An ellipse in voxels: a round brush on anisotropic voxels; at least the voxel at its centre.
export function fillDisc(mask, [columns, rows], [x, y], [radiusX, radiusY], value) {
  const [column, line] = [Math.round(x), Math.round(y)];
  if (column >= 0 && line >= 0 && column < columns && line < rows) mask[line * columns + column] = value;
  for (let row = Math.max(Math.ceil(y - radiusY), 0); row <= Math.min(Math.floor(y + radiusY), rows - 1); row++) {
    const half = radiusX * Math.sqrt(1 - ((row - y) / radiusY) ** 2);
    fillRow(mask, columns, row, x - half, x + half, value);
  }
}

// Discs along a line, without gaps.
export function fillStroke(mask, size, from, to, radii, value) {
  const steps = Math.max(1, Math.ceil(2 * Math.max(...[0, 1].map((axis) => Math.abs(to[axis] - from[axis]) / radii[axis]))));
  for (let step = 0; step <= steps; step++) {
    const centre = from.map((start, axis) => start + ((to[axis] - start) * step) / steps);
    fillDisc(mask, size, centre, radii, value);
  }
}

// The inside of a polygon of [x, y] in voxels, by the even-odd rule.
export function fillPolygon(mask, [columns, rows], points, value) {
  const heights = points.map(([, y]) => y);
  const last = Math.min(Math.floor(Math.max(...heights)), rows - 1);
  for (let row = Math.max(Math.ceil(Math.min(...heights)), 0); row <= last; row++) {
    const crossings = crossingsAt(points, row);
    for (let i = 0; i + 1 < crossings.length; i += 2) fillRow(mask, columns, row, crossings[i], crossings[i + 1], value);
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

function fillRow(mask, columns, row, from, to, value) {
  const [first, last] = [Math.max(Math.ceil(from), 0), Math.min(Math.floor(to), columns - 1)];
  if (last >= first) mask.fill(value, row * columns + first, row * columns + last + 1);
}

// The border between 1 and 0 as segments [x, y, toX, toY] along voxel edges; voxel (0, 0) spans 0 to 1.
export function borders(mask, [columns, rows]) {
  const at = (column, row) => column >= 0 && row >= 0 && column < columns && row < rows && mask[row * columns + column] === 1;
  const segments = [];
  const trace = (lines, length, differs, segment) => {
    for (let line = 0; line <= lines; line++)
      for (let start = 0; start < length; start++) {
        if (!differs(line, start)) continue;
        let end = start + 1;
        while (end < length && differs(line, end)) end++;
        segments.push(segment(line, start, end));
        start = end;
      }
  };
  trace(rows, columns, (row, column) => at(column, row) !== at(column, row - 1), (row, start, end) => [start, row, end, row]);
  trace(columns, rows, (column, row) => at(column, row) !== at(column - 1, row), (column, start, end) => [column, start, column, end]);
  return segments;
}
