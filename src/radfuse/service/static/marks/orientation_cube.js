// A small cube at the upper right of a viewport: its faces have the letters of the patient's sides that they show.

import { directionLetters } from "./labels.js";

const SIDE = 26, DEPTH = 10, MARGIN = 14; // screen pixels
const MIN_WIDTH = 160; // of a viewport with a cube
const FACES = { front: "#3a4a58", top: "#536878", side: "#2b3742" };

export function drawOrientationCube(viewer, viewport) {
  const { context, ratio } = viewer;
  if (viewport.width < MIN_WIDTH * ratio) return;
  const { right, down, away } = viewport.directions;
  const [side, depth] = [SIDE * ratio, DEPTH * ratio];
  const left = viewport.left + viewport.width - MARGIN * ratio - side - depth, top = viewport.top + MARGIN * ratio + depth;
  const opposite = (vector) => vector.map((value) => -value);
  const face = (colour, ...corners) => {
    context.beginPath();
    corners.forEach(([x, y]) => context.lineTo(left + x, top + y));
    context.closePath();
    Object.assign(context, { fillStyle: colour, strokeStyle: "#e8ecef", lineWidth: ratio });
    context.fill();
    context.stroke();
  };
  face(FACES.front, [0, 0], [side, 0], [side, side], [0, side]);
  face(FACES.top, [0, 0], [depth, -depth], [side + depth, -depth], [side, 0]);
  face(FACES.side, [side, 0], [side + depth, -depth], [side + depth, side - depth], [side, side]);
  const letter = (vector, x, y) => viewer.write(directionLetters(vector)[0] ?? "", left + x, top + y, "center");
  letter(opposite(away), side / 2, side / 2);
  letter(opposite(down), (side + depth) / 2, -depth / 2);
  letter(right, side + depth / 2, (side - depth) / 2);
}
