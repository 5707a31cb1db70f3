// A head's CT beside its skull: what is tissue there, and what the skull's blur has added.

import { dilated, element, ramped, smoothed } from "./filters.js";
import { clipped, computed, masked, slices } from "./volume.js";

const DETAIL_HU = [-150, 160]; // denser and thinner is as visible
const NORMAL_HU = [-15, 55]; // brain and fluid, the background of a finding
const AROUND_HU = 0; // lower bound of the same, smoothed by AROUND_MM
const AROUND_MM = 1.6;
const RIM_MM = 2; // partial volume of the skull
const LEAK_HU = 300; // what the blur of a scan may add beside bone ...
const LEAK_MM = 1.5;
const BRAIN_HU = 35; // ... at most down to brain
const CLEAR = [0.03, 0.12]; // share of skull from which detail fades, and range

// The slices with neighbours within a margin, and where the first of them is among these.
export function widened(head, [start, stop], marginMm) {
  const count = head.shape[0];
  const more = count > 1 ? Math.ceil(marginMm / head.spacingMm[0]) : 0;
  const wide = [Math.max(start - more, 0), Math.min(stop + more, count)];
  return { wide, inner: (values) => slices(values, start - wide[0], stop - wide[0]) };
}

const ball = (spacingMm) =>
  element(spacingMm.map((step) => Math.floor(RIM_MM / step)), (...steps) =>
    steps.reduce((sum, n, axis) => sum + (n * spacingMm[axis]) ** 2, 0) <= RIM_MM ** 2);

// Some slices of a head; `fineMm` is the smoothing of `smoothHu`.
export function tissueOf(head, part, skull, fineMm) {
  const { wide, inner } = widened(head, part, 2 * AROUND_MM);
  const hu = slices(head.hu, ...wide);
  const bone = skull.mask(hu, wide[0]);
  const share = smoothed(bone, LEAK_MM, head.spacingMm);
  const tissueHu = computed(hu, (i) => {
    const value = Math.max(hu.data[i] - Math.fround(LEAK_HU * share.data[i]), Math.min(hu.data[i], BRAIN_HU));
    return clipped(value, ...DETAIL_HU);
  });
  const smoothHu = inner(smoothed(tissueHu, fineMm, head.spacingMm));
  const around = inner(smoothed(tissueHu, AROUND_MM, head.spacingMm));
  const rim = inner(dilated(bone, ball(head.spacingMm)));
  const [low, high] = NORMAL_HU;
  const brain = masked(around, (i) => around.data[i] > AROUND_HU && around.data[i] < high && !rim.data[i]);
  const ramps = ramped(inner(share), ...CLEAR);
  return {
    hu: inner(hu), tissueHu: inner(tissueHu), smoothHu, rim, brain,
    normal: masked(brain, (i) => brain.data[i] && smoothHu.data[i] > low && smoothHu.data[i] < high),
    clear: computed(ramps, (i) => 1 - ramps.data[i]),
  };
}
