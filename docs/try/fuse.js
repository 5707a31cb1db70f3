// Fusion of a pair by a method, with the processing that radfuse does around a network.

import { fusedBy, nameOf } from "./engine.js";
import { FileError } from "./files/bytes.js";
import { checkOneGrid, isNifti, readNifti } from "./files/nifti.js";
import { isPng, readPng } from "./files/png.js";
import { FULL, fuseVolume } from "./fusion/fuse_volume.js";
import { greyLevels } from "./fusion/levels.js";
import { fusePrinted } from "./fusion/signed_detail.js";

const MIN_CT_HU = -500; // a CT of a head has air around it, an MR has no such value
const JAVASCRIPT = "JavaScript; in a volume this method has no network";

export const NETWORKS = { signed_detail: "mfinet", mfinet: "mfinet", res2fusion: "res2fusion" };

// The image of a file { name, bytes }: 2-D { shape, data } in [0, 1], or a volume.
export async function readImage({ name, bytes }) {
  if (isPng(bytes)) {
    const { rows, columns, values } = await readPng(bytes, name);
    return { shape: [1, rows, columns], data: values };
  }
  if (isNifti(name)) return readNifti(bytes, name);
  throw new FileError(`${name}: give a PNG image or a NIfTI volume (.nii, .nii.gz); radfuse itself reads DICOM and other formats.`);
}

export const isVolume = ({ affine }) => Boolean(affine);

// In a volume, signed_detail has a rule as its base.
export const needsNetwork = (method, { ct }) => !(method === "signed_detail" && isVolume(ct));

const lowestOf = ({ data }) => data.reduce((low, value) => Math.min(low, value), Infinity);

// FileError unless CT and MR can be fused.
export function checkPair(ct, mr) {
  if (isVolume(ct) !== isVolume(mr)) throw new FileError("One file is a 2-D image, the other a volume; give two of one kind.");
  if (isVolume(ct)) {
    checkOneGrid(ct, mr);
    const [low, lowMr] = [lowestOf(ct), lowestOf(mr)];
    if (low > MIN_CT_HU) throw new FileError(`The CT is not in HU: its lowest value is ${low}, expected ${MIN_CT_HU} or less.`);
    if (lowMr < MIN_CT_HU) throw new FileError(`The MR has values down to ${lowMr}, as a CT has; check that the files are not swapped.`);
    return;
  }
  const sizes = [ct, mr].map(({ shape: [, rows, columns] }) => `${columns} x ${rows}`);
  if (sizes[0] !== sizes[1])
    throw new FileError(`The CT has ${sizes[0]} pixels and the MR ${sizes[1]}; 2-D images must be registered before.`);
}

// Fuse a pair by a method on an engine, "wasm" or "webgpu".
//
// Returns { levels, full, engine, mrRange }: whole grey levels up to `full`, and what computed them.
export async function fusePair({ ct, mr }, { method, window, engine }, report) {
  const network = NETWORKS[method];
  const fuseSlice = (first, second) => fusedBy(engine, network, first, second);
  if (!isVolume(ct)) {
    const base = await fuseSlice(ct, mr);
    const fused = method === "signed_detail" ? fusePrinted(ct, mr, base) : base;
    return { levels: greyLevels(fused.data), full: 255, engine: await nameOf(engine) };
  }
  const isRule = !needsNetwork(method, { ct });
  const given = { hu: ct, mr, spacingMm: ct.spacingMm, window, fuseSlice: isRule ? null : fuseSlice };
  const { stored, mrRange } = await fuseVolume(given, report);
  return { levels: stored, full: FULL, mrRange, engine: isRule ? JAVASCRIPT : await nameOf(engine) };
}
