// Greyscale PNG images (ISO/IEC 15948), read and written without the browser's colour management.

import { deflated, FileError, inflated } from "./bytes.js";

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const CHANNELS = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 }; // by colour type
const GREY_TOLERANCE = 8; // levels by which channels of a greyscale image may differ
const MAX_PIXELS = 2 ** 24;
const NOTICE = "Research use only. Not a medical device.";

export const isPng = (bytes) => SIGNATURE.every((byte, i) => bytes[i] === byte);

function* chunks(bytes, name) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = SIGNATURE.length; at + 12 <= bytes.length;) {
    const length = view.getUint32(at);
    if (at + 12 + length > bytes.length) break;
    const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    yield { type, data: bytes.subarray(at + 8, at + 8 + length) };
    if (type === "IEND") return;
    at += 12 + length;
  }
  throw new FileError(`${name}: damaged or truncated; copy it again.`);
}

function headerOf(data, name) {
  const view = new DataView(data.buffer, data.byteOffset);
  const [columns, rows] = [view.getUint32(0), view.getUint32(4)];
  const [bits, colour, , , interlaced] = data.subarray(8);
  if (!columns || !rows || columns * rows > MAX_PIXELS)
    throw new FileError(`${name}: ${columns} x ${rows} pixels; give an image of at most ${MAX_PIXELS} pixels.`);
  if (interlaced) throw new FileError(`${name}: an interlaced PNG; save it without interlacing.`);
  if (!(colour in CHANNELS) || (bits < 8 && CHANNELS[colour] > 1))
    throw new FileError(`${name}: not a valid PNG; save it as greyscale of 8 or 16 bits.`);
  return { columns, rows, bits, colour };
}

// Undo the filters of the rows (section 9 of the standard), in the bytes themselves.
function unfiltered(bytes, rows, rowBytes, pixelBytes, name) {
  if (bytes.length < rows * (rowBytes + 1)) throw new FileError(`${name}: truncated; copy it again.`);
  const out = new Uint8Array(rows * rowBytes);
  for (let row = 0; row < rows; row++) {
    const filter = bytes[row * (rowBytes + 1)];
    const line = bytes.subarray(row * (rowBytes + 1) + 1, (row + 1) * (rowBytes + 1));
    const here = row * rowBytes;
    for (let i = 0; i < rowBytes; i++) {
      const left = i >= pixelBytes ? out[here + i - pixelBytes] : 0;
      const above = row ? out[here - rowBytes + i] : 0;
      const corner = row && i >= pixelBytes ? out[here - rowBytes + i - pixelBytes] : 0;
      out[here + i] = line[i] + predicted(filter, left, above, corner);
    }
  }
  return out;
}

function predicted(filter, left, above, corner) {
  if (filter === 1) return left;
  if (filter === 2) return above;
  if (filter === 3) return (left + above) >> 1;
  if (filter !== 4) return 0;
  const guess = left + above - corner;
  const [toLeft, toAbove, toCorner] = [left, above, corner].map((value) => Math.abs(guess - value));
  if (toLeft <= toAbove && toLeft <= toCorner) return left;
  return toAbove <= toCorner ? above : corner;
}

// Samples of each row, one after another, in their stored range.
function samplesOf(bytes, { rows, columns, bits }, channels, rowBytes) {
  const samples = new Uint16Array(rows * columns * channels);
  const perRow = columns * channels;
  for (let row = 0; row < rows; row++)
    for (let i = 0; i < perRow; i++) {
      const at = row * rowBytes + ((i * bits) >> 3);
      const shift = 8 - bits - ((i * bits) & 7);
      if (bits === 16) samples[row * perRow + i] = (bytes[at] << 8) | bytes[at + 1];
      else samples[row * perRow + i] = (bytes[at] >> shift) & ((1 << bits) - 1);
    }
  return samples;
}

// An image { rows, columns, values } in [0, 1], float32; FileError for what is not greyscale.
export async function readPng(bytes, name) {
  let header = null;
  let palette = null;
  const compressed = [];
  for (const { type, data } of chunks(bytes, name)) {
    if (type === "IHDR") header = headerOf(data, name);
    if (type === "PLTE") palette = data;
    if (type === "IDAT") compressed.push(data);
    if (type === "tRNS") throw new FileError(`${name}: partly transparent; save it opaque.`);
    if (type === "acTL") throw new FileError(`${name}: several frames; save each as a file.`);
  }
  if (!header) throw new FileError(`${name}: not a valid PNG; copy it again.`);
  const channels = CHANNELS[header.colour];
  const rowBytes = Math.ceil((header.columns * channels * header.bits) / 8);
  const packed = new Uint8Array(await new Blob(compressed).arrayBuffer());
  const raw = await inflated(packed, "deflate", name);
  const pixelBytes = Math.max(1, (channels * header.bits) >> 3);
  const lines = unfiltered(raw, header.rows, rowBytes, pixelBytes, name);
  const samples = samplesOf(lines, header, channels, rowBytes);
  const levels = greyOf(samples, header, channels, palette, name);
  const { rows, columns } = header;
  return { rows, columns, values: levels };
}

// The only channel of a greyscale image, by its full scale.
function greyOf(samples, { bits, colour }, channels, palette, name) {
  const full = colour === 3 ? 255 : 2 ** bits - 1;
  const colours = colour === 3 ? 3 : channels - (colour >= 4 ? 1 : 0);
  const sample = (pixel, n) => (colour === 3 ? palette?.[3 * samples[pixel] + n] ?? 0 : samples[pixel * channels + n]);
  return Float32Array.from({ length: samples.length / channels }, (_, pixel) => {
    if (colour >= 4 && samples[pixel * channels + channels - 1] < full)
      throw new FileError(`${name}: partly transparent; save it opaque.`);
    const values = [sample(pixel, 0), sample(pixel, colours > 1 ? 1 : 0), sample(pixel, colours > 1 ? 2 : 0)];
    if (Math.max(...values) - Math.min(...values) > (GREY_TOLERANCE * full) / 255)
      throw new FileError(`${name}: a colour image; save it as greyscale.`);
    return values[1] / full;
  });
}

// A greyscale PNG of 8 bits from whole levels, row by row.
export async function writePng(levels, rows, columns) {
  const header = new Uint8Array(13);
  new DataView(header.buffer).setUint32(0, columns);
  new DataView(header.buffer).setUint32(4, rows);
  header.set([8, 0, 0, 0, 0], 8);
  const lines = new Uint8Array(rows * (columns + 1));
  for (let row = 0; row < rows; row++)
    lines.set(levels.subarray(row * columns, (row + 1) * columns), row * (columns + 1) + 1);
  const text = new TextEncoder().encode(`Comment\0${NOTICE}`);
  const data = await deflated(lines, "deflate");
  const parts = [["IHDR", header], ["tEXt", text], ["IDAT", data], ["IEND", new Uint8Array()]];
  return new Blob([Uint8Array.from(SIGNATURE), ...parts.map(([type, content]) => chunk(type, content))], { type: "image/png" });
}

function chunk(type, content) {
  const bytes = new Uint8Array(content.length + 12);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, content.length);
  bytes.set(new TextEncoder().encode(type), 4);
  bytes.set(content, 8);
  view.setUint32(content.length + 8, crc(bytes.subarray(4, content.length + 8)));
  return bytes;
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  let value = n;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value;
});

const crc = (bytes) =>
  (bytes.reduce((value, byte) => CRC_TABLE[(value ^ byte) & 255] ^ (value >>> 8), 0xffffffff) ^ 0xffffffff) >>> 0;
