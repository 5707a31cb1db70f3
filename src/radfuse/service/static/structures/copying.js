// Copy what is drawn in one plane of a structure to another plane of the same direction.

import { PLANES } from "../viewer/volume.js";
import { Toggled } from "./structure.js";

// One undoable step that replaces the other plane's content; false where nothing is drawn in the first.
export function copyPlane(structure, from, to, store) {
  const plane = { plane: structure.plane, ...PLANES[structure.plane], upwards: false };
  const [columns, rows] = [plane.right, plane.down].map((axis) => structure.volume.size[axis]);
  const mask = structure.mask({ ...plane, columns, rows }, from)?.slice();
  if (!mask?.includes(1)) return false;
  const toggled = new Toggled();
  for (let line = 0; line < rows; line++)
    for (let first = 0; first < columns; ) {
      const value = mask[line * columns + first];
      let next = first + 1;
      while (next < columns && mask[line * columns + next] === value) next++;
      structure.fillLine(plane, to, line, first, next - 1, value, toggled);
      first = next;
    }
  store.commit(structure, toggled.runs(), "copied-slices");
  return true;
}
