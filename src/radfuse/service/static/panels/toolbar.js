// The toolbar above the pictures: what lies over the CT and how, windows, planes, measuring.

import { FULL_SCALE } from "../viewer/compose.js";
import { RENDERING_PLACE } from "../viewer/viewports.js";
import { at, next, options, press } from "../dom.js";
import { Rendering } from "../viewer/rendering.js";
import { Ruler } from "../viewer/ruler.js";

const BLEND_STEP = 0.1;
const FLICKER_MS = 500;
const ZOOM_STEP = 1.25;

export class Toolbar {
  constructor(viewer, windows) {
    Object.assign(this, { viewer, windows, flickering: null, rendering: new Rendering(at("rendering")) });
    this.ruler = new Ruler({ viewer });
    viewer.layers.push(this.ruler);
    options(at("preset"), [...Object.keys(windows), "by hand"], "soft-tissue");
    viewer.set({ window: windows["soft-tissue"] });
    this.listen();
  }

  listen() {
    const { viewer } = this;
    at("upper").addEventListener("change", () => viewer.set({ upper: at("upper").value }));
    at("cover").addEventListener("change", () => this.setCover(at("cover").value));
    at("blend").addEventListener("input", () => this.setBlend(Number(at("blend").value)));
    at("wipe").addEventListener("input", () => viewer.set({ wipe: Number(at("wipe").value) }));
    at("preset").addEventListener("change", () => this.windows[at("preset").value] && viewer.set({ window: this.windows[at("preset").value] }));
    at("layout").addEventListener("change", () => viewer.set({ layout: at("layout").value }));
    at("flicker").addEventListener("click", () => this.flicker());
    at("measure").addEventListener("click", () => this.measure());
    viewer.addEventListener("window", () => this.showWindow());
    viewer.addEventListener("layout", () => this.showLayout());
    viewer.addEventListener("cursor", () => this.showCursor());
    viewer.addEventListener("tool", () => press(at("measure"), viewer.tool === this.ruler));
    this.showWindow();
  }

  // What is over the CT at first: the fused image, or half of the MR while there is none.
  start(isFused) {
    if (this.isFused === isFused) return;
    this.isFused = isFused;
    at("upper").options[0].disabled = !isFused;
    this.pick(isFused ? 0 : 1);
    this.setBlend(isFused ? 1 : 0.5);
  }

  clear() {
    this.isFused = null;
    this.rendering.clear();
    for (const id of ["place", "hu", "mr", "fused"]) at(id).textContent = "–";
  }

  setBlend(share) {
    const blend = Math.min(Math.max(share, 0), 1);
    at("blend").value = blend;
    at("blended").textContent = `${Math.round(blend * 100)} %`;
    this.viewer.set({ blend });
  }

  setCover(cover) {
    at("wipe").hidden = cover !== "wipe";
    at("blend").hidden = at("blended").hidden = cover === "wipe";
    this.viewer.set({ cover });
  }

  showWindow() {
    const [width, level] = this.viewer.window.map(Math.round);
    const known = Object.keys(this.windows).find((name) => String(this.windows[name]) === String(this.viewer.window));
    at("preset").value = known ?? "by hand";
    at("windowed").textContent = `${width} / ${level}`;
  }

  showLayout() {
    const { layout } = this.viewer;
    at("layout").value = layout;
    const [left, top, width, height] = RENDERING_PLACE.map((share) => `${share * 100}%`);
    Object.assign(at("rendered").style, { left, top, width, height });
    at("rendered").hidden = layout !== "rendering";
    this.render();
  }

  // The fused image, or the CT while there is none.
  async render() {
    const { viewer } = this;
    if (at("rendered").hidden || !viewer.isShowing) return;
    const [width, level] = viewer.window;
    if (viewer.fused) await this.rendering.show(viewer.fused, [0, FULL_SCALE]);
    else await this.rendering.show(viewer.ct, [level - width / 2, level + width / 2]);
    this.rendering.cutAt(viewer.cursor[2] / viewer.ct.size[2]);
    document.body.dataset.rendered = "yes";
  }

  showCursor() {
    const { viewer } = this;
    if (!viewer.isShowing) return;
    const { lps, hu, mr, fused } = viewer.reading();
    const words = ["LR", "PA", "SI"].map(([plus, minus], axis) => `${Math.abs(lps[axis]).toFixed(1)} ${lps[axis] < 0 ? minus : plus}`);
    at("place").textContent = `${words.join("  ")} mm`;
    at("hu").textContent = `${Math.round(hu)} HU`;
    at("mr").textContent = mr === null ? "–" : mr.toPrecision(4).replace(/\.0+$/, "");
    at("fused").textContent = fused === null ? "–" : fused.toFixed(3);
    if (!at("rendered").hidden) this.rendering.cutAt(viewer.cursor[2] / viewer.ct.size[2]);
  }

  flicker() {
    const { viewer } = this;
    if (this.flickering) {
      clearInterval(this.flickering);
      this.flickering = null;
      viewer.set({ blend: Number(at("blend").value) });
    } else {
      let upper = false;
      this.flickering = setInterval(() => viewer.set({ blend: (upper = !upper) ? 1 : 0 }), FLICKER_MS);
    }
    press(at("flicker"), Boolean(this.flickering));
  }

  measure() {
    this.viewer.setTool(this.viewer.tool === this.ruler ? null : this.ruler);
  }

  pick(index) {
    at("upper").selectedIndex = index;
    at("upper").dispatchEvent(new Event("change"));
  }

  get keys() {
    const { viewer } = this;
    return {
      ArrowLeft: () => viewer.move(-1, 0, 0), // radiological: the screen's left is the patient's right
      ArrowRight: () => viewer.move(1, 0, 0),
      ArrowUp: () => viewer.move(0, -1, 0),
      ArrowDown: () => viewer.move(0, 1, 0),
      PageUp: () => viewer.move(0, 0, 1),
      PageDown: () => viewer.move(0, 0, -1),
      "[": () => this.setBlend(Number(at("blend").value) - BLEND_STEP),
      "]": () => this.setBlend(Number(at("blend").value) + BLEND_STEP),
      "+": () => viewer.zoomBy(ZOOM_STEP),
      "-": () => viewer.zoomBy(1 / ZOOM_STEP),
      0: () => viewer.resetZoom(),
      f: () => this.flicker(),
      c: () => next(at("cover")),
      w: () => next(at("preset")),
      p: () => next(at("layout")),
      m: () => this.measure(),
      1: () => this.pick(0),
      2: () => this.pick(1),
      3: () => this.pick(2),
      4: () => this.pick(3),
    };
  }
}
