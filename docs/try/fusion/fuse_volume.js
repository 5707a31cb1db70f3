// Fusion of two volumes on one grid, as radfuse fuses them once they are registered.

import { headBox, headRange } from "./head_region.js";
import { bothWindows, scaledBy, thresholdIn } from "./levels.js";
import { fuseHead } from "./signed_detail.js";
import { clipped, computed, roundedEven, slices, volume } from "./volume.js";

export const FULL = 4095; // stored value of white
const BONE_HU = 300;
const CT_SHARE = 0.05; // of the CT outside bone

export class FusionError extends Error {}

// The part of a volume in a box, copied.
function cropped({ shape, data }, box) {
  const out = volume(box.map(([start, stop]) => stop - start));
  forRows(shape, box, (from, to, length) => out.data.set(data.subarray(from, from + length), to));
  return out;
}

// Call visit(index in the volume, index in the box, length) for each row of a box.
function forRows([, rows, columns], [z, y, x], visit) {
  const length = x[1] - x[0];
  let to = 0;
  for (let k = z[0]; k < z[1]; k++)
    for (let j = y[0]; j < y[1]; j++, to += length) visit((k * rows + j) * columns + x[0], to, length);
}

// max(ct, mr) in bone and one pixel around it, mostly the MR elsewhere; the CT is in its window.
export function boneBlend(ct, mr, level) {
  const [depth, rows, columns] = ct.shape;
  const limit = Math.fround(level);
  const nearBone = new Uint8Array(ct.data.length);
  for (let z = 0, i = 0; z < depth; z++)
    for (let y = 0; y < rows; y++)
      for (let x = 0; x < columns; x++, i++) {
        if (!(ct.data[i] > limit)) continue;
        for (let row = Math.max(y - 1, 0); row <= Math.min(y + 1, rows - 1); row++) {
          const first = (z * rows + row) * columns;
          nearBone.fill(1, first + Math.max(x - 1, 0), first + Math.min(x + 2, columns));
        }
      }
  return computed(ct, (i) => (nearBone[i]
    ? Math.max(ct.data[i], mr.data[i])
    : Math.min(mr.data[i] + Math.fround(CT_SHARE) * ct.data[i], 1)));
}

// Slices fused by a network, one by one: yields { part, fused, fraction }.
async function* byNetwork(head, window, fuseSlice) {
  for (let z = 0; z < head.shape[0]; z++) {
    const ct = scaledBy(window, slices(head.hu, z, z + 1));
    const fused = await fuseSlice(ct, slices(head.mr, z, z + 1));
    yield { part: [z, z + 1], fused, fraction: (z + 1) / head.shape[0] };
  }
}

function bySignedDetail(head, window) {
  const level = thresholdIn(window, BONE_HU);
  return fuseHead(head, (part) =>
    boneBlend(scaledBy(window, slices(head.hu, ...part)), slices(head.mr, ...part), level));
}

// Stored values of the fused volume, 0 to FULL (uint16): fused in the head's box, elsewhere the CT.
//
// `hu` and `mr` have the same shape [slices, rows, columns]. Without `fuseSlice`, signed_detail.
export async function fuseVolume({ hu, mr, spacingMm, window, fuseSlice }, report) {
  const [low, high] = headRange(mr, spacingMm);
  if (!(high > low)) throw new FusionError("The MR has no contrast inside a head; check that it shows one.");
  const box = headBox(hu, spacingMm);
  if (!box) throw new FusionError("The CT shows no head: no body is denser than -300 HU.");
  const stored = Uint16Array.from(hu.data, (value) => roundedEven(bothWindows(value) * FULL));
  const scaled = cropped(mr, box);
  const head = {
    hu: cropped(hu, box), shape: scaled.shape, spacingMm,
    mr: computed(scaled, (i) => clipped(Math.fround(scaled.data[i] - Math.fround(low)) / Math.fround(high - low), 0, 1)),
  };
  const parts = fuseSlice ? byNetwork(head, window, fuseSlice) : bySignedDetail(head, window);
  for await (const { part, fused, fraction } of parts) {
    if (fused) {
      const own = [[box[0][0] + part[0], box[0][0] + part[1]], box[1], box[2]];
      forRows(hu.shape, own, (from, to, length) => {
        for (let i = 0; i < length; i++) stored[from + i] = roundedEven(Math.fround(fused.data[to + i] * FULL));
      });
    }
    await report(fraction);
  }
  return { stored, box, mrRange: [low, high] };
}
