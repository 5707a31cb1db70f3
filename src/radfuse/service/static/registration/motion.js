// Rigid motions of the MR in the CT's coordinates, and their six values. LPS, mm; angles are right-handed.

import { apply, inverse, multiply, rigidMotion } from "../viewer/geometry.js";

const DEGREES = 180 / Math.PI;
const subtract = (a, b) => a.map((value, i) => value - b[i]);
const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];

// The alignment after the MR was moved by a motion of CT space: a point of the MR that was at p in the CT is at motion(p).
export const moved = (mrFromCt, motion) => multiply(mrFromCt, inverse(motion));

// The motion that brings the MR from one alignment to another.
export const motionBetween = (from, to) => multiply(inverse(to), from);

export const translation = (mm) => rigidMotion(mm, [0, 0, 0], [0, 0, 0]);

// Rotation about an axis (unit vector) through a centre, by the formula of Rodrigues.
export function rotationAbout([x, y, z], degrees, centre) {
  const sine = Math.sin(degrees / DEGREES), cosine = Math.cos(degrees / DEGREES), rest = 1 - cosine;
  const rows = [
    [cosine + x * x * rest, x * y * rest - z * sine, x * z * rest + y * sine],
    [y * x * rest + z * sine, cosine + y * y * rest, y * z * rest - x * sine],
    [z * x * rest - y * sine, z * y * rest + x * sine, cosine + z * z * rest],
  ];
  return [...rows.map((row, i) => [...row, centre[i] - dot(row, centre)]), [0, 0, 0, 1]];
}

// Degrees about an axis from one point to another around a centre in the plane across the axis.
export function angleBetween(axis, from, to, centre) {
  const [a, b] = [subtract(from, centre), subtract(to, centre)];
  return Math.atan2(dot(axis, cross(a, b)), dot(a, b)) * DEGREES;
}

// The values of a motion: rotation by degrees about L, then P, then S through a centre; then translation by mm.
export function sixValues(motion, centre) {
  const sine = Math.min(Math.max(-motion[2][0], -1), 1);
  const degrees = [Math.atan2(motion[2][1], motion[2][2]), Math.asin(sine), Math.atan2(motion[1][0], motion[0][0])].map((angle) => angle * DEGREES);
  return [...subtract(apply(motion, centre), centre), ...degrees];
}

export const motionOf = (values, centre) => rigidMotion(values.slice(0, 3), values.slice(3), centre);
