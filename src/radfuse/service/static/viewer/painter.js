// Draws the viewports: composed planes, composed again only after a change, and what is drawn on top.

import { drawCrosshair, drawLabels, drawScaleBar } from "../marks/labels.js";
import { drawOrientationCube } from "../marks/orientation_cube.js";
import { COLOUR_MAPS, boneWeights, compose, magentaOf, valueColours } from "./compose.js";
import { ImageLayers } from "./image_layers.js";

const SQUARE_MM = 25;
const MAX_CACHED_TABLES = 24;
const BLACK = new Uint32Array(65536).fill(0xff000000);
const INK = { halo: "#000", circle: "#ffd54a" };

// Where an overlay is shown on the CT: a path on the canvas.
export const OVERLAY_MODES = {
  wipe(path, viewport, { wipe }) {
    const line = viewport.corner[0] + wipe * viewport.columns * viewport.scale[0];
    path.rect(line, viewport.top, viewport.left + viewport.width - line, viewport.height);
  },
  checkerboard(path, viewport) {
    const side = SQUARE_MM * viewport.pixelsPerMm;
    const [columns, rows] = [viewport.columns * viewport.scale[0], viewport.rows * viewport.scale[1]].map((length) => Math.ceil(length / side));
    for (let row = 0; row < rows; row++) for (let column = (row + 1) % 2; column < columns; column += 2) path.rect(viewport.corner[0] + column * side, viewport.corner[1] + row * side, side, side);
  },
  spyglass(path, viewport, { spyglassVoxel, spyglassMm }) {
    const [x, y] = viewport.toScreen(spyglassVoxel);
    path.arc(x, y, spyglassMm * viewport.pixelsPerMm, 0, 2 * Math.PI);
  },
};

export class Painter {
  constructor(viewer) {
    Object.assign(this, { viewer, images: new Map(), tables: new Map() });
  }

  clear() {
    this.images.clear();
  }

  draw() {
    const { viewer } = this, { context, canvas } = viewer;
    context.fillStyle = INK.halo;
    context.fillRect(0, 0, canvas.width, canvas.height);
    for (const viewport of viewer.viewports) this.drawViewport(viewport);
  }

  drawViewport(viewport) {
    const { viewer } = this, { context } = viewer;
    const index = viewport.indexOf(viewer.crosshairOf(viewport));
    context.save();
    context.beginPath();
    context.rect(viewport.left, viewport.top, viewport.width, viewport.height);
    context.clip();
    Object.assign(context, { imageSmoothingEnabled: true, lineWidth: viewer.ratio });
    this.drawImages(viewport, index);
    for (const layer of new Set([...viewer.layers, viewer.tool])) if (layer && (!viewport.isOblique || layer.isOblique)) layer.draw(context, viewport, index);
    if (viewer.hasMarks) this.drawMarks(viewport, index);
    context.restore();
  }

  drawMarks(viewport, index) {
    drawCrosshair(this.viewer, viewport);
    drawLabels(this.viewer, viewport, index);
    drawScaleBar(this.viewer, viewport);
    drawOrientationCube(this.viewer, viewport);
  }

  // The planes; where the overlay is shown in a part only, the CT alone below it.
  drawImages(viewport, index) {
    const { viewer } = this, { context } = viewer;
    const layers = this.layersOf(viewport);
    const cut = !viewport.show && layers.length ? OVERLAY_MODES[viewer.mode] : null;
    if (cut || !layers.length) this.place(viewport, this.image(viewport, index, []));
    if (!layers.length) return;
    context.save();
    if (cut) {
      const path = new Path2D();
      cut(path, viewport, viewer);
      context.clip(path);
      if (viewer.mode === "spyglass") Object.assign(context, { strokeStyle: INK.circle, lineWidth: 3 * viewer.ratio });
      this.place(viewport, this.image(viewport, index, layers));
      if (viewer.mode === "spyglass") context.stroke(path);
    } else this.place(viewport, this.image(viewport, index, layers));
    context.restore();
  }

  place({ corner, columns, rows, scale }, image) {
    this.viewer.context.drawImage(image, corner[0], corner[1], columns * scale[0], rows * scale[1]);
  }

  // The layers on the CT; of a viewport with one image, this one alone.
  layersOf(viewport) {
    const { viewer } = this;
    if (viewport.show === "ct") return [];
    if (viewport.show) return viewer.imageNamed(viewport.show).volume ? [{ name: viewport.show, opacity: 1, map: viewer.furtherNamed(viewport.show)?.mapName ?? "grey" }] : [];
    return viewer.hasOverlay ? viewer.imageLayers.shown.filter((layer) => layer.opacity > 0 || viewer.composite === "reverse-alpha") : [];
  }

  // The coloured plane of a viewport.
  image(viewport, index, layers) {
    const { viewer } = this;
    const slot = `${viewport.number} ${layers.length > 0}`;
    const parts = layers.map(({ name, opacity, map }) => [name, opacity, map, viewer.rangeOf(name)]);
    const key = JSON.stringify([viewport.plane, index, viewport.show, parts, viewer.rangeOf("ct"), viewer.composite, viewer.slab, viewer.version, viewport.columns, viewport.rows]);
    const cached = this.images.get(slot) ?? this.emptyImage();
    if (cached.key === key) return cached.canvas;
    if (cached.pixels?.width !== viewport.columns || cached.pixels.height !== viewport.rows) this.resize(cached, viewport);
    this.compose(cached.words, viewport, index, layers);
    cached.context.putImageData(cached.pixels, 0, 0);
    this.images.set(slot, Object.assign(cached, { key }));
    return cached.canvas;
  }

  emptyImage() {
    const canvas = document.createElement("canvas");
    return { canvas, context: canvas.getContext("2d", { alpha: false, willReadFrequently: true }) };
  }

  resize(image, { columns, rows }) {
    Object.assign(image.canvas, { width: columns, height: rows });
    image.pixels = image.context.createImageData(columns, rows);
    image.words = new Uint32Array(image.pixels.data.buffer);
  }

  compose(target, viewport, index, layers) {
    const { viewer } = this;
    const ct = viewer.plane("ct", viewport, index);
    const isAlone = Boolean(viewport.show) && viewport.show !== "ct";
    const drawn = layers.map((layer) => {
      const map = ImageLayers.colours(layer);
      return { values: viewer.plane(layer.name, viewport, index), table: this.tableOf(layer.name, layer.map), opacity: layer.opacity, adds: map.adds };
    });
    const isAdded = drawn.some(({ adds }) => adds);
    const base = { values: ct, table: isAlone ? BLACK : this.tableOf("ct", isAdded ? "magenta" : "grey") };
    compose(target, base, drawn, { composite: isAlone ? "alpha" : viewer.composite, bone: this.bone });
  }

  // Colours by stored value of an image, with its range.
  tableOf(name, map) {
    const { viewer } = this;
    const range = viewer.storedRangeOf(name);
    const make = () => (map === "magenta" ? magentaOf(range) : valueColours(COLOUR_MAPS[map], range));
    return this.cachedTable(`${map} ${range}`, make);
  }

  get bone() {
    const { step } = this.viewer.ct;
    return this.viewer.composite === "bone" ? this.cachedTable(`bone ${step}`, () => boneWeights(step)) : null;
  }

  cachedTable(key, make) {
    if (!this.tables.has(key)) {
      if (this.tables.size >= MAX_CACHED_TABLES) this.tables.delete(this.tables.keys().next().value);
      this.tables.set(key, make());
    }
    return this.tables.get(key);
  }
}
