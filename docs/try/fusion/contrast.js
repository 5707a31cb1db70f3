// Local contrast of a head's CT in HU, and how significant it is against the noise of the scan.

import { ramp, ramped, smoothed, spread } from "./filters.js";
import { insideSkull } from "./skull.js";
import { tissueOf } from "./tissue.js";
import { clipped, computed, interpolated, joined, masked, median, slices, volume } from "./volume.js";

const BONE_HU = 300;
const DENSE_HU = [-25, 160]; // range for the significance of dense findings
const FINE_MM = 0.6; // smoothing of HU before windowing ...
const FINE_NOISE_HU = 4; // ... up to this noise ...
const MAX_FINE_MM = 1.2; // ... and in a noisier scan at most
const BACKGROUND_MM = 7;
const FAR_MM = 25; // background inside a large finding
const FAR_SHARE = 0.02;
const SCALES_MM = [1.6, 3.5]; // of small and of larger findings
const DENSE = [[15, 7], [10, 5]]; // HU from which they are significant, and range up to full weight
const BLOOD = [[12, 4], [9, 3]]; // the same of blood, in volumes and away from the skull
const AWAY_MM = 3.5;
const AWAY = [0.92, 0.07];
const DENSER_MM = 5;
const DENSER_HU = [60, 15];
const AIR_HU = -150; // around a head
const PRINTED_AIR_HU = 3;
const ALMOST_NONE = 1e-3;
const KNOWN = [0.02, 0.06]; // share of normal tissue around at which a background is known
const NOISE_FACTOR = 5; // a contrast is significant from as many deviations of the noise
const REACH = 1.2; // a finding reaches as many times its scale past its significant voxels
const SOFT_MM = 4;
const SOFT_HU = -200;
const MAD = 1.4826;
const LAG = 2; // pixels so far apart have noise of their own
const SAMPLED = 7;
const BRAIN_RANGE_HU = [10, 60];
const NOISE_SLICES = 12;

const REGION_MM = 15; // infarcts: background ...
const FAINT_MM = 3; // ... and smoothing
const FAINT_HU = [1.5, 2];
const FAINT_GAIN = 1.8;
const FAINT_NOISE = 3;
const FAINT_EDGE_MM = 1;
const FAINT_EDGE_HU = [1.5, 3];
const MAX_FAINT_HU = 8;
const BASE_BINS = 32;
const MIN_SHARE = 0.5;
const HU_OF_WHITE = 80;

export const GRID_MM = 2; // of the coarse grid

const deviation = (apart) => (apart.length ? MAD * median(apart) : 0);

// Distances of masked pixels from the mean of those LAG before and after in their row.
function apartOf({ shape: [depth, rows, columns], data }, mask) {
  const found = [];
  for (let row = 0; row < depth * rows; row++)
    for (let x = LAG; x < columns - LAG; x++) {
      const i = row * columns + x;
      if (!mask[i]) continue;
      const mean = Math.fround(data[i - LAG] + data[i + LAG]) / 2;
      found.push(Math.fround(Math.abs(Math.fround(data[i] - mean)) / Math.sqrt(1.5)));
    }
  return found;
}

// Standard deviation of the noise of a CT in brain tissue, HU; 0 without brain.
export function noiseOf(head) {
  const [count] = head.shape;
  const [low, high] = BRAIN_RANGE_HU;
  const steps = NOISE_SLICES + 1;
  const at = Array.from({ length: NOISE_SLICES }, (_, i) => Math.floor((i + 1) * ((count - 1) / steps)));
  const apart = [...new Set(at)].map((index) => {
    const hu = slices(head.hu, index, index + 1);
    return apartOf(hu, masked(hu, (i) => hu.data[i] > low && hu.data[i] < high).data);
  });
  return deviation(apart.flat());
}

const PLANES = ["normal", "normalHu", "normalBase", "free", "dense", "soft", "softBase", "inside"];

// What is smoothed widely, gathered some slices after another on a coarse grid.
export class Background {
  constructor(head, grid, skull) {
    Object.assign(this, { head, grid, skull, noiseHu: noiseOf(head), blocks: [], fineApart: [] });
    this.fineMm = FINE_MM * Math.min(Math.max(this.noiseHu / FINE_NOISE_HU, 1), MAX_FINE_MM / FINE_MM);
  }

  // Take the slices of a part, with their base.
  gather(part, base) {
    const near = tissueOf(this.head, part, this.skull, this.fineMm);
    const { boneHu } = this.skull;
    const airHu = boneHu === BONE_HU ? AIR_HU : PRINTED_AIR_HU;
    const { hu, smoothHu, tissueHu, rim, normal } = near;
    const isSoft = (i) => hu.data[i] < boneHu && hu.data[i] > SOFT_HU;
    const planes = {
      normal: (i) => normal.data[i],
      normalHu: (i) => normal.data[i] * smoothHu.data[i],
      normalBase: (i) => normal.data[i] * base.data[i],
      free: (i) => 1 - rim.data[i],
      dense: (i) => clipped(tissueHu.data[i], ...DENSE_HU) * (1 - rim.data[i]),
      soft: (i) => (isSoft(i) ? 1 : 0),
      softBase: (i) => (isSoft(i) ? base.data[i] : 0),
      inside: (i) => (!rim.data[i] && smoothHu.data[i] > airHu ? 1 : 0),
    };
    this.blocks.push(PLANES.map((name) => this.grid.reduce(computed(hu, planes[name]))));
    this.fineApart.push(apartOf(smoothHu, near.brain.data).filter((_, i) => i % SAMPLED === 0));
  }

  // The coarse volumes by name.
  gathered() {
    return Object.fromEntries(PLANES.map((name, n) => [name, joined(this.blocks.map((block) => block[n]))]));
  }
}

// Backgrounds, significance at the larger scales, and infarcts of a whole head.
export function coarseContrast(found, { withFaint }) {
  const { spacingMm } = found.grid;
  const { normal, normalHu, normalBase, free, dense, soft, softBase, inside } = found.gathered();
  const near = smoothed(normal, BACKGROUND_MM, spacingMm);
  const far = smoothed(normal, FAR_MM, spacingMm);
  const background = (values) => {
    const close = smoothed(values, BACKGROUND_MM, spacingMm).data;
    const wide = smoothed(values, FAR_MM, spacingMm).data;
    return computed(values, (i) =>
      (close[i] + FAR_SHARE * (wide[i] / (far.data[i] + ALMOST_NONE))) / (near.data[i] + FAR_SHARE));
  };
  const backgroundHu = background(normalHu);
  const brain = insideSkull(masked(inside, (i) => inside.data[i] > 0.5), spacingMm).data;
  const known = computed(far, (i) => ramp(far.data[i], ...KNOWN) * brain[i]);
  const contrast = computed(dense, (i) => dense.data[i] - Math.fround(free.data[i] * backgroundHu.data[i]));
  const contrasts = SCALES_MM.map((scaleMm) => mean(contrast, free, scaleMm, spacingMm));
  const significance = significanceOf(contrasts, DENSE, normal, spacingMm);
  const blood = found.grid.shape[0] > 1
    ? bloodOf(contrast, contrasts, free, normal, spacingMm) : volume(normal.shape);
  return {
    grid: found.grid, skull: found.skull, noiseHu: found.noiseHu, fineMm: found.fineMm,
    fineNoiseHu: deviation(found.fineApart.flat()), backgroundHu, baseBackground: background(normalBase),
    known, blood, significance: computed(blood, (i) => Math.max(significance.data[i], blood.data[i])),
    faint: withFaint ? faintOf(found, normal, normalHu, normalBase, known) : volume(normal.shape),
    softAround: mean(softBase, soft, SOFT_MM, spacingMm),
  };
}

function mean(values, shares, sigmaMm, spacingMm) {
  const weight = smoothed(shares, sigmaMm, spacingMm).data;
  const sum = smoothed(values, sigmaMm, spacingMm).data;
  return computed(values, (i) => sum[i] / Math.fround(weight[i] + ALMOST_NONE));
}

// How significant the contrast at any scale is, as far as a finding extends; 0 to 1.
function significanceOf(contrasts, thresholds, normal, spacingMm, share = () => 1) {
  const largest = volume(normal.shape);
  contrasts.forEach((contrast, n) => {
    const reachMm = REACH * SCALES_MM[n];
    const wide = smoothed(contrast, reachMm, spacingMm).data;
    const apart = [];
    for (let i = 0; i < wide.length; i++)
      if (normal.data[i] > 0) apart.push(Math.abs(Math.fround(contrast.data[i] - wide[i])));
    const [leastHu, rangeHu] = thresholds[n];
    const start = Math.max(leastHu, NOISE_FACTOR * deviation(apart));
    const here = computed(contrast, (i) => share(i) * ramp(contrast.data[i], start, rangeHu));
    spread(here, reachMm, spacingMm).data.forEach((value, i) => {
      largest.data[i] = Math.max(largest.data[i], value);
    });
  });
  return largest;
}

function bloodOf(contrast, contrasts, free, normal, spacingMm) {
  const away = ramped(smoothed(free, AWAY_MM, spacingMm), ...AWAY).data;
  const denser = spread(ramped(contrast, ...DENSER_HU), DENSER_MM, spacingMm).data;
  const blood = significanceOf(contrasts, BLOOD, normal, spacingMm, (i) => away[i]);
  return computed(blood, (i) => blood.data[i] * (1 - denser[i]));
}

// Grey levels of infarcts, 0 or less.
function faintOf(found, normal, normalHu, normalBase, known) {
  const { spacingMm } = found.grid;
  const relative = (values) => {
    const around = mean(values, normal, REGION_MM, spacingMm).data;
    return computed(values, (i) => values.data[i] - Math.fround(normal.data[i] * around[i]));
  };
  const unexplained = unexplainedBy(relative(normalHu), relative(normalBase), normal);
  const sure = computed(normal, (i) => (normal.data[i] > MIN_SHARE ? normal.data[i] : 0));
  const weighted = computed(sure, (i) => sure.data[i] * unexplained.data[i]);
  const faintHu = mean(weighted, sure, FAINT_MM, spacingMm).data;
  const edge = mean(weighted, sure, FAINT_EDGE_MM, spacingMm).data;
  const voxelMm3 = found.head.spacingMm.reduce((product, step) => product * step, 1);
  const share = Math.sqrt(voxelMm3 / (2 * Math.sqrt(Math.PI) * FAINT_MM) ** 3);
  const leastHu = Math.max(FAINT_HU[0], FAINT_NOISE * found.noiseHu * share);
  return computed(normal, (i) =>
    ramp(-faintHu[i], leastHu, FAINT_HU[1]) * known.data[i] * faintHu[i]
    * ramp(-edge[i], ...FAINT_EDGE_HU) * (FAINT_GAIN / HU_OF_WHITE));
}

// The contrast in HU that the base's contrast does not imply, at most MAX_FAINT_HU.
function unexplainedBy(hu, base, normal) {
  const inside = [];
  for (let i = 0; i < normal.data.length; i++) if (normal.data[i] > MIN_SHARE) inside.push(i);
  if (!inside.length) return volume(hu.shape);
  const level = (i) => Math.fround(base.data[i] / normal.data[i]);
  const value = (i) => Math.fround(hu.data[i] / normal.data[i]);
  inside.sort((a, b) => level(a) - level(b));
  const parts = split(inside, BASE_BINS).filter((part) => part.length);
  const middle = parts.map((part) => median(part.map(level)));
  const usual = parts.map((part) => median(part.map(value)));
  return computed(hu, (i) => {
    const weight = Math.fround(normal.data[i] + ALMOST_NONE);
    const implied = interpolated(Math.fround(base.data[i] / weight), middle, usual);
    return clipped(Math.fround(hu.data[i] / weight) - implied, -MAX_FAINT_HU, MAX_FAINT_HU);
  });
}

// Lists of nearly equal length; the first are longer by one where that is needed.
function split(items, count) {
  const size = Math.floor(items.length / count);
  const longer = items.length % count;
  let at = 0;
  return Array.from({ length: count }, (_, n) => items.slice(at, (at += size + (n < longer ? 1 : 0))));
}
