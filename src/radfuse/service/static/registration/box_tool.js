// A tool that draws a box of the CT in any plane: drag a new one, its edges or, inside, all of it. Voxels, both ends included.

const DEPTH_MM = 80; // of a new box across the plane that it is drawn in
const GRIP = 7; // screen pixels around an edge
const COLOUR = "#cc79a7";

export class BoxTool extends EventTarget {
  constructor(viewer) {
    super();
    Object.assign(this, { viewer, box: null, drag: null });
  }

  // Events: `change`, and `end` of a drag.
  set(box) {
    this.box = box && this.viewer.ct ? this.inside(box) : null;
    this.viewer.requestDraw();
    this.dispatchEvent(new Event("change"));
  }

  // A box of whole voxels inside the CT.
  inside({ first, last }) {
    const { size } = this.viewer.ct;
    const inside = (voxel) => voxel.map((value, axis) => Math.min(Math.max(Math.round(value), 0), size[axis] - 1));
    return { first: inside(first), last: inside(last) };
  }

  get sizeMm() {
    const { first, last } = this.box;
    return this.viewer.ct.spacing.map((mm, axis) => (last[axis] - first[axis] + 1) * mm);
  }

  // A box of a size around a voxel.
  around(centre, sizeMm) {
    const half = sizeMm.map((mm, axis) => Math.max(mm / this.viewer.ct.spacing[axis] - 1, 0) / 2);
    return this.inside({ first: centre.map((value, axis) => value - half[axis]), last: centre.map((value, axis) => value + half[axis]) });
  }

  get centre() {
    return this.box.first.map((value, axis) => (value + this.box.last[axis]) / 2);
  }

  // The corners of the box in a viewport, on the screen: outer borders of its voxels.
  corners({ first, last }, viewport) {
    const ends = [viewport.toScreen(first.map((value) => value - 0.5)), viewport.toScreen(last.map((value) => value + 0.5))];
    return [0, 1].map((i) => ends.map((end) => end[i]).sort((a, b) => a - b));
  }

  // What a drag from a voxel changes: by axis, `first`, `last` or `both`; null for a new box.
  gripAt(viewport, voxel) {
    if (!this.box) return null;
    const axes = [viewport.right, viewport.down], grip = {}, { box: { first, last } } = this;
    for (const [i, axis] of axes.entries()) {
      const reach = (GRIP * viewport.ratio) / viewport.scale[i];
      if (voxel[axis] < first[axis] - 0.5 - reach || voxel[axis] > last[axis] + 0.5 + reach) return null;
      if (Math.abs(voxel[axis] - first[axis] + 0.5) <= reach) grip[axis] = "first";
      else if (Math.abs(voxel[axis] - last[axis] - 0.5) <= reach) grip[axis] = "last";
    }
    return Object.keys(grip).length ? grip : Object.fromEntries(axes.map((axis) => [axis, "both"]));
  }

  down(viewport, voxel) {
    const grip = this.gripAt(viewport, voxel);
    this.drag = { from: voxel, before: this.box, grip, axes: [viewport.right, viewport.down], start: grip ? this.box : this.newBox(viewport, voxel) };
  }

  // A new box in a plane has the depth of the one before.
  newBox({ across }, voxel) {
    const half = DEPTH_MM / this.viewer.ct.spacing[across] / 2;
    const depth = this.box ? [this.box.first[across], this.box.last[across]] : [voxel[across] - half, voxel[across] + half];
    const put = (end) => voxel.map((value, axis) => (axis === across ? depth[end] : value));
    return { first: put(0), last: put(1) };
  }

  move(viewport, voxel) {
    const { from, grip, axes, start } = this.drag;
    const first = [...start.first], last = [...start.last];
    for (const axis of axes) {
      const by = voxel[axis] - from[axis], what = grip ? grip[axis] : by < 0 ? "first" : "last";
      if (what === "both" || what === "first") first[axis] += by;
      if (what === "both" || what === "last") last[axis] += by;
    }
    const ordered = first.map((value, axis) => [value, last[axis]].sort((a, b) => a - b));
    this.set({ first: ordered.map(([low]) => low), last: ordered.map(([, high]) => high) });
  }

  up() {
    this.drag = null;
    this.dispatchEvent(new Event("end"));
  }

  cancel() {
    if (this.drag) this.set(this.drag.before);
    this.drag = null;
    this.viewer.canvas.style.cursor = "";
  }

  hover(viewport, voxel) {
    const grip = this.gripAt(viewport, voxel);
    this.viewer.canvas.style.cursor = !grip ? "crosshair" : Object.values(grip)[0] === "both" ? "move" : "nwse-resize";
  }

  leave() {
    this.viewer.canvas.style.cursor = "";
  }

  // Dashed in planes outside of the box.
  draw(context, viewport, index) {
    if (!this.box || viewport.isOblique || viewport.show === "mr") return;
    const [[left, right], [top, bottom]] = this.corners(this.box, viewport), { across, ratio } = viewport;
    const isInside = index >= this.box.first[across] && index <= this.box.last[across];
    context.save();
    Object.assign(context, { strokeStyle: COLOUR, lineWidth: 2 * ratio });
    if (!isInside) context.setLineDash([6 * ratio, 5 * ratio]);
    context.strokeRect(left, top, right - left, bottom - top);
    context.restore();
  }
}
