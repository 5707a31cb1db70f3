// Homogeneous 4x4 matrices as arrays of rows; points as [x, y, z]. LPS, mm.

export const IDENTITY = [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]];

export function times(...matrices) {
  return matrices.reduce((a, b) => a.map((row) => [0, 1, 2, 3].map((j) => row.reduce((sum, value, k) => sum + value * b[k][j], 0))));
}

export function apply(matrix, point) {
  return [0, 1, 2].map((i) => matrix[i][0] * point[0] + matrix[i][1] * point[1] + matrix[i][2] * point[2] + matrix[i][3]);
}

const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];

export function inverse(matrix) {
  const [a, b, c] = [0, 1, 2].map((i) => matrix[i].slice(0, 3));
  const cofactors = [cross(b, c), cross(c, a), cross(a, b)];
  const determinant = a[0] * cofactors[0][0] + a[1] * cofactors[0][1] + a[2] * cofactors[0][2];
  const rows = [0, 1, 2].map((i) => cofactors.map((column) => column[i] / determinant));
  const shift = matrix.slice(0, 3).map((row) => row[3]);
  return [...rows.map((row) => [...row, -(row[0] * shift[0] + row[1] * shift[1] + row[2] * shift[2])]), [0, 0, 0, 1]];
}

function turn(axis, degrees) {
  const [sine, cosine] = [Math.sin((degrees * Math.PI) / 180), Math.cos((degrees * Math.PI) / 180)];
  const [i, j] = [(axis + 1) % 3, (axis + 2) % 3];
  const matrix = IDENTITY.map((row) => [...row]);
  matrix[i][i] = matrix[j][j] = cosine;
  matrix[i][j] = -sine;
  matrix[j][i] = sine;
  return matrix;
}

const shifted = ([x, y, z]) => [[1, 0, 0, x], [0, 1, 0, y], [0, 0, 1, z], [0, 0, 0, 1]];

// Turn about a centre by degrees about L, then P, then S; then shift by mm.
export function motion(shiftMm, degrees, centre) {
  const turned = times(turn(2, degrees[2]), turn(1, degrees[1]), turn(0, degrees[0]));
  return times(shifted(shiftMm), shifted(centre), turned, shifted(centre.map((value) => -value)));
}
