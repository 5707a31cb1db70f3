// Contours of the mask of a plane: along the edges of its voxels, or smooth as in a structure set.

const MAX_SHIFT = 0.3; // voxels: bounds and steps as in structures/contour_smoothing.py
const STEPS = 24, AREA_STEPS = 8, STRENGTHS = [1, 0.5, 0.25, 0];
const DRAWN_TOLERANCE = 0.03; // voxels: of points that are left out on the screen
const MAX_RUN = 24; // points left out in sequence
const AREA_TOLERANCE = 0.01, CUT_CORNERS = 0.5, TINY = 1e-9;
const AHEAD = [[1, 0], [0, 1], [-1, 0], [0, -1]]; // east, south, west, north
const RIGHT = [[0, 0], [-1, 0], [-1, -1], [0, -1]], LEFT = [[0, -1], [0, 0], [-1, 0], [-1, -1]]; // voxels ahead of a corner

// Closed borders as corners [x, y, x, y, ...], one voxel edge apart, with the inside on the right; voxel (0, 0) spans 0
// to 1. Voxels that share only a corner are separate.
export function traceBorders(mask, [columns, rows]) {
  const borders = [];
  const first = mask.indexOf(1);
  if (first < 0) return borders;
  const isInside = (x, y) => x >= 0 && y >= 0 && x < columns && y < rows && mask[y * columns + x] === 1;
  const visited = new Uint8Array(mask.length); // voxels whose upper edge has been followed
  for (let at = first, last = mask.lastIndexOf(1); at <= last; at++)
    if (mask[at] === 1 && (at < columns || mask[at - columns] === 0) && !visited[at]) borders.push(follow(at % columns, Math.floor(at / columns), columns, isInside, visited));
  return borders;
}

function follow(startX, startY, columns, isInside, visited) {
  const corners = [];
  let x = startX, y = startY, heading = 0;
  do {
    if (heading === 0) visited[y * columns + x] = 1;
    corners.push(x, y);
    x += AHEAD[heading][0];
    y += AHEAD[heading][1];
    if (!isInside(x + RIGHT[heading][0], y + RIGHT[heading][1])) heading = (heading + 1) % 4;
    else if (isInside(x + LEFT[heading][0], y + LEFT[heading][1])) heading = (heading + 3) % 4;
  } while (x !== startX || y !== startY || heading !== 0);
  return corners;
}

// The smooth contour of a border: points [x, y, x, y, ...], each within MAX_SHIFT of the middle of its voxel edge, with
// the area of the enclosed voxels. It encloses the same voxel centres.
export function smoothContour(corners) {
  const count = corners.length / 2;
  const traced = new Float64Array(2 * count);
  for (let i = 0; i < 2 * count; i++) traced[i] = (corners[i] + corners[(i + 2) % (2 * count)]) / 2;
  const signed = area(traced), wanted = signed + CUT_CORNERS * Math.sign(signed);
  const smoothed = filtered(traced);
  for (const strength of STRENGTHS) {
    const contour = withArea(traced, traced.map((value, i) => value + strength * (smoothed[i] - value)), wanted);
    if (Math.abs(area(contour) - wanted) <= AREA_TOLERANCE * Math.abs(wanted)) return contour;
  }
  return traced;
}

export function area(points) {
  let sum = 0;
  for (let i = 0, j = points.length - 2; i < points.length; j = i, i += 2) sum += points[j] * points[i + 1] - points[j + 1] * points[i];
  return sum / 2;
}

function filtered(traced) {
  let [from, to] = [Float64Array.from(traced), new Float64Array(traced.length)];
  const size = traced.length;
  for (let step = 0; step < STEPS; step++) {
    for (let i = 0; i < size; i++) to[i] = (2 * from[i] + from[i < 2 ? i + size - 2 : i - 2] + from[i + 2 < size ? i + 2 : i + 2 - size]) / 4;
    bound(traced, to);
    [from, to] = [to, from];
  }
  return from;
}

// Offset a contour along its normals to an area, as far as the bound allows.
function withArea(traced, contour, wanted) {
  const size = contour.length;
  const normals = new Float64Array(size);
  for (let step = 0; step < AREA_STEPS; step++) {
    let length = 0;
    for (let i = 0; i < size; i += 2) {
      const [before, after] = [i ? i - 2 : size - 2, i + 2 < size ? i + 2 : 0];
      const x = contour[after] - contour[before], y = contour[after + 1] - contour[before + 1];
      const along = Math.sqrt(x * x + y * y);
      length += along;
      normals[i] = y / Math.max(along, TINY);
      normals[i + 1] = -x / Math.max(along, TINY);
    }
    const offset = (wanted - area(contour)) / (length / 2);
    for (let i = 0; i < size; i++) contour[i] += offset * normals[i];
    bound(traced, contour);
  }
  return contour;
}

function bound(traced, contour) {
  for (let i = 0; i < contour.length; i += 2) {
    const x = contour[i] - traced[i], y = contour[i + 1] - traced[i + 1];
    const shift = Math.sqrt(x * x + y * y);
    if (shift <= MAX_SHIFT) continue;
    contour[i] = traced[i] + (x * MAX_SHIFT) / shift;
    contour[i + 1] = traced[i + 1] + (y * MAX_SHIFT) / shift;
  }
}

// A closed contour without points that are within a tolerance of the lines between the others.
export function simplified(points, tolerance) {
  const kept = [points[0], points[1]], count = points.length / 2;
  for (let i = 1, last = 0; i < count; i++) {
    const next = (i + 1) % count;
    if (i - last < MAX_RUN && isNearLine(points, last, i, next, tolerance)) continue;
    kept.push(points[2 * i], points[2 * i + 1]);
    last = i;
  }
  return kept;
}

// Whether the points after `from` up to `to` are within a tolerance of the line from `from` to `end`.
function isNearLine(points, from, to, end, tolerance) {
  const [x, y] = [points[2 * from], points[2 * from + 1]];
  const [dx, dy] = [points[2 * end] - x, points[2 * end + 1] - y], length = Math.sqrt(dx * dx + dy * dy);
  for (let i = from + 1; i <= to; i++) {
    const away = Math.abs((points[2 * i] - x) * dy - (points[2 * i + 1] - y) * dx);
    if (away > tolerance * length || length < TINY) return false;
  }
  return true;
}

// The contours of a mask as a path.
export function contourPath(mask, size, isSmooth) {
  const path = new Path2D();
  for (const corners of traceBorders(mask, size)) {
    const points = simplified(isSmooth ? smoothContour(corners) : corners, isSmooth ? DRAWN_TOLERANCE : 0);
    path.moveTo(points[0], points[1]);
    for (let i = 2; i < points.length; i += 2) path.lineTo(points[i], points[i + 1]);
    path.closePath();
  }
  return path;
}
