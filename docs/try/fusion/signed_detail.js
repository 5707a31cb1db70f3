// Signed detail: a base image, and what the CT's brain window shows and the base lacks.
//
// As radfuse.methods.signed_detail, with its default options; docs/signed-detail.md explains it.

import { CoarseGrid } from "./coarse_grid.js";
import { Background, coarseContrast, GRID_MM } from "./contrast.js";
import { ramp, smoothed, spread } from "./filters.js";
import { inWindow, WINDOWS } from "./levels.js";
import { Skull } from "./skull.js";
import { tissueOf, widened } from "./tissue.js";
import { clipped, computed, interpolated, roundedEven, slices } from "./volume.js";

const BRAIN = WINDOWS.brain;
const BONE_HU = 300;
const PRINTED_BONE_HU = 79; // white in a brain window
const FULL = 65535; // stored value of a base that is white
const SLICES_AT_ONCE = 12; // at least, and of thin slices ...
const AT_ONCE_MM = 8; // ... so many mm
const MAX_RATIO = 2; // most that is added, in contrasts of the CT
const KNEE = 0.8; // what is added above this grey level is compressed
const TINY = 1e-6;
const BONE_RAMP_HU = [60, 240]; // from tissue to bone: HU and range
const BONE_FLOOR = 0.3;
const BONE_MARGIN = 1.03;
const WHITE_HU = 1000;
const WEIGHT_MM = 0.8; // smoothing of the weights
const NOISE_SHARE = 0.75; // no pixel shows more than its own CT number and as many deviations
const BLOOD_GAIN = 0.5;

const FINE_HU = [40, 20]; // contrast of a finding of two pixels, and range up to full weight
const SHARE_OF_SCALE = [[0.6, 1.2], [1, 0.5]]; // smoothing, and share of it that is significant
const DARK_HU = [40, 25]; // of air and fat
const EDGE_HU = [6, 8];
const EDGE_NOISE = 3;
const NOISE_FACTOR = 5;
const REACH = 1.2;

// One printed slice, CT and MR in [0, 1]; bone stays as the base has it.
export function fusePrinted(ct, mr, base) {
  const hu = computed(ct, (i) => Math.fround(BRAIN.width * ct.data[i]));
  const head = { hu, mr, shape: ct.shape, spacingMm: [1, 1, 1] };
  const part = [0, 1];
  const grid = new CoarseGrid(head.shape, head.spacingMm, GRID_MM);
  const background = new Background(head, grid, new Skull(grid, PRINTED_BONE_HU, [hu]));
  background.gather(part, base);
  const contrast = coarseContrast(background, { withFaint: false });
  return detailed(fineContrast(contrast, head, part, base));
}

// The slices of a head in HU, some at a time: yields { start, stop, fused } in order.
// `fuseBase(ct, mr)` fuses slices whose CT is in the window.
export function* fuseHead(head, baseOf) {
  const grid = new CoarseGrid(head.shape, head.spacingMm, GRID_MM);
  const parts = [...partsOf(head.shape[0], grid.factors[0], head.spacingMm[0])];
  const skull = new Skull(grid, BONE_HU, parts.map((part) => slices(head.hu, ...part)));
  const background = new Background(head, grid, skull);
  const stored = new Uint16Array(head.hu.data.length);
  const size = head.shape[1] * head.shape[2];
  const based = (part) => {
    const own = stored.subarray(part[0] * size, part[1] * size);
    return computed(slices(head.hu, ...part), (i) => own[i] / FULL);
  };
  for (const part of parts) {
    stored.set(baseOf(part).data.map((value) => roundedEven(value * FULL)), part[0] * size);
    background.gather(part, based(part));
    yield { fraction: (0.5 * part[1]) / head.shape[0] };
  }
  const contrast = coarseContrast(background, { withFaint: true });
  for (const part of parts) {
    const fine = fineContrast(contrast, head, part, based(part));
    yield { part, fused: withBone(fine, detailed(fine)), fraction: 0.5 + (0.5 * part[1]) / head.shape[0] };
  }
}

function* partsOf(count, block, sliceMm) {
  const atOnce = Math.max(SLICES_AT_ONCE, Math.floor(AT_ONCE_MM / sliceMm));
  const step = Math.max(1, Math.floor(atOnce / block)) * block;
  for (let start = 0; start < count; start += step) yield [start, Math.min(start + step, count)];
}

// The contrast of some slices at the finest scale, with the coarse volumes expanded to it.
function fineContrast(found, head, part, base) {
  const { wide, inner } = widened(head, part, 2 * WEIGHT_MM);
  const near = tissueOf(head, wide, found.skull, found.fineMm);
  const wideBackground = found.grid.expand(found.backgroundHu, ...wide);
  const wideOwn = ownHu(near, wideBackground, NOISE_SHARE * found.noiseHu);
  const coarse = found.grid.expand(found.significance, ...wide);
  const weight = significance(near.smoothHu, wideOwn, wideBackground, coarse, found, head.spacingMm);
  const own = inner(wideOwn);
  const backgroundHu = inner(wideBackground);
  const blood = found.grid.expand(found.blood, ...part);
  const clear = inner(near.clear);
  const expanded = (values) => found.grid.expand(values, ...part);
  const known = expanded(found.known);
  const faint = expanded(found.faint);
  return {
    hu: inner(near.hu), base, backgroundHu,
    ownHu: computed(own, (i) =>
      own.data[i] + BLOOD_GAIN * blood.data[i] * Math.max(own.data[i] - backgroundHu.data[i], 0)),
    baseBackground: expanded(found.baseBackground),
    known: computed(known, (i) => known.data[i] * clear.data[i]),
    significance: inner(smoothed(weight, WEIGHT_MM, head.spacingMm)),
    faint: computed(faint, (i) => faint.data[i] * clear.data[i]),
    softAround: expanded(found.softAround),
  };
}

// Smoothed HU, but no farther from the background than the voxel itself and some noise.
function ownHu({ smoothHu, tissueHu }, backgroundHu, noiseHu) {
  return computed(smoothHu, (i) => {
    const smooth = smoothHu.data[i];
    const around = backgroundHu.data[i];
    return smooth > around
      ? Math.min(smooth, Math.max(tissueHu.data[i] + noiseHu, around))
      : Math.max(smooth, Math.min(tissueHu.data[i] - noiseHu, around));
  });
}

// Significance by thresholds in HU and in deviations of the noise.
function significance(smoothHu, own, backgroundHu, coarse, { fineMm, fineNoiseHu }, spacingMm) {
  const share = interpolated(fineMm, ...SHARE_OF_SCALE);
  const least = Math.max(share * FINE_HU[0], NOISE_FACTOR * fineNoiseHu);
  const begins = Math.max(EDGE_HU[0], EDGE_NOISE * fineNoiseHu);
  const darkHu = Math.max(DARK_HU[0], NOISE_FACTOR * fineNoiseHu);
  const contrast = computed(smoothHu, (i) => smoothHu.data[i] - backgroundHu.data[i]);
  const small = computed(contrast, (i) => ramp(contrast.data[i], least, share * FINE_HU[1]));
  const around = spread(small, REACH * fineMm, spacingMm).data;
  return computed(contrast, (i) => Math.max(
    Math.max(around[i], coarse.data[i]) * ramp(contrast.data[i], begins, EDGE_HU[1]),
    ramp(backgroundHu.data[i] - own.data[i], darkHu, DARK_HU[1]),
  ));
}

// The base with the detail of the CT, before bone.
function detailed(fine) {
  const { base, faint, known } = fine;
  return computed(base, (i) => {
    const weight = fine.significance.data[i] * known.data[i];
    const value = base.data[i] + faint.data[i] + weight * missing(fine, i);
    return compressed(Math.max(value, 0), Math.max(base.data[i], KNEE));
  });
}

// The contrast of the CT in its window that the base lacks at a voxel.
function missing({ base, faint, ownHu: own, backgroundHu, baseBackground }, i) {
  const detail = inWindow(own.data[i], BRAIN) - inWindow(backgroundHu.data[i], BRAIN);
  const ofBase = base.data[i] + faint.data[i] - baseBackground.data[i];
  const most = MAX_RATIO * Math.abs(detail);
  return detail > 0 ? clipped(detail - ofBase, 0, most) : -clipped(ofBase - detail, 0, most);
}

// A value above a knee of at most 1, with the slope 1 there, brought below 1.
function compressed(value, knee) {
  const room = Math.max(1 - knee, TINY);
  const above = Math.max(value - knee, 0);
  return Math.min(Math.min(value, knee) - room * Math.expm1(-above / room), 1);
}

// Bone from dark to white by its CT number, never darker than what is around it.
function withBone({ hu, softAround }, fused) {
  return computed(fused, (i) => {
    const floor = Math.max(Math.min(softAround.data[i] * BONE_MARGIN, 1), BONE_FLOOR);
    const density = clipped((hu.data[i] - BONE_HU) / (WHITE_HU - BONE_HU), 0, 1);
    const bone = Math.max(fused.data[i], floor + (1 - floor) * density);
    const share = clipped((hu.data[i] - BONE_RAMP_HU[0]) / BONE_RAMP_HU[1], 0, 1);
    return fused.data[i] + share * (bone - fused.data[i]);
  });
}
