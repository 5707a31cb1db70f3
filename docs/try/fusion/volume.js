// Volumes: float32 or 0/1 values with their shape [slices, rows, columns], and steps on them.

export const volume = (shape, data) => ({
  shape, data: data ?? new Float32Array(shape[0] * shape[1] * shape[2]),
});

export const maskLike = ({ shape }) => volume(shape, new Uint8Array(shape[0] * shape[1] * shape[2]));

// The slices [start, stop) of a volume; shares its memory.
export function slices({ shape: [, rows, columns], data }, start, stop) {
  const size = rows * columns;
  return volume([stop - start, rows, columns], data.subarray(start * size, stop * size));
}

// A volume whose value at i is make(i), rounded to float32.
export function computed({ shape }, make) {
  const made = volume(shape);
  for (let i = 0; i < made.data.length; i++) made.data[i] = make(i);
  return made;
}

// A mask that is 1 where test(i).
export function masked(like, test) {
  const made = maskLike(like);
  for (let i = 0; i < made.data.length; i++) made.data[i] = test(i) ? 1 : 0;
  return made;
}

export const asFloat = ({ shape, data }) => volume(shape, Float32Array.from(data));

// Volumes of the same rows and columns, one after another along the slices.
export function joined(parts) {
  const [, rows, columns] = parts[0].shape;
  const whole = volume([parts.reduce((sum, { shape }) => sum + shape[0], 0), rows, columns]);
  let at = 0;
  for (const { data } of parts) {
    whole.data.set(data, at);
    at += data.length;
  }
  return whole;
}

export const clipped = (value, low, high) => Math.min(Math.max(value, low), high);

// Halves to even, as IEEE 754 and numpy round.
export function roundedEven(value) {
  const below = Math.floor(value);
  const rest = value - below;
  if (rest !== 0.5) return rest < 0.5 ? below : below + 1;
  return below % 2 === 0 ? below : below + 1;
}

// Median of numbers: the mean of the two in the middle of an even count; NaN without numbers.
export function median(values) {
  const sorted = Float32Array.from(values).sort();
  const middle = sorted.length >> 1;
  if (sorted.length % 2) return sorted[middle];
  return Math.fround((sorted[middle - 1] + sorted[middle]) / 2);
}

// Linear interpolation between points of increasing x; constant outside them.
export function interpolated(x, xs, ys) {
  if (x <= xs[0]) return ys[0];
  const last = xs.length - 1;
  if (x >= xs[last]) return ys[last];
  let low = 0;
  let high = last;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (xs[middle] <= x) low = middle;
    else high = middle;
  }
  return ((ys[high] - ys[low]) / (xs[high] - xs[low])) * (x - xs[low]) + ys[low];
}
