// Grey levels: windows of CT numbers, percentiles, and whole levels of 8 or 16 bits.

import { clipped, computed, interpolated, roundedEven } from "./volume.js";

// Width and level in HU, as on the command line of radfuse.
export const WINDOWS = {
  fusion: { width: 1000, level: 500 },
  brain: { width: 80, level: 40 },
  subdural: { width: 200, level: 75 },
  stroke: { width: 30, level: 30 },
  "soft-tissue": { width: 400, level: 40 },
  bone: { width: 2500, level: 480 },
  "bone-thin": { width: 2000, level: 500 },
};

const NEARLY_WHITE = 254.5 / 255; // rounds to white in eight bits

// A CT alone: soft tissue as in its window, and bone white.
const BOTH_HU = [-160, 240, 300, 1300];
const BOTH_LEVELS = [0, 0.6, 0.8, 1];

export const bothWindows = (hu) => interpolated(hu, BOTH_HU, BOTH_LEVELS);

export const lowestOf = ({ width, level }) => level - width / 2;

// CT numbers to [0, 1].
export function inWindow(hu, window) {
  const lowest = lowestOf(window);
  return clipped(Math.fround(Math.fround(hu - lowest) / window.width), 0, 1);
}

export const scaledBy = (window, { shape, data }) => computed({ shape }, (i) => inWindow(data[i], window));

// Grey level that CT numbers above `hu` exceed; where the window is white below, white exceeds it.
export const thresholdIn = (window, hu) =>
  Math.min(Math.max((hu - lowestOf(window)) / window.width, 0), NEARLY_WHITE);

// Percentiles of numbers, interpolated linearly.
export function percentiles(values, shares) {
  const sorted = Float32Array.from(values).sort();
  return shares.map((share) => {
    const position = (share / 100) * (sorted.length - 1);
    const below = Math.floor(position);
    const above = Math.min(below + 1, sorted.length - 1);
    return sorted[below] + (sorted[above] - sorted[below]) * (position - below);
  });
}

// Values in [0, 1] as whole levels up to `full`; a level within 0.001 of a half is a half.
export function greyLevels(values, full = 255) {
  const levels = full > 255 ? new Uint16Array(values.length) : new Uint8Array(values.length);
  for (let i = 0; i < levels.length; i++) {
    const level = clipped(values[i], 0, 1) * full;
    levels[i] = roundedEven(roundedEven(level * 1000) / 1000);
  }
  return levels;
}
