// The border of the MR's field of view around a fused image: outside of it the image is the CT alone.

import { multiply } from "../viewer/geometry.js";

const COLOUR = "#00beff"; // as on the QA sheet
const TINY = 1e-6;

export class FovBorder {
  constructor(viewer) {
    Object.assign(this, { viewer, isShown: true, isOblique: true });
  }

  toggle() {
    this.isShown = !this.isShown;
    this.viewer.requestDraw();
  }

  draw(context, viewport, index) {
    const { mr, fused, fusedMrFromCt } = this.viewer;
    if (!this.isShown || !fused || (viewport.show && viewport.show !== "fused")) return;
    const { shown } = this.viewer.imageLayers;
    if (!viewport.show && shown.length && shown.every(({ name }) => this.viewer.furtherNamed(name))) return; // they have fields of view of their own
    const { grid } = viewport;
    const mrFromGrid = multiply(mr.voxelFromMm, fusedMrFromCt, grid.mmFromVoxel);
    context.beginPath();
    for (const segment of borderSegments(mrFromGrid, mr.size, grid.size, viewport, index)) {
      const [from, to] = segment.map((at) => viewport.gridToScreen(at));
      context.moveTo(...from);
      context.lineTo(...to);
    }
    context.strokeStyle = COLOUR;
    context.stroke();
  }
}

// Where the six faces of an image's box cross a plane of a grid: pairs of continuous voxel indices of the grid.
export function borderSegments(imageFromGrid, imageSize, gridSize, { right, down, across }, index) {
  const faces = imageSize.flatMap((size, axis) => {
    const row = imageFromGrid[axis];
    const [a, b, c] = [row[right], row[down], row[across] * index + row[3]];
    return [[a, b, c + 0.5], [-a, -b, size - 0.5 - c]]; // not negative inside, the outer half voxel included
  });
  const edges = [[1, 0, 0.5], [-1, 0, gridSize[right] - 0.5], [0, 1, 0.5], [0, -1, gridSize[down] - 0.5]];
  const segments = faces.map((face) => clippedLine(face, [...faces.filter((other) => other !== face), ...edges]));
  return segments.filter(Boolean).map((ends) => ends.map(([u, v]) => Object.assign([0, 0, 0], { [right]: u, [down]: v, [across]: index })));
}

// The part of the line a u + b v + c = 0 inside half planes; null if there is none, or it is along the border of one.
function clippedLine([a, b, c], halfPlanes) {
  const square = a * a + b * b;
  if (square < TINY ** 2) return null;
  const [u, v] = [(-a * c) / square, (-b * c) / square];
  let [from, to] = [-Infinity, Infinity];
  for (const [p, q, r] of halfPlanes) {
    const slope = q * a - p * b;
    const value = p * u + q * v + r;
    if (Math.abs(slope) > TINY) slope > 0 ? (from = Math.max(from, -value / slope)) : (to = Math.min(to, -value / slope));
    else if (value < TINY) return null;
  }
  return from < to ? [from, to].map((t) => [u - b * t, v + a * t]) : null;
}
