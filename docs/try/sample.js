// The sample: a synthetic phantom, and what radfuse with OpenVINO makes of it.

import { readImage } from "./fuse.js";

const KINDS = { images: ".png", volumes: ".nii.gz" };

async function bytesOf(path) {
  const response = await fetch(new URL(`sample/${path}`, import.meta.url));
  if (!response.ok) throw new Error(`${path} could not be loaded (${response.status}); reload and try again.`);
  return { name: path, bytes: new Uint8Array(await response.arrayBuffer()) };
}

// CT and MR of the sample: "images" or "volumes".
export async function samplePair(kind) {
  const [ct, mr] = await Promise.all(["ct", "mr"].map(async (role) =>
    readImage(await bytesOf(role + KINDS[kind]))));
  return { ct, mr };
}

// Largest difference of a result from OpenVINO's, in grey levels of 255.
export async function differenceFromOpenVino(kind, method, { levels, full }) {
  const expected = await readImage(await bytesOf(`fused-${method}${KINDS[kind]}`));
  const white = kind === "images" ? 255 : 1; // a PNG is read in [0, 1], a volume as it is stored
  const most = levels.reduce((found, level, i) =>
    Math.max(found, Math.abs(level - Math.round(expected.data[i] * white))), 0);
  return (most * 255) / full;
}
