// Crosshair, labels, letters of the patient's directions and scale bar of a viewport.

import { text } from "../text.js";

const INK = { lines: "#ffd54a" };
const BAR_LENGTHS_MM = [1, 2, 5, 10, 20, 50, 100, 200];
const MAX_BAR_SHARE = 0.3; // of the viewport's width
const MIN_SHARE = 0.3; // of a direction to have a letter
const LETTERS = [["L", "R"], ["P", "A"], ["S", "I"]]; // along +x, +y, +z and against them

// Letters of the patient's direction of a vector (LPS), the largest component first, such as "L" or "LA".
export function directionLetters(vector) {
  const axes = [0, 1, 2].filter((axis) => Math.abs(vector[axis]) > MIN_SHARE).sort((a, b) => Math.abs(vector[b]) - Math.abs(vector[a]));
  return axes.map((axis) => LETTERS[axis][vector[axis] > 0 ? 0 : 1]).join("");
}

export function drawCrosshair(viewer, viewport) {
  const { context, ratio } = viewer;
  const [x, y] = viewport.toScreen(viewer.crosshairOf(viewport));
  const gap = 9 * ratio;
  context.strokeStyle = INK.lines;
  context.globalAlpha = viewer.layout === "landmarks" && viewer.isMrActive !== viewer.hasMrCrosshair(viewport) ? 0.35 : 0.75;
  context.beginPath();
  for (const [from, to] of [[viewport.left, x - gap], [x + gap, viewport.left + viewport.width]]) context.moveTo(from, y), context.lineTo(to, y);
  for (const [from, to] of [[viewport.top, y - gap], [y + gap, viewport.top + viewport.height]]) context.moveTo(x, from), context.lineTo(x, to);
  context.stroke();
  context.globalAlpha = 1;
}

export function drawLabels(viewer, viewport, index) {
  const { right, down } = viewport.directions;
  const opposite = (vector) => vector.map((value) => -value);
  const [middle, centre] = [viewport.top + viewport.height / 2, viewport.left + viewport.width / 2];
  const [edge, line] = [6 * viewer.ratio, 12 * viewer.ratio];
  viewer.write(directionLetters(opposite(right)), viewport.left + edge, middle, "left");
  viewer.write(directionLetters(right), viewport.left + viewport.width - edge, middle, "right");
  viewer.write(directionLetters(opposite(down)), centre, viewport.top + line, "center");
  viewer.write(directionLetters(down), centre, viewport.top + viewport.height - line, "center");
  viewer.write(titleOf(viewer, viewport, index), viewport.left + edge, viewport.top + line, "left");
}

// What a viewport displays: image, plane, slice or slab, and what a preview changes.
function titleOf(viewer, viewport, index) {
  const shown = { ct: "CT", mr: "MR", fused: text(viewer.fused ? "viewer.fused" : "viewer.not-fused") }[viewport.show] ?? viewer.furtherNamed(viewport.show)?.label ?? "";
  const preview = viewer.isPreviewed(viewport, index) ? ` · ${text("viewer.preview", viewer.preview)}` : "";
  const slice = `${index + 1}/${viewport.grid.size[viewport.across]}`;
  return `${shown} ${viewport.isOblique ? "MR " : ""}${text(`plane.${viewport.planeOfGrid}`)} ${slice}${slabLabel(viewer, viewport, index)}${preview}`.trim();
}

function slabLabel(viewer, viewport, index) {
  if (!viewer.slab.mm) return "";
  const [first, last] = viewer.planes.slabOf(viewport, index);
  const mm = (last - first + 1) * viewport.grid.spacing[viewport.across];
  return ` · ${{ max: "MIP", mean: text("viewer.average"), min: "MinIP" }[viewer.slab.kind]} ${mm.toFixed(1)} mm`;
}

// A bar of a round length, the longest that fits, at the lower right.
export function drawScaleBar(viewer, viewport) {
  const { context, ratio } = viewer;
  const mm = BAR_LENGTHS_MM.findLast((length) => length * viewport.pixelsPerMm <= MAX_BAR_SHARE * viewport.width) ?? BAR_LENGTHS_MM[0];
  const length = mm * viewport.pixelsPerMm;
  const right = viewport.left + viewport.width - 12 * ratio, bottom = viewport.top + viewport.height - 12 * ratio;
  const left = right - length, tick = 4 * ratio;
  for (const [style, width] of [["#000", 4], ["#e8ecef", 1.5]]) {
    Object.assign(context, { strokeStyle: style, lineWidth: width * ratio });
    context.beginPath();
    context.moveTo(left, bottom - tick);
    context.lineTo(left, bottom);
    context.lineTo(right, bottom);
    context.lineTo(right, bottom - tick);
    context.stroke();
  }
  context.lineWidth = ratio;
  viewer.write(mm >= 10 ? `${mm / 10} cm` : `${mm} mm`, (left + right) / 2, bottom - 12 * ratio, "center");
}
