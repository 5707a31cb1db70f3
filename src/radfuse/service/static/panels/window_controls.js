// Window of each image: width and level as presets, numbers, from the displayed slice, or by a drag in the image.

import { byId } from "../dom.js";
import { translated } from "../sentences.js";
import { text } from "../text.js";
import { OUTSIDE } from "../viewer/volume.js";

const MANUAL = "manual", INITIAL = "initial"; // presets; the initial window of the MR is its range in the head
const FIRST = "soft-tissue"; // window of the CT when the viewer opens
const TISSUE_HU = -300; // the darkest tissue that the automatic window of a CT counts
const TISSUE_SHARE = 0.05; // of an image's range, for other images
const PERCENTILES = [0.01, 0.99];
const TOLERANCE = 1e-6; // of two windows that are the same, in widths

export class WindowControls {
  // `presets` are width and level in HU of the CT, by name.
  constructor(viewer, presets) {
    Object.assign(this, { viewer, presets });
    viewer.set({ window: presets[FIRST] });
    byId("window-image").addEventListener("change", () => ((viewer.windowed = byId("window-image").value), this.show()));
    byId("window-preset").addEventListener("change", () => this.choosePreset());
    for (const id of ["window-width", "window-level"]) byId(id).addEventListener("change", () => this.setNumbers());
    byId("window-auto").addEventListener("click", () => this.setAutomatic());
    for (const kind of ["window", "layers"]) viewer.addEventListener(kind, () => this.show());
    this.show();
  }

  get name() {
    return this.viewer.windowed;
  }

  // Width and level of the chosen image.
  get window() {
    const [low, high] = this.viewer.rangeOf(this.name);
    return [high - low, (low + high) / 2];
  }

  set window([width, level]) {
    this.viewer.setRange(this.name, [level - width / 2, level + width / 2]);
  }

  show() {
    const { viewer } = this;
    const names = ["ct", ...viewer.imageLayers.list.map(({ name }) => name)];
    if (!names.includes(this.name)) viewer.windowed = "ct";
    const key = JSON.stringify(names.map((name) => [name, viewer.labelOf(name)]));
    if (this.shownNames !== key) byId("window-image").replaceChildren(...names.map((name) => new Option(viewer.labelOf(name), name)));
    this.shownNames = key;
    byId("window-image").value = this.name;
    this.showPresets();
    for (const [id, value] of [["window-width", this.window[0]], ["window-level", this.window[1]]]) if (document.activeElement !== byId(id)) byId(id).value = Number(value.toPrecision(4));
  }

  showPresets() {
    const presets = this.name === "ct" ? Object.keys(this.presets) : [INITIAL];
    const key = [...presets, this.initialText].join();
    if (this.shownPresets !== key) byId("window-preset").replaceChildren(...presets.map((name) => new Option(name === INITIAL ? this.initialText : translated(name), name)), new Option(text("window.manual"), MANUAL));
    this.shownPresets = key;
    byId("window-preset").value = presets.find((name) => this.isSame(this.presetOf(name))) ?? MANUAL;
  }

  get initialText() {
    return this.name === "mr" ? text("window.head") : text("window.initial");
  }

  // Width and level of a preset.
  presetOf(name) {
    if (name !== INITIAL) return this.presets[name];
    const [low, high] = this.viewer.initialRangeOf(this.name);
    return [high - low, (low + high) / 2];
  }

  isSame([width, level]) {
    const [shownWidth, shownLevel] = this.window;
    return Math.max(Math.abs(width - shownWidth), Math.abs(level - shownLevel)) <= TOLERANCE * width;
  }

  choosePreset() {
    const { value } = byId("window-preset");
    if (value !== MANUAL) this.window = this.presetOf(value);
  }

  setNumbers() {
    const [width, level] = [byId("window-width"), byId("window-level")].map((input) => input.valueAsNumber);
    if (width > 0 && Number.isFinite(level)) this.window = [width, level];
    else this.show();
  }

  // From the first to the last percentile of the tissue in the slice of the first viewport.
  setAutomatic() {
    const { viewer, name } = this;
    if (!viewer.isShowing || !viewer.viewports.length) return;
    const [viewport] = viewer.viewports;
    const step = viewer.stepOf(name), [low, high] = viewer.initialRangeOf(name);
    const least = (name === "ct" ? TISSUE_HU : low + TISSUE_SHARE * (high - low)) / step;
    const tissue = viewer.plane(name, viewport, viewport.indexOf(viewer.crosshairOf(viewport))).filter((value) => value !== OUTSIDE && value > least).sort();
    if (!tissue.length) return;
    const [first, last] = PERCENTILES.map((share) => tissue[Math.round(share * (tissue.length - 1))] * step);
    if (last > first) viewer.setRange(name, [first, last]);
  }

  // The next preset of the chosen image.
  next() {
    byId("window-preset").selectedIndex = (byId("window-preset").selectedIndex + 1) % (byId("window-preset").options.length - 1);
    this.choosePreset();
  }
}
