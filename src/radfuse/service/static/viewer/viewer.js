// CT, MR and fused image in linked planes on a canvas; layers draw on top, a tool may take the pointer.

import { COLOUR_MAPS, FULL_SCALE, OVERLAY_MODES, compose, greyTable } from "./compose.js";
import { IDENTITY, apply, inverse, multiply } from "./geometry.js";
import { LAYOUTS, Viewport } from "./viewports.js";
import { Pointer } from "./pointer.js";
import { extractPlane, resamplePlane } from "./volume.js";

const BLACK = new Uint8ClampedArray(65536);
const OVERLAYS = {
  fused: { from: "fused", map: COLOUR_MAPS.grey },
  mr: { from: "mr", map: COLOUR_MAPS.grey },
  "mr-hot": { from: "mr", map: COLOUR_MAPS.hot },
  "magenta-green": { from: "mr", map: COLOUR_MAPS.green },
};
const SQUARE_MM = 25;
const MAX_CACHED_PLANES = 24;
const MIN_ZOOM = 1, MAX_ZOOM = 20;
const INK = { lines: "#ffd54a", text: "#e8ecef", halo: "#000" };
const DIRECTIONS = { 0: ["R", "L"], 1: ["A", "P"], 2: ["I", "S"] };

export class Viewer extends EventTarget {
  constructor(canvas) {
    super();
    Object.assign(this, { canvas, layers: [], tool: null, layout: "planes", overlay: "fused", opacity: 1, mode: "blend", wipe: 0.5, zoom: 1 });
    this.context = canvas.getContext("2d", { alpha: false, willReadFrequently: true });
    this.window = [400, 40];
    this.planes = new Map();
    this.clear();
    new ResizeObserver(() => this.resize()).observe(canvas);
    this.pointer = new Pointer(this);
  }

  clear() {
    Object.assign(this, { ct: null, mr: null, fused: null, further: [], preview: null, crosshair: null, mrCrosshair: null, mrFromCt: null, fusedMrFromCt: null, isMrActive: false, viewports: [], images: [] });
    this.planes.clear();
    this.requestDraw();
  }

  get isShowing() {
    return Boolean(this.ct);
  }

  // Show a CT, and an MR resampled on it by `mrFromCt`; the fused image may follow.
  show({ ct, mr, mrRange, mrFromCt }) {
    this.clear();
    Object.assign(this, { ct, mr, mrRange, mrFromCt, zoom: 1 });
    this.middle = ct.size.map((size) => (size - 1) / 2);
    this.crosshair = ct.size.map((size) => Math.floor(size / 2));
    this.mrCrosshair = [...this.crosshair];
    this.resize();
    this.notify("crosshair");
  }

  // The fused image, and the alignment of the MR that it was fused with; null for none.
  setFused(volume, fusedMrFromCt = null) {
    Object.assign(this, { fused: volume, fusedMrFromCt, preview: null });
    this.invalidate("fused");
  }

  // Further images of the result, see `FurtherImage`.
  setFurther(further) {
    this.further = further;
    this.notify("further");
    this.invalidate("further");
  }

  furtherNamed(name) {
    return this.further.find((one) => one.name === name);
  }

  // One axial slice of another method, shown instead of that slice of the fused image.
  setPreview(preview) {
    this.preview = preview;
    this.invalidate("fused");
  }

  setAlignment(mrFromCt) {
    this.mrFromCt = mrFromCt;
    this.invalidate("mr");
    this.notify("alignment");
  }

  set(changes) {
    Object.assign(this, changes);
    this.requestDraw();
    if (changes.window) this.notify("window");
    if (changes.layout) this.notify("layout");
  }

  setTool(tool) {
    this.tool?.cancel?.();
    this.tool = tool;
    this.requestDraw();
    this.notify("tool");
  }

  invalidate(name) {
    for (const key of this.planes.keys()) if (key.startsWith(name)) this.planes.delete(key);
    this.version = (this.version ?? 0) + 1;
    this.requestDraw();
    this.notify("crosshair");
  }

  notify(kind) {
    this.dispatchEvent(new Event(kind));
  }

  resize() {
    this.ratio = window.devicePixelRatio || 1;
    this.canvas.width = Math.max(Math.round(this.canvas.clientWidth * this.ratio), 1);
    this.canvas.height = Math.max(Math.round(this.canvas.clientHeight * this.ratio), 1);
    this.requestDraw();
  }

  requestDraw() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      this.draw();
    });
  }

  draw() {
    const { context, canvas } = this;
    context.fillStyle = INK.halo;
    context.fillRect(0, 0, canvas.width, canvas.height);
    if (!this.isShowing) return;
    this.viewports = LAYOUTS[this.layout].map((entry) => new Viewport(entry, this.ct, canvas, this));
    this.viewports.forEach((viewport, i) => this.drawViewport(viewport, i));
    this.notify("drawn");
  }

  // Whether a viewport shows the second crosshair, for landmarks in the MR.
  hasMrCrosshair(viewport) {
    return this.layout === "landmarks" && viewport.show === "mr";
  }

  crosshairOf(viewport) {
    return this.hasMrCrosshair(viewport) ? this.mrCrosshair : this.crosshair;
  }

  drawViewport(viewport, i) {
    const { context } = this;
    const index = Math.round(this.crosshairOf(viewport)[viewport.across]);
    context.save();
    context.beginPath();
    context.rect(viewport.left, viewport.top, viewport.width, viewport.height);
    context.clip();
    Object.assign(context, { imageSmoothingEnabled: true, lineWidth: this.ratio });
    context.drawImage(this.image(viewport, i, index), viewport.corner[0], viewport.corner[1], viewport.columns * viewport.scale[0], viewport.rows * viewport.scale[1]);
    for (const layer of new Set([...this.layers, this.tool])) layer?.draw(context, viewport, index);
    this.drawCrosshair(viewport);
    this.drawLabels(viewport, index);
    context.restore();
  }

  // The coloured plane of a viewport, composed again only after a change.
  image(viewport, i, index) {
    const display = viewport.show ? null : [this.overlay, this.opacity, this.mode, this.wipe];
    const key = JSON.stringify([viewport.plane, index, viewport.show, display, this.window, this.mrRange, this.version, viewport.columns, viewport.rows]);
    const cached = this.images[i];
    if (cached?.key === key) return cached.canvas;
    const canvas = cached?.canvas ?? document.createElement("canvas");
    Object.assign(canvas, { width: viewport.columns, height: viewport.rows });
    const context = canvas.getContext("2d", { willReadFrequently: true });
    const pixels = context.createImageData(viewport.columns, viewport.rows);
    this.composeViewport(pixels.data, viewport, index);
    context.putImageData(pixels, 0, 0);
    this.images[i] = { key, canvas };
    return canvas;
  }

  composeViewport(target, viewport, index) {
    const overlay = this.overlayOf(viewport);
    const isAlone = Boolean(viewport.show) && viewport.show !== "ct";
    const line = this.wipe * viewport.columns;
    const square = [viewport.right, viewport.down].map((axis) => SQUARE_MM / this.ct.spacing[axis]);
    compose(target, this.plane("ct", viewport.plane, index), viewport.show === "ct" || !overlay ? null : this.plane(overlay.from, viewport.plane, index), {
      columns: viewport.columns,
      baseGreys: isAlone ? BLACK : this.greysOf("ct"),
      overlayGreys: overlay && this.greysOf(overlay.from),
      map: overlay?.map,
      opacity: isAlone ? 1 : this.opacity,
      hasOverlay: OVERLAY_MODES[isAlone ? "blend" : this.mode]({ line, square }),
    });
  }

  overlayOf(viewport) {
    const name = viewport.show && viewport.show !== "ct" ? viewport.show : this.overlay;
    const overlay = OVERLAYS[name] ?? { from: name, map: this.furtherNamed(name).map };
    return overlay.from === "fused" && !this.fused ? (viewport.show ? null : OVERLAYS.mr) : overlay;
  }

  greysOf(name) {
    const further = this.furtherNamed(name), { step } = further?.volume ?? this[name];
    const range = further?.range ?? { ct: [this.window[1] - this.window[0] / 2, this.window[1] + this.window[0] / 2], mr: this.mrRange, fused: [0, FULL_SCALE] }[name];
    const key = `${name} ${range} ${step}`;
    this.tables ??= new Map();
    if (this.tables.size > MAX_CACHED_PLANES) this.tables.clear();
    if (!this.tables.has(key)) this.tables.set(key, greyTable(range.map((value) => value / step)));
    return this.tables.get(key);
  }

  plane(name, plane, index) {
    if (name === "fused" && this.isPreviewed(plane, index)) return this.preview.values;
    const key = `${name} ${plane} ${index}`;
    if (!this.planes.has(key)) {
      if (this.planes.size >= MAX_CACHED_PLANES) this.planes.delete(this.planes.keys().next().value);
      this.planes.set(key, this.planeOf(name, plane, index));
    }
    return this.planes.get(key);
  }

  planeOf(name, plane, index) {
    if (name === "mr") return resamplePlane(this.mr, this.mrVoxelFromVoxel(), this.ct.size, plane, index);
    return this.furtherNamed(name)?.plane(this.ct, plane, index) ?? extractPlane(this[name], plane, index);
  }

  mrVoxelFromVoxel() {
    return multiply(this.mr.voxelFromMm, this.mrFromCt ?? IDENTITY, this.ct.mmFromVoxel);
  }

  drawCrosshair(viewport) {
    const { context, ratio } = this;
    const [x, y] = viewport.toScreen(this.crosshairOf(viewport));
    const gap = 9 * ratio;
    context.strokeStyle = INK.lines;
    context.globalAlpha = this.layout === "landmarks" && this.isMrActive !== this.hasMrCrosshair(viewport) ? 0.35 : 0.75;
    context.beginPath();
    for (const [from, to] of [[viewport.left, x - gap], [x + gap, viewport.left + viewport.width]]) context.moveTo(from, y), context.lineTo(to, y);
    for (const [from, to] of [[viewport.top, y - gap], [y + gap, viewport.top + viewport.height]]) context.moveTo(x, from), context.lineTo(x, to);
    context.stroke();
    context.globalAlpha = 1;
  }

  drawLabels(viewport, index) {
    const right = DIRECTIONS[viewport.right], down = viewport.upwards ? [...DIRECTIONS[viewport.down]].reverse() : DIRECTIONS[viewport.down];
    const [middle, centre] = [viewport.top + viewport.height / 2, viewport.left + viewport.width / 2];
    const [edge, line] = [6 * this.ratio, 12 * this.ratio];
    const shown = { ct: "CT", mr: "MR", fused: this.fused ? "fused" : "not fused yet" }[viewport.show] ?? "";
    const preview = this.isPreviewed(viewport.plane, index) ? ` · preview of ${this.preview.method}` : "";
    this.write(right[0], viewport.left + edge, middle, "left");
    this.write(right[1], viewport.left + viewport.width - edge, middle, "right");
    this.write(down[0], centre, viewport.top + line, "center");
    this.write(down[1], centre, viewport.top + viewport.height - line, "center");
    this.write(`${shown} ${viewport.plane} ${index + 1}/${this.ct.size[viewport.across]}${preview}`.trim(), viewport.left + edge, viewport.top + line, "left");
  }

  isPreviewed(plane, index) {
    return plane === "axial" && this.overlay === "fused" && this.preview?.index === index;
  }

  write(text, x, y, align) {
    const { context, ratio } = this;
    Object.assign(context, { font: `600 ${12 * ratio}px system-ui, sans-serif`, textAlign: align, textBaseline: "middle", lineWidth: 3 * ratio, strokeStyle: INK.halo, fillStyle: INK.text });
    context.strokeText(text, x, y);
    context.fillText(text, x, y);
    context.lineWidth = ratio;
  }

  // Position (LPS, mm) and values at the crosshair.
  readout() {
    const mm = apply(this.ct.mmFromVoxel, this.crosshair);
    const mrMm = apply(this.mrFromCt ?? IDENTITY, mm);
    return {
      lps: mm,
      hu: this.ct.valueAt(this.crosshair),
      mr: this.mr.valueAt(apply(this.mr.voxelFromMm, mrMm)),
      fused: this.fusedAt(this.crosshair),
      further: this.further.map((one) => one.valueAt(mm)),
    };
  }

  // The displayed fused value: that of the preview in a previewed slice.
  fusedAt([x, y, z]) {
    if (!this.fused) return null;
    const stored = this.isPreviewed("axial", z) ? this.preview.values[y * this.ct.size[0] + x] : this.fused.valueAt([x, y, z]);
    return stored / FULL_SCALE;
  }

  // The points of both crosshairs, LPS mm: in the CT, and in the MR's own coordinates.
  landmarkPair() {
    const [ct, onCt] = [this.crosshair, this.mrCrosshair].map((voxel) => apply(this.ct.mmFromVoxel, voxel));
    return { ct, mr: apply(this.mrFromCt ?? IDENTITY, onCt) };
  }

  ctFromMr(point) {
    return apply(this.ct.voxelFromMm, apply(inverse(this.mrFromCt ?? IDENTITY), point));
  }

  // Choose the crosshair that the keys move.
  selectCrosshair(isMr) {
    this.isMrActive = isMr;
    this.requestDraw();
  }

  setCrosshair(voxel, isMr = false) {
    const clamped = voxel.map((value, axis) => Math.min(Math.max(Math.round(value), 0), this.ct.size[axis] - 1));
    this[isMr ? "mrCrosshair" : "crosshair"] = clamped;
    this.requestDraw();
    this.notify("crosshair");
  }

  // Move the crosshair to a position of the CT, LPS mm, or to the nearest voxel, and show it unzoomed.
  showPosition(mm) {
    if (!this.isShowing) return;
    this.resetZoom();
    this.setCrosshair(apply(this.ct.voxelFromMm, mm));
  }

  move(left, back, up) {
    if (!this.isShowing) return;
    const isMr = this.layout === "landmarks" && this.isMrActive;
    const from = isMr ? this.mrCrosshair : this.crosshair;
    this.setCrosshair([from[0] + left, from[1] + back, from[2] + up], isMr);
  }

  viewportAt(x, y) {
    return this.viewports.find((viewport) => viewport.contains(x, y));
  }

  zoomBy(factor, viewport = this.viewports[0], [x, y] = viewport ? [viewport.left + viewport.width / 2, viewport.top + viewport.height / 2] : []) {
    if (!viewport) return;
    const zoom = Math.min(Math.max(this.zoom * factor, MIN_ZOOM), MAX_ZOOM);
    const fixed = viewport.toVoxel(x, y, this.middle);
    const shrink = this.zoom / zoom;
    this.middle = this.middle.map((value, axis) => (axis === viewport.across ? value : fixed[axis] + (value - fixed[axis]) * shrink));
    this.set({ zoom });
  }

  resetZoom() {
    if (this.isShowing) this.set({ zoom: 1, middle: this.ct.size.map((size) => (size - 1) / 2) });
  }
}
