// Streams of bytes: compressed and not.

export class FileError extends Error {}

async function through(bytes, stream) {
  const piped = new Blob([bytes]).stream().pipeThrough(stream);
  return new Uint8Array(await new Response(piped).arrayBuffer());
}

// The bytes that `format` (gzip or deflate) holds; FileError for damaged ones.
export async function inflated(bytes, format, name) {
  try {
    return await through(bytes, new DecompressionStream(format));
  } catch {
    throw new FileError(`${name}: damaged or truncated; copy it again.`);
  }
}

export const deflated = (bytes, format) => through(bytes, new CompressionStream(format));

export const isGzip = (bytes) => bytes[0] === 0x1f && bytes[1] === 0x8b;

// The bytes of a file that may be in gzip.
export const unpacked = async (bytes, name) => (isGzip(bytes) ? inflated(bytes, "gzip", name) : bytes);
