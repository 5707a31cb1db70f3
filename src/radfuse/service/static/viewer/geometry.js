// Homogeneous 4x4 matrices as arrays of rows; points as [x, y, z]. LPS, mm.

export const IDENTITY = [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]];

export function multiply(...matrices) {
  return matrices.reduce((a, b) => a.map((row) => [0, 1, 2, 3].map((j) => row.reduce((sum, value, k) => sum + value * b[k][j], 0))));
}

export function apply(matrix, point) {
  return [0, 1, 2].map((i) => matrix[i][0] * point[0] + matrix[i][1] * point[1] + matrix[i][2] * point[2] + matrix[i][3]);
}

const crossProduct = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];

export function inverse(matrix) {
  const [a, b, c] = [0, 1, 2].map((i) => matrix[i].slice(0, 3));
  const cofactors = [crossProduct(b, c), crossProduct(c, a), crossProduct(a, b)];
  const determinant = a[0] * cofactors[0][0] + a[1] * cofactors[0][1] + a[2] * cofactors[0][2];
  const rows = [0, 1, 2].map((i) => cofactors.map((column) => column[i] / determinant));
  const shift = matrix.slice(0, 3).map((row) => row[3]);
  return [...rows.map((row) => [...row, -(row[0] * shift[0] + row[1] * shift[1] + row[2] * shift[2])]), [0, 0, 0, 1]];
}

function rotation(axis, degrees) {
  const [sine, cosine] = [Math.sin((degrees * Math.PI) / 180), Math.cos((degrees * Math.PI) / 180)];
  const [i, j] = [(axis + 1) % 3, (axis + 2) % 3];
  const matrix = IDENTITY.map((row) => [...row]);
  matrix[i][i] = matrix[j][j] = cosine;
  matrix[i][j] = -sine;
  matrix[j][i] = sine;
  return matrix;
}

const translation = ([x, y, z]) => [[1, 0, 0, x], [0, 1, 0, y], [0, 0, 1, z], [0, 0, 0, 1]];

// Rotate about a centre by degrees about L, then P, then S; then translate by mm.
export function rigidMotion(translationMm, degrees, centre) {
  const rotated = multiply(rotation(2, degrees[2]), rotation(1, degrees[1]), rotation(0, degrees[0]));
  return multiply(translation(translationMm), translation(centre), rotated, translation(centre.map((value) => -value)));
}
