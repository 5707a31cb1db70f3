// CT, MR and fused image in linked planes on a canvas; layers draw over it, a tool may take the pointer.

import { COVERS, FULL_SCALE, MAPS, compose, greys } from "./compose.js";
import { IDENTITY, apply, inverse, times } from "./geometry.js";
import { LAYOUTS, Viewport } from "./viewports.js";
import { Pointer } from "./pointer.js";
import { cut, sample } from "./volume.js";

const BLACK = new Uint8ClampedArray(65536);
const LOOKS = {
  fused: { from: "fused", map: MAPS.grey },
  mr: { from: "mr", map: MAPS.grey },
  "mr-hot": { from: "mr", map: MAPS.hot },
  "magenta-green": { from: "mr", map: MAPS.green },
};
const SQUARE_MM = 25;
const KEPT_PLANES = 24;
const NARROWEST = 1, MOST_ZOOM = 20;
const INK = { lines: "#ffd54a", text: "#e8ecef", halo: "#000" };
const SIDES = { 0: ["R", "L"], 1: ["A", "P"], 2: ["I", "S"] };

export class Viewer extends EventTarget {
  constructor(canvas) {
    super();
    Object.assign(this, { canvas, layers: [], tool: null, layout: "planes", upper: "fused", blend: 1, cover: "blend", wipe: 0.5, zoom: 1 });
    this.context = canvas.getContext("2d", { alpha: false, willReadFrequently: true });
    this.window = [400, 40];
    this.planes = new Map();
    this.clear();
    new ResizeObserver(() => this.resize()).observe(canvas);
    this.pointer = new Pointer(this);
  }

  clear() {
    Object.assign(this, { ct: null, mr: null, fused: null, preview: null, cursor: null, moving: null, mrFromCt: null, isMoving: false, viewports: [], images: [] });
    this.planes.clear();
    this.requestDraw();
  }

  get isShowing() {
    return Boolean(this.ct);
  }

  // A CT, and an MR that `mrFromCt` brings onto it; the fused image may come later.
  show({ ct, mr, mrRange, mrFromCt }) {
    this.clear();
    Object.assign(this, { ct, mr, mrRange, mrFromCt, zoom: 1 });
    this.middle = ct.size.map((size) => (size - 1) / 2);
    this.cursor = ct.size.map((size) => Math.floor(size / 2));
    this.moving = [...this.cursor];
    this.resize();
    this.told("cursor");
  }

  setFused(volume) {
    Object.assign(this, { fused: volume, preview: null });
    this.forget("fused");
  }

  // One axial slice of another method, shown instead of the fused image there.
  setPreview(preview) {
    this.preview = preview;
    this.forget("fused");
  }

  setAlignment(mrFromCt) {
    this.mrFromCt = mrFromCt;
    this.forget("mr");
    this.told("alignment");
  }

  set(changes) {
    Object.assign(this, changes);
    this.requestDraw();
    if (changes.window) this.told("window");
    if (changes.layout) this.told("layout");
  }

  setTool(tool) {
    this.tool?.cancel?.();
    this.tool = tool;
    this.requestDraw();
    this.told("tool");
  }

  forget(name) {
    for (const key of this.planes.keys()) if (key.startsWith(name)) this.planes.delete(key);
    this.version = (this.version ?? 0) + 1;
    this.requestDraw();
    this.told("cursor");
  }

  told(kind) {
    this.dispatchEvent(new Event(kind));
  }

  resize() {
    this.ratio = window.devicePixelRatio || 1;
    this.canvas.width = Math.max(Math.round(this.canvas.clientWidth * this.ratio), 1);
    this.canvas.height = Math.max(Math.round(this.canvas.clientHeight * this.ratio), 1);
    this.requestDraw();
  }

  requestDraw() {
    this.wanted ??= requestAnimationFrame(() => {
      this.wanted = null;
      this.draw();
    });
  }

  draw() {
    const { context, canvas } = this;
    context.fillStyle = INK.halo;
    context.fillRect(0, 0, canvas.width, canvas.height);
    if (!this.isShowing) return;
    this.viewports = LAYOUTS[this.layout].map((place) => new Viewport(place, this.ct, canvas, this));
    this.viewports.forEach((viewport, i) => this.drawPane(viewport, i));
    this.told("drawn");
  }

  // Whether a viewport has the cross that is the MR's own.
  isOfMoving(viewport) {
    return this.layout === "landmarks" && viewport.show === "mr";
  }

  cursorOf(viewport) {
    return this.isOfMoving(viewport) ? this.moving : this.cursor;
  }

  drawPane(viewport, i) {
    const { context } = this;
    const index = Math.round(this.cursorOf(viewport)[viewport.across]);
    context.save();
    context.beginPath();
    context.rect(viewport.left, viewport.top, viewport.width, viewport.height);
    context.clip();
    Object.assign(context, { imageSmoothingEnabled: true, lineWidth: this.ratio });
    context.drawImage(this.image(viewport, i, index), viewport.corner[0], viewport.corner[1], viewport.columns * viewport.scale[0], viewport.rows * viewport.scale[1]);
    for (const layer of new Set([...this.layers, this.tool])) layer?.draw(context, viewport, index);
    this.drawCross(viewport);
    this.drawWords(viewport, index);
    context.restore();
  }

  // The coloured plane of a viewport, made anew only when something in it has changed.
  image(viewport, i, index) {
    const shares = viewport.show ? null : [this.upper, this.blend, this.cover, this.wipe];
    const key = JSON.stringify([viewport.plane, index, viewport.show, shares, this.window, this.mrRange, this.version, viewport.columns, viewport.rows]);
    const kept = this.images[i];
    if (kept?.key === key) return kept.canvas;
    const canvas = kept?.canvas ?? document.createElement("canvas");
    Object.assign(canvas, { width: viewport.columns, height: viewport.rows });
    const context = canvas.getContext("2d", { willReadFrequently: true });
    const pixels = context.createImageData(viewport.columns, viewport.rows);
    this.composePane(pixels.data, viewport, index);
    context.putImageData(pixels, 0, 0);
    this.images[i] = { key, canvas };
    return canvas;
  }

  composePane(target, viewport, index) {
    const look = this.lookOf(viewport);
    const isAlone = Boolean(viewport.show) && viewport.show !== "ct";
    const line = this.wipe * viewport.columns;
    const square = [viewport.right, viewport.down].map((axis) => SQUARE_MM / this.ct.spacing[axis]);
    compose(target, this.plane("ct", viewport.plane, index), viewport.show === "ct" || !look ? null : this.plane(look.from, viewport.plane, index), {
      columns: viewport.columns,
      lowerGreys: isAlone ? BLACK : this.greysOf("ct"),
      upperGreys: look && this.greysOf(look.from),
      map: look?.map,
      share: isAlone ? 1 : this.blend,
      covers: COVERS[isAlone ? "blend" : this.cover]({ line, square }),
    });
  }

  lookOf(viewport) {
    const look = LOOKS[viewport.show && viewport.show !== "ct" ? viewport.show : this.upper];
    return look.from === "fused" && !this.fused ? (viewport.show ? null : LOOKS.mr) : look;
  }

  greysOf(name) {
    const range = { ct: [this.window[1] - this.window[0] / 2, this.window[1] + this.window[0] / 2], mr: this.mrRange, fused: [0, FULL_SCALE] }[name];
    const key = `${name} ${range}`;
    this.tables ??= new Map();
    if (this.tables.size > KEPT_PLANES) this.tables.clear();
    if (!this.tables.has(key)) this.tables.set(key, greys(range.map((value) => value / this[name].step)));
    return this.tables.get(key);
  }

  plane(name, plane, index) {
    if (name === "fused" && this.isPreviewed(plane, index)) return this.preview.values;
    const key = `${name} ${plane} ${index}`;
    if (!this.planes.has(key)) {
      if (this.planes.size >= KEPT_PLANES) this.planes.delete(this.planes.keys().next().value);
      this.planes.set(key, name === "mr" ? sample(this.mr, this.mrVoxelFromVoxel(), this.ct.size, plane, index) : cut(this[name], plane, index));
    }
    return this.planes.get(key);
  }

  mrVoxelFromVoxel() {
    return times(this.mr.voxelFromMm, this.mrFromCt ?? IDENTITY, this.ct.mmFromVoxel);
  }

  drawCross(viewport) {
    const { context, ratio } = this;
    const [x, y] = viewport.toScreen(this.cursorOf(viewport));
    const gap = 9 * ratio;
    context.strokeStyle = INK.lines;
    context.globalAlpha = this.layout === "landmarks" && this.isMoving !== this.isOfMoving(viewport) ? 0.35 : 0.75;
    context.beginPath();
    for (const [from, to] of [[viewport.left, x - gap], [x + gap, viewport.left + viewport.width]]) context.moveTo(from, y), context.lineTo(to, y);
    for (const [from, to] of [[viewport.top, y - gap], [y + gap, viewport.top + viewport.height]]) context.moveTo(x, from), context.lineTo(x, to);
    context.stroke();
    context.globalAlpha = 1;
  }

  drawWords(viewport, index) {
    const right = SIDES[viewport.right], down = viewport.upwards ? [...SIDES[viewport.down]].reverse() : SIDES[viewport.down];
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
    return plane === "axial" && this.upper === "fused" && this.preview?.index === index;
  }

  write(text, x, y, align) {
    const { context, ratio } = this;
    Object.assign(context, { font: `600 ${12 * ratio}px system-ui, sans-serif`, textAlign: align, textBaseline: "middle", lineWidth: 3 * ratio, strokeStyle: INK.halo, fillStyle: INK.text });
    context.strokeText(text, x, y);
    context.fillText(text, x, y);
    context.lineWidth = ratio;
  }

  // Place and values under the cursor; LPS mm.
  reading() {
    const mm = apply(this.ct.mmFromVoxel, this.cursor);
    const mrMm = apply(this.mrFromCt ?? IDENTITY, mm);
    return {
      lps: mm,
      hu: this.ct.valueAt(this.cursor),
      mr: this.mr.valueAt(apply(this.mr.voxelFromMm, mrMm)),
      fused: this.fusedAt(this.cursor),
    };
  }

  // The fused value that is on the screen: a previewed slice has its own.
  fusedAt([x, y, z]) {
    if (!this.fused) return null;
    const stored = this.isPreviewed("axial", z) ? this.preview.values[y * this.ct.size[0] + x] : this.fused.valueAt([x, y, z]);
    return stored / FULL_SCALE;
  }

  // Points of both cursors for a pair of landmarks: in the CT, and in the MR itself.
  pair() {
    const [ct, moving] = [this.cursor, this.moving].map((voxel) => apply(this.ct.mmFromVoxel, voxel));
    return { ct, mr: apply(this.mrFromCt ?? IDENTITY, moving) };
  }

  ctFromMr(point) {
    return apply(this.ct.voxelFromMm, apply(inverse(this.mrFromCt ?? IDENTITY), point));
  }

  // Which of both crosses the keys move.
  chooseCross(isMoving) {
    this.isMoving = isMoving;
    this.requestDraw();
  }

  setCursor(voxel, isMoving = false) {
    const inside = voxel.map((value, axis) => Math.min(Math.max(Math.round(value), 0), this.ct.size[axis] - 1));
    this[isMoving ? "moving" : "cursor"] = inside;
    this.requestDraw();
    this.told("cursor");
  }

  move(left, back, up) {
    if (!this.isShowing) return;
    const isMoving = this.layout === "landmarks" && this.isMoving;
    const from = isMoving ? this.moving : this.cursor;
    this.setCursor([from[0] + left, from[1] + back, from[2] + up], isMoving);
  }

  paneAt(x, y) {
    return this.viewports.find((viewport) => viewport.contains(x, y));
  }

  zoomBy(factor, viewport = this.viewports[0], [x, y] = viewport ? [viewport.left + viewport.width / 2, viewport.top + viewport.height / 2] : []) {
    if (!viewport) return;
    const zoom = Math.min(Math.max(this.zoom * factor, NARROWEST), MOST_ZOOM);
    const fixed = viewport.toVoxel(x, y, this.middle);
    const shrink = this.zoom / zoom;
    this.middle = this.middle.map((value, axis) => (axis === viewport.across ? value : fixed[axis] + (value - fixed[axis]) * shrink));
    this.set({ zoom });
  }

  resetZoom() {
    if (this.isShowing) this.set({ zoom: 1, middle: this.ct.size.map((size) => (size - 1) / 2) });
  }
}
