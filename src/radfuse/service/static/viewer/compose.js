// From voxel values to colours: windows, colour maps and composite modes.

import { OUTSIDE } from "./volume.js";

export const FULL_SCALE = 4095; // stored value of fused 1.0

const RANGE = 65536, MIDDLE = 32768;
const OPAQUE = 0xff000000; // colours are 0xAABBGGRR, the order of bytes in an image on a little endian machine
const BONE_HU = 300, BONE_RAMP_HU = 100; // bone is opaque from the middle of the ramp plus a half of it

const grey = (level) => [level, level, level];
const hot = (level) => [level * 3, level * 3 - 255, level * 3 - 510];

function colourTable(map) {
  const table = new Uint8ClampedArray(3 * 256);
  for (let level = 0; level < 256; level++) table.set(map(level), 3 * level);
  return table;
}

// Colours of an overlay; `adds`: the CT is magenta, and both add up to grey.
export const COLOUR_MAPS = {
  grey: { colours: colourTable(grey) },
  hot: { colours: colourTable(hot) },
  green: { colours: colourTable((level) => [0, level, 0]), adds: true },
};
const MAGENTA = { colours: colourTable((level) => [level, 0, level]) };

// Colours that are linear between positions in [0, 1], as the server sends them.
export function piecewiseMap([positions, rgb]) {
  const colourOf = (level) => {
    const next = Math.max(positions.findIndex((position) => position >= level / 255), 1);
    const share = (level / 255 - positions[next - 1]) / (positions[next] - positions[next - 1]);
    return rgb[next].map((value, i) => rgb[next - 1][i] + (value - rgb[next - 1][i]) * share);
  };
  return { colours: colourTable(colourOf) };
}

// Colours by stored value: `low` has the first colour of the map, `high` the last one.
export function valueColours(map, [low, high]) {
  const colours = Uint32Array.from({ length: 256 }, (_, level) => {
    const [red, green, blue] = map.colours.subarray(3 * level, 3 * level + 3);
    return (OPAQUE | (blue << 16) | (green << 8) | red) >>> 0;
  });
  const table = new Uint32Array(RANGE);
  const first = Math.min(Math.max(Math.ceil(low) + MIDDLE, 0), RANGE), last = Math.min(Math.max(Math.floor(high) + MIDDLE, -1), RANGE - 1);
  const scale = 255 / Math.max(high - low, 1e-6);
  table.fill(colours[0], 0, first);
  for (let i = first; i <= last; i++) table[i] = colours[Math.min(Math.round((i - MIDDLE - low) * scale), 255)];
  table.fill(colours[255], Math.max(last + 1, first));
  return table;
}

// The CT's colours below an overlay that adds to them.
export const magentaOf = (range) => valueColours(MAGENTA, range);

// How much of the CT's bone stays above an overlay, by stored value: 0 to 1.
export function boneWeights(step) {
  const weights = new Float32Array(RANGE);
  for (let i = 0; i < RANGE; i++) weights[i] = Math.min(Math.max(((i - MIDDLE) * step - BONE_HU) / BONE_RAMP_HU + 0.5, 0), 1);
  return weights;
}

// Composite modes by the names of 3D Slicer, and one that keeps the bone of the CT above the overlay.
export const COMPOSITES = {
  alpha: (below, above, opacity) => below + (above - below) * opacity,
  "reverse-alpha": (below, above, opacity) => above + (below - above) * opacity,
  add: (below, above, opacity) => Math.min(below + above * opacity, 255),
  subtract: (below, above, opacity) => Math.max(below - above * opacity, 0),
  bone: (below, above, opacity) => below + (above - below) * opacity,
};

// Compose a base plane and the layers on it, from the bottom, into pixels (Uint32Array). A plane has `values` and `table`,
// a layer its `opacity` and whether it `adds`; `bone` are the weights of the CT `ct` that stays above.
export function compose(target, base, layers, { composite = "alpha", bone = null, ct = base.values } = {}) {
  const { values, table } = base;
  for (let i = 0; i < target.length; i++) target[i] = table[values[i] + MIDDLE];
  for (const layer of layers) {
    if (layer.adds) addGreen(target, layer);
    else if (composite === "alpha" && layer.opacity === 1) cover(target, layer);
    else if (composite === "alpha") blendBy(target, layer, layer.opacity);
    else if (composite === "bone") keepBone(target, layer, bone, ct);
    else mixBy(target, layer, COMPOSITES[composite]);
  }
}

function cover(target, { values, table }) {
  for (let i = 0; i < target.length; i++) if (values[i] !== OUTSIDE) target[i] = table[values[i] + MIDDLE];
}

function addGreen(target, { values, table, opacity }) {
  for (let i = 0; i < target.length; i++) {
    if (values[i] === OUTSIDE) continue;
    const green = (((table[values[i] + MIDDLE] >> 8) & 255) * opacity + 0.5) | 0;
    target[i] = (target[i] & 0xffff00ff) | (green << 8);
  }
}

function mixed(below, above, opacity) {
  const red = below & 255, green = (below >> 8) & 255, blue = (below >> 16) & 255;
  const r = (red + ((above & 255) - red) * opacity + 0.5) | 0;
  const g = (green + (((above >> 8) & 255) - green) * opacity + 0.5) | 0;
  const b = (blue + (((above >> 16) & 255) - blue) * opacity + 0.5) | 0;
  return OPAQUE | (b << 16) | (g << 8) | r;
}

function blendBy(target, { values, table }, opacity) {
  for (let i = 0; i < target.length; i++) if (values[i] !== OUTSIDE) target[i] = mixed(target[i], table[values[i] + MIDDLE], opacity);
}

function keepBone(target, { values, table, opacity }, bone, ct) {
  for (let i = 0; i < target.length; i++) {
    if (values[i] !== OUTSIDE) target[i] = mixed(target[i], table[values[i] + MIDDLE], opacity * (1 - bone[ct[i] + MIDDLE]));
  }
}

function mixBy(target, { values, table, opacity }, mix) {
  for (let i = 0; i < target.length; i++) {
    if (values[i] === OUTSIDE) continue;
    const below = target[i], above = table[values[i] + MIDDLE];
    const [red, green, blue] = [0, 8, 16].map((shift) => Math.round(mix((below >> shift) & 255, (above >> shift) & 255, opacity)));
    target[i] = OPAQUE | (blue << 16) | (green << 8) | red;
  }
}
