// Zoom, position and slice of the viewports: shared while they are linked, else each viewport has its own.

import { apply, multiply } from "./geometry.js";
import { layoutOf } from "./viewports.js";
import { PLANES } from "./volume.js";

const MIN_ZOOM = 0.5, MAX_ZOOM = 20;
const HEAD_MARGIN = 0.94; // of a viewport that the head fills

export class Views {
  constructor(viewer) {
    Object.assign(this, { viewer, isLinked: true, active: 0, shared: { zoom: 1, middle: [0, 0, 0], fitted: "head" }, own: new Map() });
  }

  of({ number }) {
    return (!this.isLinked && this.own.get(number)) || this.shared;
  }

  link() {
    this.isLinked = true;
    this.own.clear();
    this.viewer.requestDraw();
    this.viewer.notify("layout");
  }

  // Each viewport keeps what it shows now.
  unlink() {
    this.isLinked = false;
    for (const viewport of this.viewer.viewports) this.own.set(viewport.number, this.copyFor(viewport));
    this.viewer.requestDraw();
    this.viewer.notify("layout");
  }

  copyFor(viewport) {
    const { viewer } = this;
    return { ...this.shared, fitted: null, middle: [...this.shared.middle], depth: viewport.toGrid(viewer.crosshair)[viewport.across] };
  }

  // The crosshair in the plane that a viewport shows.
  crosshairIn(viewport) {
    const { crosshair } = this.viewer;
    const own = this.isLinked ? null : this.own.get(viewport.number);
    if (own?.depth === undefined) return crosshair;
    const voxel = [...viewport.toGrid(crosshair)];
    voxel[viewport.across] = own.depth;
    return viewport.fromGrid(voxel);
  }

  // Show the plane of a voxel in a viewport that is not linked.
  follow(viewport, voxel) {
    this.active = viewport.number;
    const own = this.isLinked ? null : this.own.get(viewport.number);
    if (own) own.depth = viewport.toGrid(voxel)[viewport.across];
  }

  // Show the head or all of the image; while the viewports are linked also after changes of layout and size, until the user
  // zooms or pans.
  fit(fitted) {
    if (this.isLinked) this.shared.fitted = fitted;
    else for (const entry of layoutOf(this.viewer.layout, this.viewer.maximised)) Object.assign(this.of(entry), this.fitting([entry], fitted));
    if (this.isLinked && fitted === "all") Object.assign(this.shared, this.fitting([], fitted));
    this.viewer.requestDraw();
    this.viewer.notify("layout");
  }

  update(entries) {
    const { shared } = this;
    for (const entry of entries) if (!this.isLinked && !this.own.has(entry.number)) this.own.set(entry.number, { ...shared, fitted: null, middle: [...shared.middle] });
    if (shared.fitted) Object.assign(shared, this.fitting(entries, shared.fitted));
  }

  // Zoom and middle that show the head or all in some viewports.
  fitting(entries, fitted) {
    const { grid, canvas } = this.viewer;
    const box = fitted === "head" ? this.headBox() : null;
    const [first, last] = box ?? [[0, 0, 0], grid.size.map((size) => size - 1)];
    const zooms = entries.map((entry) => fittingZoom(entry, grid, first, last, canvas));
    const zoom = box ? Math.min(Math.max(Math.min(...zooms) * HEAD_MARGIN, 1), MAX_ZOOM) : 1;
    return { zoom, middle: first.map((value, axis) => (value + last[axis]) / 2) };
  }

  // First and last voxel of the head in the displayed grid; null where it is not known.
  headBox() {
    const { headBox, grid, ct } = this.viewer;
    if (!headBox || grid === ct) return headBox;
    const gridFromCt = multiply(grid.voxelFromMm, ct.mmFromVoxel);
    const corners = Array.from({ length: 8 }, (_, i) => apply(gridFromCt, [0, 1, 2].map((axis) => headBox[(i >> axis) & 1][axis])));
    const bound = (pick) => grid.size.map((size, axis) => Math.min(Math.max(pick(...corners.map((corner) => corner[axis])), 0), size - 1));
    return [bound(Math.min), bound(Math.max)];
  }

  zoom(viewport, factor, [x, y]) {
    const view = this.of(viewport);
    const zoom = Math.min(Math.max(view.zoom * factor, MIN_ZOOM), MAX_ZOOM);
    const fixed = viewport.screenToGrid(x, y, view.middle);
    const shrink = view.zoom / zoom;
    view.middle = view.middle.map((value, axis) => (axis === viewport.across ? value : fixed[axis] + (value - fixed[axis]) * shrink));
    Object.assign(view, { zoom, fitted: null });
    this.viewer.requestDraw();
  }

  // A function that pans by a displacement on the canvas since now.
  startPan(viewport) {
    const view = this.of(viewport), from = [...view.middle];
    return (dx, dy) => {
      const middle = [...from];
      middle[viewport.right] -= dx / viewport.scale[0];
      middle[viewport.down] += ((viewport.upwards ? 1 : -1) * dy) / viewport.scale[1];
      Object.assign(view, { middle, fitted: null });
      this.viewer.requestDraw();
    };
  }
}

// The zoom at which a box of voxels fills a viewport; 1 shows the whole plane.
function fittingZoom({ plane, area: [, , width, height] }, grid, first, last, canvas) {
  const { right, down } = PLANES[plane];
  const [w, h] = [width * canvas.width, height * canvas.height];
  const mm = (axis, voxels) => voxels * grid.spacing[axis];
  const whole = Math.min(w / mm(right, grid.size[right]), h / mm(down, grid.size[down]));
  return Math.min(w / mm(right, last[right] - first[right] + 1), h / mm(down, last[down] - first[down] + 1)) / whole;
}
