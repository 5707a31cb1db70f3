// CT, MR and fused image in linked planes on a canvas; layers draw on top, a tool may take the pointer.

import { text } from "../text.js";
import { FULL_SCALE } from "./compose.js";
import { IDENTITY, apply, inverse } from "./geometry.js";
import { ImageLayers } from "./image_layers.js";
import { Painter } from "./painter.js";
import { Planes, mrGrid } from "./planes.js";
import { Pointer } from "./pointer.js";
import { Views } from "./views.js";
import { Viewport, layoutOf } from "./viewports.js";

const INK = { text: "#e8ecef", halo: "#000" };
const FONT_PX = 14; // of texts, where the style sheet does not enlarge them
const COLOUR_OPACITY = 0.5; // initial one of PET and SPECT
const SPYGLASS_MM = 30; // radius

export class Viewer extends EventTarget {
  constructor(canvas) {
    super();
    Object.assign(this, { canvas, layers: [], tool: null, layout: "planes", maximised: null, frame: "ct", mode: "blend", composite: "alpha", wipe: 0.5, spyglassMm: SPYGLASS_MM, slab: { mm: 0, kind: "max" }, windowed: "ct", hasMarks: true });
    this.context = canvas.getContext("2d", { alpha: false, willReadFrequently: true });
    this.ranges = new Map([["ct", [-160, 240]]]); // displayed as black and white, in units of the image
    Object.assign(this, { imageLayers: new ImageLayers(), planes: new Planes(this), painter: new Painter(this), views: new Views(this) });
    this.clear();
    new ResizeObserver(() => this.resize()).observe(canvas);
    this.pointer = new Pointer(this);
  }

  clear() {
    Object.assign(this, { ct: null, mr: null, fused: null, further: [], preview: null, crosshair: null, mrCrosshair: null, mrFromCt: null, fusedMrFromCt: null, isMrActive: false, aligned: "mr", viewports: [], hasOverlay: true, frame: "ct", maximised: null });
    for (const name of [...this.ranges.keys()]) if (name !== "ct") this.ranges.delete(name);
    this.planes.clear();
    this.painter.clear();
    this.imageLayers.update([]);
    this.requestDraw();
  }

  get isShowing() {
    return Boolean(this.ct);
  }

  // Show a CT, and an MR resampled on it by `mrFromCt`; the fused image may follow. `headBox` are the first and the last
  // voxel of the head in the CT.
  show({ ct, mr, mrRange, mrFromCt, headBox = null }) {
    this.clear();
    Object.assign(this, { ct, mr, mrRange, mrFromCt, headBox });
    this.crosshair = ct.size.map((size) => Math.floor(size / 2));
    this.mrCrosshair = [...this.crosshair];
    this.spyglassVoxel = this.crosshair;
    this.updateLayers();
    this.imageLayers.choose("mr");
    this.views.link();
    this.views.fit("head");
    this.resize();
    this.notify("crosshair");
  }

  // The fused image, and the alignment of the MR that it was fused with; null for none.
  setFused(volume, fusedMrFromCt = null) {
    Object.assign(this, { fused: volume, fusedMrFromCt, preview: null });
    this.updateLayers();
    this.invalidate("fused");
  }

  // Further images of the result, see `FurtherImage`.
  setFurther(further) {
    this.further = further;
    this.updateLayers();
    this.notify("further");
    this.invalidate("further");
  }

  updateLayers() {
    const further = this.further.map(({ name, mapName, isColour }) => [name, mapName, isColour ? COLOUR_OPACITY : 1]);
    this.imageLayers.update([...(this.fused ? [["fused", "grey", 1]] : []), ["mr", "grey", 1], ...further]);
    if (!this.imageLayers.shown.length) this.imageLayers.choose(this.imageLayers.wanted ?? "mr");
    this.notify("layers");
  }

  furtherNamed(name) {
    return this.further.find((one) => one.name === name);
  }

  labelOf(name) {
    return { ct: "CT", mr: "MR", fused: text("viewer.fused") }[name] ?? this.furtherNamed(name).label;
  }

  // Unit of an image's values; empty for arbitrary and unknown units.
  unitOf(name) {
    return name === "ct" ? "HU" : (this.furtherNamed(name)?.unit ?? "");
  }

  // Volume of an image, and the matrix from coordinates of the CT to its own; null where they are the same.
  imageNamed(name) {
    if (name === "mr") return { volume: this.mr, fromCt: this.mrFromCt ?? IDENTITY };
    return this.furtherNamed(name) ?? { volume: this[name], fromCt: null };
  }

  // One axial slice of another method or CT window, shown instead of that slice of the fused image.
  setPreview(preview) {
    this.preview = preview;
    this.invalidate("fused");
  }

  setAlignment(mrFromCt) {
    this.mrFromCt = mrFromCt;
    if (this.frame === "mr") this.planes.clear(); // the grid moves with the MR
    this.invalidate("mr");
    this.notify("alignment");
  }

  set(changes) {
    Object.assign(this, changes);
    this.requestDraw();
    if (changes.window) this.notify("window");
    if (changes.layout) this.maximised = null;
    if (changes.layout && this.isShowing) this.crosshair = this.inside(this.crosshair);
    if (changes.frame) this.setFrame(changes.frame);
    if (changes.layout || "maximised" in changes || changes.frame) this.notify("layout");
    if (changes.overlay !== undefined || changes.opacity !== undefined) this.notify("layers");
  }

  // The planes are those of the CT, or those of the MR.
  setFrame(frame) {
    this.frame = frame;
    if (this.isShowing && frame === "ct") this.crosshair = this.inside(this.crosshair);
    this.views.link();
    this.views.fit("head");
  }

  get grid() {
    if (this.frame === "ct" || this.layout === "landmarks") return this.ct;
    if (this.gridFor !== this.mrFromCt) Object.assign(this, { gridFor: this.mrFromCt, gridOfMr: mrGrid(this.mr, this.mrFromCt ?? IDENTITY) });
    return this.gridOfMr;
  }

  // Width and level of the CT, HU.
  get window() {
    const [low, high] = this.ranges.get("ct");
    return [high - low, (low + high) / 2];
  }

  set window([width, level]) {
    this.ranges.set("ct", [level - width / 2, level + width / 2]);
  }

  // Values of the MR that are black and white.
  set mrRange(range) {
    this.ranges.set("mr", range);
    this.mrHeadRange = range;
  }

  get mrRange() {
    return this.rangeOf("mr");
  }

  // Values of an image that have the first and the last colour, in its units; those of the fused image are in [0, 1].
  rangeOf(name) {
    return this.ranges.get(name) ?? this.initialRangeOf(name);
  }

  initialRangeOf(name) {
    return { mr: this.mrHeadRange, fused: [0, 1] }[name] ?? this.furtherNamed(name)?.range ?? [0, 1];
  }

  setRange(name, range) {
    this.ranges.set(name, range);
    this.requestDraw();
    this.notify("window");
  }

  // Value of one stored unit of an image.
  stepOf(name) {
    return name === "fused" ? 1 / FULL_SCALE : this.imageNamed(name).volume.step;
  }

  storedRangeOf(name) {
    return this.rangeOf(name).map((value) => value / this.stepOf(name));
  }

  // The choice of the toolbar and the opacity of the uppermost layer.
  get overlay() {
    return this.imageLayers.choice;
  }

  set overlay(choice) {
    this.imageLayers.choose(choice);
  }

  get opacity() {
    return this.imageLayers.top?.opacity ?? 1;
  }

  set opacity(opacity) {
    if (this.imageLayers.top) this.imageLayers.top.opacity = opacity;
  }

  setTool(tool) {
    this.tool?.cancel?.();
    this.tool = tool;
    this.requestDraw();
    this.notify("tool");
  }

  invalidate(name) {
    this.planes.clear(name);
    this.version = (this.version ?? 0) + 1;
    this.requestDraw();
    this.notify("crosshair");
  }

  notify(kind) {
    this.dispatchEvent(new Event(kind));
  }

  resize() {
    const pixels = window.devicePixelRatio || 1;
    this.ratio = (pixels * parseFloat(getComputedStyle(document.documentElement).fontSize)) / FONT_PX; // of marks and texts
    const [width, height] = [this.canvas.clientWidth, this.canvas.clientHeight].map((side) => Math.max(Math.round(side * pixels), 1));
    if (this.canvas.width !== width || this.canvas.height !== height) Object.assign(this.canvas, { width, height });
    this.requestDraw();
  }

  requestDraw() {
    this.frameRequest ??= requestAnimationFrame(() => {
      this.frameRequest = null;
      this.draw();
    });
  }

  draw() {
    if (this.isShowing) this.viewports = this.arrange();
    this.painter.draw();
    if (this.isShowing) this.notify("drawn");
  }

  arrange() {
    const entries = layoutOf(this.layout, this.maximised, this.aligned);
    this.views.update(entries);
    return entries.map((entry) => new Viewport(entry, this.grid, this.canvas, { ...this.views.of(entry), ratio: this.ratio }, this.ct));
  }

  // Whether a viewport shows the second crosshair, for landmarks in the image that is aligned: the MR, or a further one.
  hasMrCrosshair(viewport) {
    return this.layout === "landmarks" && viewport.show === this.aligned;
  }

  crosshairOf(viewport) {
    return this.hasMrCrosshair(viewport) ? this.mrCrosshair : this.views.crosshairIn(viewport);
  }

  // The values of a viewport's plane: of the preview where there is one.
  plane(name, viewport, index) {
    return name === "fused" && this.isPreviewed(viewport, index) ? this.preview.values : this.planes.of(name, viewport, index);
  }

  isPreviewed({ plane, show }, index) {
    const isShown = show ? show === "fused" : this.imageLayers.isShown("fused");
    return plane === "axial" && isShown && !this.slab.mm && this.preview?.index === index;
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
  fusedAt(voxel) {
    if (!this.fused) return null;
    const [x, y, z] = voxel.map(Math.round);
    const isPreviewed = this.isPreviewed({ plane: this.frame === "ct" ? "axial" : "" }, z);
    const stored = isPreviewed ? this.preview.values[y * this.ct.size[0] + x] : this.fused.valueAt(voxel);
    return stored / FULL_SCALE;
  }

  // The points of both crosshairs, LPS mm: in the CT, and in the own coordinates of the image that is aligned.
  landmarkPair() {
    const [ct, onCt] = [this.crosshair, this.mrCrosshair].map((voxel) => apply(this.ct.mmFromVoxel, voxel));
    return { ct, image: apply(this.imageNamed(this.aligned).fromCt, onCt) };
  }

  // The voxel of the CT at a point of that image.
  ctFromImage(point) {
    return apply(this.ct.voxelFromMm, apply(inverse(this.imageNamed(this.aligned).fromCt), point));
  }

  // Choose the crosshair that the keys move.
  selectCrosshair(isMr) {
    this.isMrActive = isMr;
    this.requestDraw();
  }

  // The nearest voxel of the CT; in planes of the MR and for landmarks the nearest position, which is between voxels.
  inside(voxel) {
    const whole = this.grid === this.ct && this.layout !== "landmarks" ? voxel.map(Math.round) : voxel;
    return whole.map((value, axis) => Math.min(Math.max(value, 0), this.ct.size[axis] - 1));
  }

  setCrosshair(voxel, isMr = false) {
    this[isMr ? "mrCrosshair" : "crosshair"] = this.inside(voxel);
    this.requestDraw();
    this.notify("crosshair");
  }

  // Move the crosshair in a viewport; the planes of the others follow if they are linked.
  setCrosshairIn(viewport, voxel) {
    this.views.follow(viewport, this.inside(voxel));
    this.setCrosshair(voxel, this.hasMrCrosshair(viewport));
  }

  // Show the next slice, or with a negative step the previous one.
  scroll(viewport, step) {
    const voxel = [...viewport.toGrid(this.crosshairOf(viewport))];
    const stride = viewport.grid.strides?.[viewport.across] ?? 1;
    const to = (Math.round(voxel[viewport.across] / stride) + step) * stride;
    voxel[viewport.across] = Math.min(Math.max(to, 0), viewport.grid.size[viewport.across] - 1);
    this.setCrosshairIn(viewport, viewport.fromGrid(voxel));
  }

  // Move the crosshair to a position of the CT, LPS mm, or to the nearest voxel, and show it unzoomed.
  showPosition(mm) {
    if (!this.isShowing) return;
    this.resetZoom();
    this.views.link();
    this.setCrosshair(apply(this.ct.voxelFromMm, mm));
  }

  move(left, back, up) {
    if (!this.isShowing) return;
    const isMr = this.layout === "landmarks" && this.isMrActive;
    const from = isMr ? this.mrCrosshair : this.crosshair;
    const to = [from[0] + left, from[1] + back, from[2] + up];
    const viewport = this.viewports.find(({ number }) => number === this.views.active);
    if (viewport && !isMr) this.views.follow(viewport, this.inside(to));
    this.setCrosshair(to, isMr);
    this.spyglassVoxel = this.crosshair;
  }

  viewportAt(x, y) {
    return this.viewports.find((viewport) => viewport.contains(x, y));
  }

  // Zoom about a position on the canvas, by default about the crosshair.
  zoomBy(factor, viewport = this.viewports[0], position = viewport?.toScreen(this.crosshairOf(viewport))) {
    if (viewport) this.views.zoom(viewport, factor, position);
  }

  fitHead() {
    if (this.isShowing) this.views.fit("head");
  }

  resetZoom() {
    if (this.isShowing) this.views.fit("all");
  }

  get zoom() {
    return this.views.shared.zoom;
  }

  // Maximise a viewport, or show the whole layout again.
  toggleMaximised(viewport = this.viewports.find(({ number }) => number === this.views.active) ?? this.viewports[0]) {
    if (viewport) this.set({ maximised: this.maximised === null ? viewport.number : null });
  }
}
