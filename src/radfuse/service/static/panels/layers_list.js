// The list of image layers: visibility, colour map, opacity and order of each; the uppermost is first.

import { byId, createElement } from "../dom.js";
import { translated } from "../sentences.js";
import { text } from "../text.js";
import { COLOUR_MAPS } from "../viewer/compose.js";

export class LayersList {
  constructor(viewer) {
    this.viewer = viewer;
    viewer.addEventListener("layers", () => this.show());
  }

  show() {
    const layers = [...this.viewer.imageLayers.list].reverse();
    const key = JSON.stringify(layers.map(({ name }) => [name, this.viewer.labelOf(name)]));
    if (this.key !== key) this.build(layers);
    this.key = key;
    layers.forEach((layer, i) => this.showLayer(layer, this.rows[i]));
  }

  build(layers) {
    const focused = document.activeElement?.dataset?.key;
    this.rows = layers.map((layer, i) => this.row(layer, i, layers.length));
    byId("image-layers").replaceChildren(...this.rows.map(({ item }) => item));
    if (focused) byId("image-layers").querySelector(`[data-key="${focused}"]`)?.focus();
  }

  row(layer, number, count) {
    const { viewer } = this;
    const label = viewer.labelOf(layer.name);
    const change = (changes) => () => (Object.assign(layer, changes()), this.update());
    const visible = createElement("input", { type: "checkbox" });
    visible.addEventListener("change", change(() => ({ isShown: visible.checked })));
    const opacity = createElement("input", { type: "range", min: 0, max: 1, step: 0.01, ariaLabel: text("layers.opacity", { label }) });
    opacity.addEventListener("input", change(() => ({ opacity: Number(opacity.value) })));
    const map = createElement("select", { ariaLabel: text("layers.map", { label }) });
    map.replaceChildren(...Object.keys(COLOUR_MAPS).map((name) => new Option(name === "green" ? text("layers.magenta-green") : translated(name), name)));
    map.addEventListener("change", change(() => ({ map: map.value })));
    const up = this.arrow(layer, 1, "↑", text("layers.up", { label }), number === 0);
    const down = this.arrow(layer, -1, "↓", text("layers.down", { label }), number === count - 1);
    for (const [key, control] of Object.entries({ visible, opacity, map, up, down })) control.dataset.key = `${key} ${layer.name}`;
    const name = createElement("label", { className: "tick" }, visible, label);
    const item = createElement("li", {}, createElement("div", { className: "row" }, name, map, up, down), opacity);
    return { item, visible, opacity, map };
  }

  arrow(layer, step, symbol, label, disabled) {
    const button = createElement("button", { type: "button", textContent: symbol, ariaLabel: label, title: label, disabled });
    button.addEventListener("click", () => {
      this.viewer.imageLayers.move(layer, step);
      this.update();
    });
    return button;
  }

  showLayer({ isShown, opacity, map }, row) {
    row.visible.checked = isShown;
    row.opacity.value = opacity;
    row.map.value = map;
  }

  update() {
    this.viewer.requestDraw();
    this.viewer.notify("layers");
    this.viewer.notify("crosshair");
  }
}
