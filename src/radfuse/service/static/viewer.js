// CT, MR and fused image in linked planes on a canvas; layers draw over it, a tool may take the pointer.

import { COVERS, FULL_SCALE, MAPS, compose, greys } from "./compose.js";
import { IDENTITY, apply, inverse, times } from "./geometry.js";
import { LAYOUTS, Pane } from "./panes.js";
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
    Object.assign(this, { ct: null, mr: null, fused: null, preview: null, cursor: null, moving: null, mrFromCt: null, isMoving: false, panes: [], images: [] });
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
    this.panes = LAYOUTS[this.layout].map((place) => new Pane(place, this.ct, canvas, this));
    this.panes.forEach((pane, i) => this.drawPane(pane, i));
    this.told("drawn");
  }

  // Whether a pane has the cross that is the MR's own.
  isOfMoving(pane) {
    return this.layout === "landmarks" && pane.show === "mr";
  }

  cursorOf(pane) {
    return this.isOfMoving(pane) ? this.moving : this.cursor;
  }

  drawPane(pane, i) {
    const { context } = this;
    const index = Math.round(this.cursorOf(pane)[pane.across]);
    context.save();
    context.beginPath();
    context.rect(pane.left, pane.top, pane.width, pane.height);
    context.clip();
    Object.assign(context, { imageSmoothingEnabled: true, lineWidth: this.ratio });
    context.drawImage(this.image(pane, i, index), pane.corner[0], pane.corner[1], pane.columns * pane.scale[0], pane.rows * pane.scale[1]);
    for (const layer of new Set([...this.layers, this.tool])) layer?.draw(context, pane, index);
    this.drawCross(pane);
    this.drawWords(pane, index);
    context.restore();
  }

  // The coloured plane of a pane, made anew only when something in it has changed.
  image(pane, i, index) {
    const shares = pane.show ? null : [this.upper, this.blend, this.cover, this.wipe];
    const key = JSON.stringify([pane.plane, index, pane.show, shares, this.window, this.mrRange, this.version, pane.columns, pane.rows]);
    const kept = this.images[i];
    if (kept?.key === key) return kept.canvas;
    const canvas = kept?.canvas ?? document.createElement("canvas");
    Object.assign(canvas, { width: pane.columns, height: pane.rows });
    const context = canvas.getContext("2d", { willReadFrequently: true });
    const pixels = context.createImageData(pane.columns, pane.rows);
    this.composePane(pixels.data, pane, index);
    context.putImageData(pixels, 0, 0);
    this.images[i] = { key, canvas };
    return canvas;
  }

  composePane(target, pane, index) {
    const look = this.lookOf(pane);
    const isAlone = Boolean(pane.show) && pane.show !== "ct";
    const line = this.wipe * pane.columns;
    const square = [pane.right, pane.down].map((axis) => SQUARE_MM / this.ct.spacing[axis]);
    compose(target, this.plane("ct", pane.plane, index), pane.show === "ct" || !look ? null : this.plane(look.from, pane.plane, index), {
      columns: pane.columns,
      lowerGreys: isAlone ? BLACK : this.greysOf("ct"),
      upperGreys: look && this.greysOf(look.from),
      map: look?.map,
      share: isAlone ? 1 : this.blend,
      covers: COVERS[isAlone ? "blend" : this.cover]({ line, square }),
    });
  }

  lookOf(pane) {
    const look = LOOKS[pane.show && pane.show !== "ct" ? pane.show : this.upper];
    return look.from === "fused" && !this.fused ? (pane.show ? null : LOOKS.mr) : look;
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

  drawCross(pane) {
    const { context, ratio } = this;
    const [x, y] = pane.toScreen(this.cursorOf(pane));
    const gap = 9 * ratio;
    context.strokeStyle = INK.lines;
    context.globalAlpha = this.layout === "landmarks" && this.isMoving !== this.isOfMoving(pane) ? 0.35 : 0.75;
    context.beginPath();
    for (const [from, to] of [[pane.left, x - gap], [x + gap, pane.left + pane.width]]) context.moveTo(from, y), context.lineTo(to, y);
    for (const [from, to] of [[pane.top, y - gap], [y + gap, pane.top + pane.height]]) context.moveTo(x, from), context.lineTo(x, to);
    context.stroke();
    context.globalAlpha = 1;
  }

  drawWords(pane, index) {
    const right = SIDES[pane.right], down = pane.upwards ? [...SIDES[pane.down]].reverse() : SIDES[pane.down];
    const [middle, centre] = [pane.top + pane.height / 2, pane.left + pane.width / 2];
    const [edge, line] = [6 * this.ratio, 12 * this.ratio];
    const shown = { ct: "CT", mr: "MR", fused: this.fused ? "fused" : "not fused yet" }[pane.show] ?? "";
    const preview = this.isPreviewed(pane.plane, index) ? ` · preview of ${this.preview.method}` : "";
    this.write(right[0], pane.left + edge, middle, "left");
    this.write(right[1], pane.left + pane.width - edge, middle, "right");
    this.write(down[0], centre, pane.top + line, "center");
    this.write(down[1], centre, pane.top + pane.height - line, "center");
    this.write(`${shown} ${pane.plane} ${index + 1}/${this.ct.size[pane.across]}${preview}`.trim(), pane.left + edge, pane.top + line, "left");
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
    return this.panes.find((pane) => pane.contains(x, y));
  }

  zoomBy(factor, pane = this.panes[0], [x, y] = pane ? [pane.left + pane.width / 2, pane.top + pane.height / 2] : []) {
    if (!pane) return;
    const zoom = Math.min(Math.max(this.zoom * factor, NARROWEST), MOST_ZOOM);
    const fixed = pane.toVoxel(x, y, this.middle);
    const shrink = this.zoom / zoom;
    this.middle = this.middle.map((value, axis) => (axis === pane.across ? value : fixed[axis] + (value - fixed[axis]) * shrink));
    this.set({ zoom });
  }

  resetZoom() {
    if (this.isShowing) this.set({ zoom: 1, middle: this.ct.size.map((size) => (size - 1) / 2) });
  }
}
