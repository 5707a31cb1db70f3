// NIfTI-1 volumes: read with the checks of radfuse, and written on the grid of another.

import { deflated, FileError, unpacked } from "./bytes.js";

const HEADER_BYTES = 348;
const VOXELS_AT = 352;
const MAX_VOXELS = 2 ** 24;
const SPACING_LIMITS_MM = [0.05, 25];
const SPACING_AGREES = 0.01;
const AXES_AGREE_MM = 1; // of sform and qform
const RIGHT_ANGLE_TOLERANCE = 1e-3;
const GRIDS_AGREE_MM = 0.05; // largest distance of the corners of one grid in two files
const NOTICE = "Research use only. Not a medical device.";

const TYPES = {
  2: Uint8Array, 4: Int16Array, 8: Int32Array, 16: Float32Array, 64: Float64Array,
  256: Int8Array, 512: Uint16Array, 768: Uint32Array,
};
const UINT16 = 512;

export const isNifti = (name) => /\.nii(\.gz)?$/i.test(name);

// A volume { shape, spacingMm, affine, data }: [slices, rows, columns], mm, voxel [x, y, z] to RAS,
// float32. Slices are in the order that makes the axes right-handed.
export async function readNifti(bytes, name) {
  const content = await unpacked(bytes, name);
  const header = headerOf(content, name);
  const { affine, spacing } = geometryOf(header, name);
  const [columns, rows, depth] = header.size;
  const data = voxelsOf(content, header, name);
  const found = { shape: [depth, rows, columns], spacingMm: [spacing[2], spacing[1], spacing[0]], affine, data };
  return determinant(affine) < 0 ? flipped(found) : found;
}

function headerOf(content, name) {
  if (content.length < VOXELS_AT) throw new FileError(`${name}: truncated; copy it again.`);
  const view = new DataView(content.buffer, content.byteOffset, content.byteLength);
  const magic = String.fromCharCode(...content.subarray(344, 347));
  const little = view.getInt32(0, true) === HEADER_BYTES;
  if (magic !== "n+1" || !(little || view.getInt32(0) === HEADER_BYTES))
    throw new FileError(`${name}: not a NIfTI-1 volume in one file; convert it to .nii or .nii.gz.`);
  const short = (at) => view.getInt16(at, little);
  const float = (at) => view.getFloat32(at, little);
  const floats = (at, count) => Array.from({ length: count }, (_, i) => float(at + 4 * i));
  const sizes = Array.from({ length: Math.min(Math.max(short(40), 0), 7) }, (_, i) => short(42 + 2 * i));
  if (sizes.length < 3 || sizes.slice(3).some((size) => size > 1))
    throw new FileError(`${name}: a ${sizes.length}-D image of ${sizes.join(" x ")}, expected one 3-D volume.`);
  const size = sizes.slice(0, 3);
  if (Math.min(...size) < 2) throw new FileError(`${name}: ${size.join(" x ")} voxels; a volume needs 2 or more per axis.`);
  if (size.reduce((product, n) => product * n) > MAX_VOXELS)
    throw new FileError(`${name}: ${size.join(" x ")} voxels; this application takes at most 16 million, radfuse itself takes more.`);
  return {
    size, little, view, type: short(70), offset: float(108), slope: float(112), intercept: float(116),
    zooms: floats(80, 3), qfac: float(76) < 0 ? -1 : 1, qcode: short(252), scode: short(254),
    quaternion: floats(256, 3), shift: floats(268, 3), rows: [280, 296, 312].map((at) => floats(at, 4)),
  };
}

function voxelsOf(content, { size, little, view, type, offset, slope, intercept }, name) {
  const Kind = TYPES[type];
  if (!Kind) throw new FileError(`${name}: voxels of type ${type}, expected a real number each.`);
  const count = size.reduce((product, n) => product * n);
  const start = Math.max(Math.round(offset), VOXELS_AT);
  if (content.length < start + count * Kind.BYTES_PER_ELEMENT) throw new FileError(`${name}: truncated; copy it again.`);
  const read = `get${Kind.name.replace("Array", "")}`;
  const isScaled = Number.isFinite(slope) && slope !== 0;
  const data = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    const value = view[read](start + i * Kind.BYTES_PER_ELEMENT, little);
    data[i] = isScaled ? value * slope + intercept : value;
  }
  if (!data.every(Number.isFinite)) throw new FileError(`${name}: has NaN or infinite values; replace them first.`);
  if (data.every((value) => value === data[0])) throw new FileError(`${name}: every value is ${data[0]}; the image is empty.`);
  return data;
}

const columnsOf = (affine) => [0, 1, 2].map((axis) => affine.map((row) => row[axis]));
const dot = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);
const shown = (values) => values.map((value) => Number(value.toPrecision(6))).join(" x ");

function geometryOf(header, name) {
  const { zooms, scode, qcode } = header;
  const [low, high] = SPACING_LIMITS_MM;
  if (!zooms.every((step) => step >= low && step <= high))
    throw new FileError(`${name}: voxel spacing ${shown(zooms)} mm, expected ${low} to ${high} mm; correct the header.`);
  if (scode <= 0 && qcode <= 0)
    throw new FileError(`${name}: neither sform nor qform is set, so the orientation is unknown; set one.`);
  const affine = scode > 0 ? header.rows : qformOf(header);
  const axes = columnsOf(affine);
  const spacing = axes.map((axis) => Math.sqrt(dot(axis, axis)));
  if (!spacing.every((step, i) => Math.abs(step - zooms[i]) <= SPACING_AGREES * zooms[i]))
    throw new FileError(`${name}: voxel spacing ${shown(zooms)} mm in pixdim and ${shown(spacing)} mm in the transform; correct the header.`);
  for (const [a, b] of [[0, 1], [0, 2], [1, 2]])
    if (Math.abs(dot(axes[a], axes[b])) > RIGHT_ANGLE_TOLERANCE * spacing[a] * spacing[b])
      throw new FileError(`${name}: the axes are not perpendicular; resample it.`);
  if (scode > 0 && qcode > 0) {
    const apart = gridDistance({ affine, size: header.size }, { affine: qformOf(header), size: header.size });
    if (apart > AXES_AGREE_MM)
      throw new FileError(`${name}: sform and qform differ by ${apart.toFixed(1)} mm; delete the wrong one.`);
  }
  return { affine, spacing };
}

function qformOf({ quaternion: [b, c, d], shift, zooms, qfac }) {
  const a = Math.sqrt(Math.max(0, 1 - (b * b + c * c + d * d)));
  const rotation = [
    [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
    [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
    [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
  ];
  const steps = [zooms[0], zooms[1], qfac * zooms[2]];
  return rotation.map((row, i) => [...row.map((value, axis) => value * steps[axis]), shift[i]]);
}

const mapped = (affine, point) => affine.map((row) => dot(row.slice(0, 3), point) + row[3]);

// Largest distance of a corner of the first grid by the two affines.
function gridDistance({ affine, size }, other) {
  const corners = Array.from({ length: 8 }, (_, n) => size.map((count, axis) => ((n >> axis) & 1) * (count - 1)));
  return Math.max(...corners.map((corner) => Math.hypot(
    ...mapped(affine, corner).map((value, i) => value - mapped(other.affine, corner)[i]))));
}

function determinant(affine) {
  const [[a, b, c], [d, e, f], [g, h, i]] = affine;
  return a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g);
}

// The same volume with its slices in the opposite order.
function flipped({ shape, spacingMm, affine, data }) {
  const [depth, rows, columns] = shape;
  const size = rows * columns;
  const out = new Float32Array(data.length);
  for (let z = 0; z < depth; z++) out.set(data.subarray(z * size, (z + 1) * size), (depth - 1 - z) * size);
  const opposite = affine.map(([x, y, z, shift]) => [x, y, -z, shift + z * (depth - 1)]);
  return { shape, spacingMm, affine: opposite, data: out };
}

// FileError unless two volumes are on one grid.
export function checkOneGrid(ct, mr) {
  const sizes = [ct, mr].map(({ shape }) => [...shape].reverse());
  const asGrid = (n, { affine }) => ({ affine, size: sizes[n] });
  const same = sizes[0].every((size, axis) => size === sizes[1][axis]);
  const apart = same ? gridDistance(asGrid(0, ct), asGrid(1, mr)) : Infinity;
  if (apart <= GRIDS_AGREE_MM) return;
  const why = same
    ? `their grids differ by ${apart.toFixed(1)} mm`
    : `the CT has ${sizes[0].join(" x ")} voxels and the MR ${sizes[1].join(" x ")}`;
  throw new FileError(`CT and MR are not on the same grid: ${why}; registration needs radfuse itself: radfuse fuse --ct CT --mr MR -o fused.nii.gz.`);
}

// A NIfTI in gzip with stored values (uint16) on the grid of a volume.
export async function writeNifti(stored, { shape, spacingMm, affine }) {
  const bytes = new Uint8Array(VOXELS_AT + stored.byteLength);
  const view = new DataView(bytes.buffer);
  view.setInt32(0, HEADER_BYTES, true);
  [3, ...[...shape].reverse(), 1, 1, 1, 1].forEach((size, i) => view.setInt16(40 + 2 * i, size, true));
  view.setInt16(70, UINT16, true);
  view.setInt16(72, 16, true);
  [1, ...[...spacingMm].reverse()].forEach((step, i) => view.setFloat32(76 + 4 * i, step, true));
  view.setFloat32(108, VOXELS_AT, true);
  view.setFloat32(112, 1, true);
  bytes[123] = 2; // mm
  bytes.set(new TextEncoder().encode(NOTICE), 148);
  view.setInt16(254, 1, true); // sform: scanner coordinates
  affine.flat().forEach((value, i) => view.setFloat32(280 + 4 * i, value, true));
  bytes.set(new TextEncoder().encode("n+1"), 344);
  new Uint16Array(bytes.buffer, VOXELS_AT).set(stored);
  return new Blob([await deflated(bytes, "gzip")], { type: "application/gzip" });
}
