// The map of the skull's residuals on the head, as on the QA sheet: vertex, two rings, skull base; left on the right.

import { text } from "../text.js";

const RADII = [26, 62, 98, 122]; // outer radius of vertex, upper ring, lower ring and skull base
const SECTORS = ["left", "back left", "back", "back right", "right", "front right", "front", "front left"];
const REGIONS = ["skull base", ...["lower", "upper"].flatMap((ring) => SECTORS.map((sector) => `${sector}, ${ring}`)), "vertex"];
const LETTERS = { A: [0, -133], P: [0, 133], R: [-133, 0], L: [133, 0] };
export const FULL_MM = 2; // residual of the full colour
const OUTSIDE_RGB = [240, 140, 40], INSIDE_RGB = [90, 165, 225], UNKNOWN_RGB = [205, 205, 205];

// The text of a region of the server, such as "back left, upper".
export const regionText = (name) => text(`region.${name.replace(/,? /g, "-")}`);

export const signed = (mm) => `${mm < 0 ? "−" : "+"}${Math.abs(mm).toFixed(1)}`;

// Draw in an <svg>; `residuals` has [mm outwards, patches] by region, a region without any has a dash.
export function drawResidualMap(svg, residuals) {
  const element = (...parts) => createElement(svg.namespaceURI, ...parts);
  const letters = Object.entries(LETTERS).map(([letter, [x, y]]) => element("text", { x, y, class: "side" }, letter));
  svg.replaceChildren(...REGIONS.map((name) => cell(element, name, residuals[name])), ...letters);
}

function createElement(namespace, tag, attributes, text = "") {
  const made = document.createElementNS(namespace, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.textContent = text;
  return made;
}

function cell(element, name, found) {
  const { d, x, y } = outline(name);
  const group = element("g", {});
  const label = found ? `${regionText(name)}: ${signed(found[0])} mm` : text("qa.not-measured", { region: regionText(name) });
  group.append(element("title", {}, label), element("path", { d, fill: `rgb(${found ? residualColour(found[0]) : UNKNOWN_RGB})` }), element("text", { x, y }, found ? signed(found[0]) : "–"));
  return group;
}

// Colour of a residual outwards: white for none.
export function residualColour(mm) {
  const share = Math.min(Math.abs(mm) / FULL_MM, 1);
  return (mm > 0 ? OUTSIDE_RGB : INSIDE_RGB).map((full) => Math.round(255 + share * (full - 255)));
}

// Path of a region, and the position of its text.
function outline(name) {
  if (name === "vertex") return { d: circle(RADII[0]), x: 0, y: 0 };
  if (name === "skull base") return { d: circle(RADII[3]), x: 0, y: (RADII[2] + RADII[3]) / 2 }; // the rings cover all but its rim
  const [sector, ring] = name.split(", ");
  const [inner, outer] = ring === "upper" ? RADII.slice(0, 2) : RADII.slice(1, 3);
  const middle = (SECTORS.indexOf(sector) * Math.PI) / 4; // left is 0, towards the back
  const at = (radius, angle) => [radius * Math.cos(middle + angle), radius * Math.sin(middle + angle)].map((value) => value.toFixed(1));
  const half = Math.PI / 8, [x, y] = at((inner + outer) / 2, 0);
  return { d: `M${at(inner, -half)} L${at(outer, -half)} A${outer} ${outer} 0 0 1 ${at(outer, half)} L${at(inner, half)} A${inner} ${inner} 0 0 0 ${at(inner, -half)} Z`, x, y };
}

function circle(radius) {
  const arc = `A${radius} ${radius} 0 0 1`;
  return `M${-radius} 0 ${arc} ${radius} 0 ${arc} ${-radius} 0 Z`;
}
