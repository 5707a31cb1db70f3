// The toolbar of the viewer: overlay and its mode, planes, ruler; and the values at the crosshair.

import { byId, createElement, selectNext, setPressed, showText } from "../dom.js";
import { ColourBar } from "../marks/colour_bar.js";
import { FULL_SCALE } from "../viewer/compose.js";
import { FovBorder } from "../marks/fov_border.js";
import { text } from "../text.js";
import { Rendering, canRender } from "../viewer/rendering.js";
import { Ruler } from "../marks/ruler.js";
import { RENDERING_AREA } from "../viewer/viewports.js";
import { DisplayPanel } from "./display_panel.js";
import { WindowControls } from "./window_controls.js";

const OPACITY_STEP = 0.1;
const MAX_KEY = 9; // of an overlay
const FLICKER_MS = 500;
const ZOOM_STEP = 1.25;

const shortNumber = (value) => (value === null ? "–" : Number(value.toPrecision(4)).toString());

export class Toolbar {
  constructor(viewer, windows) {
    Object.assign(this, { viewer, flickering: null, rendering: new Rendering(byId("rendering")) });
    this.ruler = new Ruler(viewer);
    this.border = new FovBorder(viewer);
    viewer.layers.push(this.ruler, this.border, new ColourBar(viewer));
    this.overlays = [...byId("overlay").options]; // of every study
    this.several = new Option(text("display.several-layers"), "");
    this.window = new WindowControls(viewer, windows);
    this.display = new DisplayPanel(viewer);
    this.listen();
  }

  listen() {
    const { viewer } = this;
    byId("overlay").addEventListener("change", () => this.chooseOverlay());
    byId("overlay-mode").addEventListener("change", () => this.setMode(byId("overlay-mode").value));
    byId("opacity").addEventListener("input", () => this.setOpacity(Number(byId("opacity").value)));
    byId("wipe-position").addEventListener("input", () => viewer.set({ wipe: Number(byId("wipe-position").value) }));
    byId("layout").addEventListener("change", () => viewer.set({ layout: byId("layout").value }));
    byId("flicker").addEventListener("click", () => this.flicker());
    byId("measure").addEventListener("click", () => this.measure());
    byId("fov-border").addEventListener("click", () => this.toggleBorder());
    viewer.addEventListener("layout", () => this.showLayout());
    viewer.addEventListener("crosshair", () => this.showValues());
    viewer.addEventListener("further", () => this.showFurther());
    viewer.addEventListener("layers", () => this.showLayers());
    viewer.addEventListener("tool", () => setPressed(byId("measure"), viewer.tool === this.ruler));
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

  // Show an image alone. An opacity goes from one grey image to the next; PET and SPECT have their own, so that the CT is
  // visible below their colours.
  chooseOverlay() {
    const { viewer } = this;
    const { imageLayers } = viewer;
    const before = imageLayers.top;
    viewer.set({ overlay: byId("overlay").value });
    const isColour = (layer) => Boolean(viewer.furtherNamed(layer?.name)?.isColour);
    if (before && !isColour(before) && !isColour(imageLayers.top)) viewer.set({ opacity: before.opacity });
  }

  // The overlay that is shown alone, and the opacity of the uppermost layer.
  showLayers() {
    const { overlay, opacity } = this.viewer;
    this.several.remove();
    if (!overlay) byId("overlay").append(this.several);
    byId("overlay").value = overlay;
    byId("opacity").value = opacity;
    byId("opacity-value").textContent = `${Math.round(opacity * 100)} %`;
  }

  // An overlay and a value at the crosshair for each further image; a chosen one stays chosen.
  showFurther() {
    const { further } = this.viewer;
    byId("overlay").replaceChildren(...this.overlays, ...further.map(({ label, name }) => new Option(label, name)));
    this.showLayers();
    this.furtherValues = further.map(() => createElement("dd"));
    for (const shown of byId("readout").querySelectorAll(".further")) shown.remove();
    byId("readout").append(...further.map(({ label }, i) => createElement("div", { className: "further" }, createElement("dt", { textContent: label }), this.furtherValues[i])));
    this.showValues();
  }

  setOpacity(value) {
    this.viewer.set({ opacity: Math.min(Math.max(value, 0), 1) });
  }

  setMode(mode) {
    byId("wipe-position").hidden = mode !== "wipe";
    byId("opacity").hidden = byId("opacity-value").hidden = mode === "wipe";
    this.viewer.set({ mode });
  }

  showLayout() {
    const { layout } = this.viewer;
    byId("layout").value = layout;
    const [left, top, width, height] = RENDERING_AREA.map((fraction) => `${fraction * 100}%`);
    Object.assign(byId("rendering-area").style, { left, top, width, height });
    byId("rendering-area").hidden = layout !== "rendering" || this.viewer.maximised !== null;
    this.render();
  }

  // Render the fused image, or the CT before a fusion.
  async render() {
    const { viewer } = this;
    if (byId("rendering-area").hidden || !viewer.isShowing) return;
    showText("rendering-missing", canRender() ? "" : text("viewer.no-webgl"));
    if (!canRender()) return;
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
      viewer.set({ hasOverlay: true });
    } else {
      let isShown = false;
      this.flickering = setInterval(() => viewer.set({ hasOverlay: (isShown = !isShown) }), FLICKER_MS);
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
    if (!byId("overlay").options[index]?.value) return;
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
      w: () => this.window.next(),
      p: () => selectNext(byId("layout")),
      m: () => this.measure(),
      o: () => this.toggleBorder(),
      ...this.display.keys,
    };
  }
}
