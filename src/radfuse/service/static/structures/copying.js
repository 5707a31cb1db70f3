// Copy what is drawn in one plane of a structure to other planes of the same direction, or clear a plane: one undoable step.

import { PLANES } from "../viewer/volume.js";
import { Toggled } from "./structure.js";

// Replace the content of planes by that of another one; false where nothing is drawn in it.
export function copyPlane(structure, from, targets, store) {
  const plane = planeOf(structure);
  const mask = structure.mask(plane, from)?.slice();
  if (!mask?.includes(1)) return false;
  const toggled = new Toggled();
  for (const to of targets) fillPlane(structure, plane, to, mask, toggled);
  store.commit(structure, toggled.runs(), "copied-slices");
  return true;
}

// False where nothing is drawn in the plane.
export function clearPlane(structure, index, store) {
  const plane = planeOf(structure), toggled = new Toggled();
  fillPlane(structure, plane, index, new Uint8Array(plane.columns * plane.rows), toggled);
  const runs = toggled.runs();
  store.commit(structure, runs, null);
  return runs.size > 0;
}

// The plane of the CT that a structure was drawn in last, row 0 first.
function planeOf({ plane, volume }) {
  const { right, down } = PLANES[plane];
  return { ...PLANES[plane], plane, upwards: false, columns: volume.size[right], rows: volume.size[down] };
}

function fillPlane(structure, plane, to, mask, toggled) {
  const { columns, rows } = plane;
  for (let line = 0; line < rows; line++)
    for (let first = 0; first < columns; ) {
      const value = mask[line * columns + first];
      let next = first + 1;
      while (next < columns && mask[line * columns + next] === value) next++;
      structure.fillLine(plane, to, line, first, next - 1, value, toggled);
      first = next;
    }
}
