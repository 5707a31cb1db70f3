// From values to colours: windows, colour maps, and how one image is laid over another.

import { OUTSIDE } from "./volume.js";

export const FULL_SCALE = 4095; // what fused 1.0 is stored as

const RANGE = 65536, MIDDLE = 32768;

// Grey levels 0 to 255 of every stored number, between two of them.
export function greys([low, high]) {
  const table = new Uint8ClampedArray(RANGE);
  const scale = 255 / Math.max(high - low, 1e-6);
  for (let i = 0; i < RANGE; i++) table[i] = (i - MIDDLE - low) * scale;
  return table;
}

const grey = (level) => [level, level, level];
const hot = (level) => [level * 3, level * 3 - 255, level * 3 - 510];

function coloured(map) {
  const table = new Uint8ClampedArray(3 * 256);
  for (let level = 0; level < 256; level++) table.set(map(level), 3 * level);
  return table;
}

// Colours of the upper image; `adds`: the lower one is magenta then, and both lights add up to grey.
export const MAPS = {
  grey: { colours: coloured(grey) },
  hot: { colours: coloured(hot) },
  green: { colours: coloured((level) => [0, level, 0]), adds: true },
};

// How much of the upper image is seen, pixel by pixel: everywhere, right of a line, in squares.
export const COVERS = {
  blend: () => () => true,
  wipe: ({ line }) => (column) => column >= line,
  checkerboard: ({ square }) => (column, row) => (Math.floor(column / square[0]) + Math.floor(row / square[1])) % 2 === 1,
};

// Lay an upper plane over a lower one, into RGBA bytes; the lower one alone where there is no upper.
export function compose(target, lower, upper, { lowerGreys, upperGreys, map = MAPS.grey, share = 1, columns, covers }) {
  const { colours, adds } = map;
  for (let i = 0, to = 0, column = 0, row = 0; i < lower.length; i++, to += 4) {
    const below = lowerGreys[lower[i] + MIDDLE];
    let red = below, green = adds ? 0 : below, blue = below;
    if (upper && upper[i] !== OUTSIDE && share > 0 && covers(column, row)) {
      const level = 3 * upperGreys[upper[i] + MIDDLE];
      if (adds) {
        green = colours[level + 1] * share;
      } else {
        red += (colours[level] - red) * share;
        green += (colours[level + 1] - green) * share;
        blue += (colours[level + 2] - blue) * share;
      }
    }
    target[to] = red;
    target[to + 1] = green;
    target[to + 2] = blue;
    target[to + 3] = 255;
    if (++column === columns) (column = 0), row++;
  }
}
