// The toolbar of the viewer: overlay and its mode, CT window, planes, ruler; and the values at the crosshair.

import { byId, createElement, selectNext, setOptions, setPressed } from "../dom.js";
import { ColourBar } from "../viewer/colour_bar.js";
import { FULL_SCALE } from "../viewer/compose.js";
import { FovBorder } from "../viewer/fov_border.js";
import { Rendering } from "../viewer/rendering.js";
import { Ruler } from "../viewer/ruler.js";
import { RENDERING_AREA } from "../viewer/viewports.js";

const OPACITY_STEP = 0.1;
const COLOUR_OPACITY = 0.5; // initial one of PET and SPECT
const MAX_KEY = 9; // of an overlay
const FLICKER_MS = 500;
const ZOOM_STEP = 1.25;

const shortNumber = (value) => (value === null ? "–" : Number(value.toPrecision(4)).toString());

export class Toolbar {
  constructor(viewer, windows) {
    Object.assign(this, { viewer, windows, flickering: null, opacityKind: "grey", opacities: { grey: 1, colour: COLOUR_OPACITY }, rendering: new Rendering(byId("rendering")) });
    this.ruler = new Ruler(viewer);
    this.border = new FovBorder(viewer);
    viewer.layers.push(this.ruler, this.border, new ColourBar(viewer));
    this.overlays = [...byId("overlay").options]; // of every study
    setOptions(byId("window-preset"), [...Object.keys(windows), "manual"], "soft-tissue");
    viewer.set({ window: windows["soft-tissue"] });
    this.listen();
  }

  listen() {
    const { viewer } = this;
    byId("overlay").addEventListener("change", () => this.chooseOverlay());
    byId("overlay-mode").addEventListener("change", () => this.setMode(byId("overlay-mode").value));
    byId("opacity").addEventListener("input", () => this.setOpacity(Number(byId("opacity").value)));
    byId("wipe-position").addEventListener("input", () => viewer.set({ wipe: Number(byId("wipe-position").value) }));
    byId("window-preset").addEventListener("change", () => this.windows[byId("window-preset").value] && viewer.set({ window: this.windows[byId("window-preset").value] }));
    byId("layout").addEventListener("change", () => viewer.set({ layout: byId("layout").value }));
    byId("flicker").addEventListener("click", () => this.flicker());
    byId("measure").addEventListener("click", () => this.measure());
    byId("fov-border").addEventListener("click", () => this.toggleBorder());
    viewer.addEventListener("window", () => this.showWindow());
    viewer.addEventListener("layout", () => this.showLayout());
    viewer.addEventListener("crosshair", () => this.showValues());
    viewer.addEventListener("further", () => this.showFurther());
    viewer.addEventListener("tool", () => setPressed(byId("measure"), viewer.tool === this.ruler));
    this.showWindow();
  }

  // Initial overlay: the fused image, or the MR at half opacity before a fusion.
  setInitial(isFused) {
    if (this.isFused === isFused) return;
    this.isFused = isFused;
    byId("overlay").options[0].disabled = !isFused;
    this.setOverlay(isFused ? 0 : 1);
    this.setOpacity(isFused ? 1 : 0.5);
  }

  clear() {
    this.isFused = null;
    this.showFurther();
    this.rendering.clear();
    for (const id of ["position", "ct-value", "mr-value", "fused-value"]) byId(id).textContent = "–";
  }

  // PET and SPECT keep an opacity of their own, so that the CT is visible below their colours.
  chooseOverlay() {
    const overlay = byId("overlay").value;
    const kind = this.viewer.furtherNamed(overlay)?.isColour ? "colour" : "grey";
    if (kind !== this.opacityKind) {
      this.opacities[this.opacityKind] = Number(byId("opacity").value);
      this.opacityKind = kind;
      this.setOpacity(this.opacities[kind]);
    }
    this.viewer.set({ overlay });
  }

  // An overlay and a value at the crosshair for each further image; a chosen one stays chosen.
  showFurther() {
    const { further } = this.viewer;
    const chosen = byId("overlay").value;
    byId("overlay").replaceChildren(...this.overlays, ...further.map(({ label, name }) => new Option(label, name)));
    byId("overlay").value = chosen;
    if (!byId("overlay").value) this.setOverlay(0);
    this.furtherValues = further.map(() => createElement("dd"));
    for (const shown of byId("readout").querySelectorAll(".further")) shown.remove();
    byId("readout").append(...further.map(({ label }, i) => createElement("div", { className: "further" }, createElement("dt", { textContent: label }), this.furtherValues[i])));
    this.showValues();
  }

  setOpacity(value) {
    const opacity = Math.min(Math.max(value, 0), 1);
    byId("opacity").value = opacity;
    byId("opacity-value").textContent = `${Math.round(opacity * 100)} %`;
    this.viewer.set({ opacity });
  }

  setMode(mode) {
    byId("wipe-position").hidden = mode !== "wipe";
    byId("opacity").hidden = byId("opacity-value").hidden = mode === "wipe";
    this.viewer.set({ mode });
  }

  showWindow() {
    const [width, level] = this.viewer.window.map(Math.round);
    const known = Object.keys(this.windows).find((name) => String(this.windows[name]) === String(this.viewer.window));
    byId("window-preset").value = known ?? "manual";
    byId("window-value").textContent = `${width} / ${level}`;
  }

  showLayout() {
    const { layout } = this.viewer;
    byId("layout").value = layout;
    const [left, top, width, height] = RENDERING_AREA.map((fraction) => `${fraction * 100}%`);
    Object.assign(byId("rendering-area").style, { left, top, width, height });
    byId("rendering-area").hidden = layout !== "rendering";
    this.render();
  }

  // Render the fused image, or the CT before a fusion.
  async render() {
    const { viewer } = this;
    if (byId("rendering-area").hidden || !viewer.isShowing) return;
    const [width, level] = viewer.window;
    if (viewer.fused) await this.rendering.show(viewer.fused, [0, FULL_SCALE]);
    else await this.rendering.show(viewer.ct, [level - width / 2, level + width / 2]);
    this.rendering.cutAt(viewer.crosshair[2] / viewer.ct.size[2]);
    document.body.dataset.rendered = "yes";
  }

  showValues() {
    const { viewer } = this;
    if (!viewer.isShowing) return;
    const { lps, hu, mr, fused, further } = viewer.readout();
    const position = ["LR", "PA", "SI"].map(([plus, minus], axis) => `${Math.abs(lps[axis]).toFixed(1)} ${lps[axis] < 0 ? minus : plus}`);
    byId("position").textContent = `${position.join("  ")} mm`;
    byId("ct-value").textContent = `${Math.round(hu)} HU`;
    byId("mr-value").textContent = shortNumber(mr);
    further.forEach((value, i) => (this.furtherValues[i].textContent = `${shortNumber(value)} ${viewer.further[i].unit}`.trim()));
    byId("fused-value").textContent = fused === null ? "–" : fused.toFixed(3);
    if (!byId("rendering-area").hidden) this.rendering.cutAt(viewer.crosshair[2] / viewer.ct.size[2]);
  }

  flicker() {
    const { viewer } = this;
    if (this.flickering) {
      clearInterval(this.flickering);
      this.flickering = null;
      viewer.set({ opacity: Number(byId("opacity").value) });
    } else {
      let isShown = false;
      this.flickering = setInterval(() => viewer.set({ opacity: (isShown = !isShown) ? 1 : 0 }), FLICKER_MS);
    }
    setPressed(byId("flicker"), Boolean(this.flickering));
  }

  measure() {
    this.viewer.setTool(this.viewer.tool === this.ruler ? null : this.ruler);
  }

  toggleBorder() {
    this.border.toggle();
    setPressed(byId("fov-border"), this.border.isShown);
  }

  setOverlay(index) {
    if (index >= byId("overlay").options.length) return;
    byId("overlay").selectedIndex = index;
    byId("overlay").dispatchEvent(new Event("change"));
  }

  get keys() {
    const { viewer } = this;
    const overlays = Array.from({ length: MAX_KEY }, (_, index) => [index + 1, () => this.setOverlay(index)]);
    return {
      ...Object.fromEntries(overlays),
      ArrowLeft: () => viewer.move(-1, 0, 0), // radiological: the screen's left is the patient's right
      ArrowRight: () => viewer.move(1, 0, 0),
      ArrowUp: () => viewer.move(0, -1, 0),
      ArrowDown: () => viewer.move(0, 1, 0),
      PageUp: () => viewer.move(0, 0, 1),
      PageDown: () => viewer.move(0, 0, -1),
      "[": () => this.setOpacity(Number(byId("opacity").value) - OPACITY_STEP),
      "]": () => this.setOpacity(Number(byId("opacity").value) + OPACITY_STEP),
      "+": () => viewer.zoomBy(ZOOM_STEP),
      "-": () => viewer.zoomBy(1 / ZOOM_STEP),
      0: () => viewer.resetZoom(),
      f: () => this.flicker(),
      c: () => selectNext(byId("overlay-mode")),
      w: () => selectNext(byId("window-preset")),
      p: () => selectNext(byId("layout")),
      m: () => this.measure(),
      o: () => this.toggleBorder(),
    };
  }
}
