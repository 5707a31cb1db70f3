// From voxel values to colours: windows, colour maps and overlay modes.

import { OUTSIDE } from "./volume.js";

export const FULL_SCALE = 4095; // stored value of fused 1.0

const RANGE = 65536, MIDDLE = 32768;

// Lookup table from stored values to grey levels: `low` is 0, `high` is 255.
export function greyTable([low, high]) {
  const table = new Uint8ClampedArray(RANGE);
  const scale = 255 / Math.max(high - low, 1e-6);
  for (let i = 0; i < RANGE; i++) table[i] = (i - MIDDLE - low) * scale;
  return table;
}

const grey = (level) => [level, level, level];
const hot = (level) => [level * 3, level * 3 - 255, level * 3 - 510];

function colourTable(map) {
  const table = new Uint8ClampedArray(3 * 256);
  for (let level = 0; level < 256; level++) table.set(map(level), 3 * level);
  return table;
}

// Colours of the overlay; `adds`: the CT is magenta, and both add up to grey.
export const COLOUR_MAPS = {
  grey: { colours: colourTable(grey) },
  hot: { colours: colourTable(hot) },
  green: { colours: colourTable((level) => [0, level, 0]), adds: true },
};

// Colours that are linear between positions in [0, 1], as the server sends them.
export function piecewiseMap([positions, rgb]) {
  const colourOf = (level) => {
    const next = Math.max(positions.findIndex((position) => position >= level / 255), 1);
    const share = (level / 255 - positions[next - 1]) / (positions[next] - positions[next - 1]);
    return rgb[next].map((value, i) => rgb[next - 1][i] + (value - rgb[next - 1][i]) * share);
  };
  return { colours: colourTable(colourOf) };
}

// Pixels with an overlay: everywhere, right of a line, in every other square.
export const OVERLAY_MODES = {
  blend: () => () => true,
  wipe: ({ line }) => (column) => column >= line,
  checkerboard: ({ square }) => (column, row) => (Math.floor(column / square[0]) + Math.floor(row / square[1])) % 2 === 1,
};

// Compose a base plane and an overlay plane (or null) into RGBA bytes.
export function compose(target, base, overlay, { baseGreys, overlayGreys, map = COLOUR_MAPS.grey, opacity = 1, columns, hasOverlay }) {
  const { colours, adds } = map;
  for (let i = 0, to = 0, column = 0, row = 0; i < base.length; i++, to += 4) {
    const grey = baseGreys[base[i] + MIDDLE];
    let red = grey, green = adds ? 0 : grey, blue = grey;
    if (overlay && overlay[i] !== OUTSIDE && opacity > 0 && hasOverlay(column, row)) {
      const at = 3 * overlayGreys[overlay[i] + MIDDLE];
      if (adds) {
        green = colours[at + 1] * opacity;
      } else {
        red += (colours[at] - red) * opacity;
        green += (colours[at + 1] - green) * opacity;
        blue += (colours[at + 2] - blue) * opacity;
      }
    }
    target[to] = red;
    target[to + 1] = green;
    target[to + 2] = blue;
    target[to + 3] = 255;
    if (++column === columns) (column = 0), row++;
  }
}
