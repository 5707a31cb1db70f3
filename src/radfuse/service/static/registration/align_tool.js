// A tool that moves an image in any plane: drag inside the ring moves it, on or outside the ring, or with Ctrl, rotates it.

import { apply } from "../viewer/geometry.js";
import { angleBetween, moved, rotationAbout, translation } from "./motion.js";

const RING = 0.36; // radius, of the smaller side of the viewport
const BAND = 8; // screen pixels inside the ring that rotate
const HANDLE = 5; // radius in screen pixels
const HANDLES = [1, 3, 5, 7].map((eighth) => (eighth * Math.PI) / 4);
const COLOUR = "#56b4e9";
const AXES = ["L", "P", "S"];

export class AlignTool {
  // `pivot` returns "crosshair" or "centre", the centre of the viewport.
  constructor(viewer, alignment, pivot) {
    Object.assign(this, { viewer, alignment, pivot, drag: null });
  }

  toMm(voxel) {
    return apply(this.viewer.ct.mmFromVoxel, voxel);
  }

  // The centre of rotation in a viewport, as a voxel of the CT in its plane.
  centreOf(viewport) {
    const crosshair = this.viewer.crosshairOf(viewport);
    if (this.pivot() === "crosshair") return crosshair;
    return viewport.toVoxel(viewport.left + viewport.width / 2, viewport.top + viewport.height / 2, crosshair);
  }

  // Axis of rotation in a viewport: the unit vector (LPS) across its plane.
  axisOf({ grid, across }) {
    const column = grid.mmFromVoxel.slice(0, 3).map((row) => row[across]);
    const length = Math.hypot(...column);
    return column.map((value) => value / length);
  }

  radius(viewport) {
    return RING * Math.min(viewport.width, viewport.height);
  }

  rotates(viewport, voxel, event) {
    const [x, y] = viewport.toScreen(voxel), [atX, atY] = viewport.toScreen(this.centreOf(viewport));
    return event.ctrlKey || Math.hypot(x - atX, y - atY) > this.radius(viewport) - BAND * viewport.ratio;
  }

  // Whether a viewport may show the edited image.
  shows({ show }) {
    return !show || show === this.alignment.image;
  }

  down(viewport, voxel, event) {
    if (!this.shows(viewport)) return false;
    const start = this.alignment.fromCt;
    this.drag = { start, plane: viewport.plane, from: this.toMm(voxel), centre: this.toMm(this.centreOf(viewport)), axis: this.axisOf(viewport), isRotation: this.rotates(viewport, voxel, event) };
  }

  move(viewport, voxel) {
    const { drag } = this;
    if (!drag) return;
    const to = this.toMm(voxel);
    drag.text = drag.isRotation ? this.rotate(viewport, to) : this.translate(to);
  }

  translate(to) {
    const shift = to.map((value, i) => value - this.drag.from[i]);
    this.alignment.show(moved(this.drag.start, translation(shift)));
    return shift.map((mm, i) => (Math.abs(mm) < 0.05 ? "" : `${AXES[i]} ${signed(mm)}`)).filter(Boolean).join("  ") + " mm";
  }

  rotate(viewport, to) {
    const { start, from, centre, axis } = this.drag;
    const degrees = angleBetween(axis, from, to, centre);
    this.alignment.show(moved(start, rotationAbout(axis, degrees, centre)));
    return `${signed(degrees)}° ${AXES[viewport.across]}`;
  }

  up() {
    const { drag } = this;
    this.drag = null;
    if (drag && this.alignment.fromCt !== drag.start) this.alignment.change({}, drag.isRotation ? "rotated" : "dragged");
  }

  cancel() {
    if (this.drag) this.alignment.show(this.drag.start);
    this.drag = null;
    this.viewer.canvas.style.cursor = "";
  }

  hover(viewport, voxel, event) {
    this.viewer.canvas.style.cursor = !this.shows(viewport) ? "" : this.rotates(viewport, voxel, event) ? "grab" : "move";
  }

  leave() {
    this.viewer.canvas.style.cursor = "";
  }

  // The ring about the centre of rotation, and the size of the change.
  draw(context, viewport) {
    if (!this.shows(viewport)) return;
    const [x, y] = viewport.toScreen(this.centreOf(viewport));
    Object.assign(context, { strokeStyle: COLOUR, lineWidth: 2 * viewport.ratio, globalAlpha: 0.8 });
    context.beginPath();
    context.arc(x, y, this.radius(viewport), 0, 2 * Math.PI);
    context.stroke();
    context.fillStyle = COLOUR;
    for (const angle of HANDLES) {
      context.beginPath();
      context.arc(x + this.radius(viewport) * Math.cos(angle), y + this.radius(viewport) * Math.sin(angle), HANDLE * viewport.ratio, 0, 2 * Math.PI);
      context.fill();
    }
    Object.assign(context, { lineWidth: viewport.ratio, globalAlpha: 1 });
    if (this.drag?.plane === viewport.plane && this.drag.text) this.viewer.write(this.drag.text, viewport.left + viewport.width / 2, viewport.top + 30 * viewport.ratio, "center");
  }
}

const signed = (value) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(1)}`;
