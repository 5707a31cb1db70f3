// Keys that move or rotate the MR by small steps, while the tool for it is chosen.

import { apply } from "../viewer/geometry.js";
import { moved, rotationAbout, translation } from "./motion.js";

const STEP = 1, SMALL_STEP = 0.1; // mm or degrees
const DIRECTIONS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [1, -1], ArrowDown: [1, 1], PageUp: [2, 1], PageDown: [2, -1] };
// Rotations in the axial plane by the horizontal arrows, in the sagittal one by the vertical ones, in the coronal one by the others.
const ROTATIONS = { ArrowLeft: [2, -1], ArrowRight: [2, 1], ArrowUp: [0, -1], ArrowDown: [0, 1], PageUp: [1, -1], PageDown: [1, 1] };
const FIELDS = "input, select, textarea, dialog, [role=tab]";

export class NudgeKeys {
  constructor(viewer, tool, alignment, isRotating) {
    Object.assign(this, { viewer, tool, alignment, isRotating });
    document.addEventListener("keydown", (event) => this.onKey(event), { capture: true });
  }

  onKey(event) {
    const { viewer } = this;
    if (viewer.tool !== this.tool || !viewer.isShowing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (!DIRECTIONS[event.key] || event.target.closest(FIELDS)) return;
    event.preventDefault();
    event.stopPropagation();
    this.nudge(event.key, event.shiftKey ? SMALL_STEP : STEP);
  }

  nudge(key, step) {
    const [axis, sign] = (this.isRotating() ? ROTATIONS : DIRECTIONS)[key];
    const direction = [0, 1, 2].map((i) => (i === axis ? sign : 0));
    const motion = this.isRotating()
      ? rotationAbout(direction, step, this.centre())
      : translation(direction.map((value) => value * step));
    this.alignment.change({ fromCt: moved(this.alignment.fromCt, motion) }, this.isRotating() ? "keys-rotate" : "keys-move", { joins: true });
  }

  // As for the tool: the crosshair, or the centre of the first viewport.
  centre() {
    const [viewport] = this.viewer.viewports;
    return apply(this.viewer.ct.mmFromVoxel, this.tool.centreOf(viewport));
  }
}
