// The Display panel: layers and how they are composed, slab, orientation and link of the planes, what is drawn on them.

import { byId, createElement, setPressed } from "../dom.js";
import { text } from "../text.js";
import { ResidualOverlay } from "../marks/residual_overlay.js";
import { COMPOSITES } from "../viewer/compose.js";
import { SLAB_KINDS } from "../viewer/planes.js";
import { LayersList } from "./layers_list.js";

const FRAMES = ["ct", "mr"];
const NO_SLAB = "none";
const FIRST_SLAB_MM = 10, MAX_SLAB_MM = 200;
const SPYGLASS_MM = [5, 80]; // radius

export class DisplayPanel {
  constructor(viewer) {
    Object.assign(this, { viewer, residuals: new ResidualOverlay(viewer) });
    viewer.layers.push(this.residuals);
    byId("display-panel").append(this.layers(), this.planes(), this.marks());
    byId("show-display").addEventListener("click", () => this.toggle());
    this.list = new LayersList(viewer);
    for (const kind of ["layout", "layers"]) viewer.addEventListener(kind, () => this.show());
    this.list.show();
    this.show();
  }

  toggle() {
    byId("display-panel").hidden = !byId("display-panel").hidden;
    byId("show-display").setAttribute("aria-expanded", String(!byId("display-panel").hidden));
  }

  layers() {
    const { viewer } = this;
    const list = createElement("ul", { id: "image-layers", ariaLabel: text("layers.title") });
    const options = Object.keys(COMPOSITES).map((name) => new Option(text(`composite.${name}`), name));
    this.composite = field("composite", "select", text("composite.title"), () => viewer.set({ composite: this.composite.control.value }), {}, options);
    this.spyglass = field("spyglass-radius", "input", text("display.spyglass-radius"), () => this.setSpyglass(), { type: "range", min: SPYGLASS_MM[0], max: SPYGLASS_MM[1], value: viewer.spyglassMm });
    return section(text("layers.title"), list, ...this.composite.elements, ...this.spyglass.elements);
  }

  planes() {
    const { viewer } = this;
    const frames = FRAMES.map((name) => new Option(text(`frame.${name}`), name));
    this.frame = field("frame", "select", text("frame.title"), () => viewer.set({ frame: this.frame.control.value }), {}, frames);
    const kinds = [NO_SLAB, ...Object.keys(SLAB_KINDS)].map((name) => new Option(text(`slab.${name}`), name));
    this.slab = field("slab", "select", text("slab.title"), () => this.setSlab(), {}, kinds);
    this.thickness = field("slab-mm", "input", text("slab.thickness"), () => this.setSlab(), { type: "number", min: 0.5, max: MAX_SLAB_MM, step: "any", value: FIRST_SLAB_MM });
    this.linked = tick(text("display.linked"), (isLinked) => (isLinked ? viewer.views.link() : viewer.views.unlink()));
    const zoom = createElement("div", { className: "row" }, this.button("fit-head", text("display.fit-head"), () => viewer.fitHead()), this.button("show-all", text("display.show-all"), () => viewer.resetZoom()));
    this.maximise = this.button("maximise", text("display.maximise"), () => viewer.toggleMaximised());
    return section(text("display.planes"), ...this.frame.elements, ...this.slab.elements, ...this.thickness.elements, this.linked.element, zoom, createElement("div", { className: "row" }, this.maximise));
  }

  marks() {
    const { viewer } = this;
    this.hasMarks = tick(text("display.marks"), (hasMarks) => viewer.set({ hasMarks }));
    this.residual = tick(text("display.residuals"), (isShown) => this.residuals.show(isShown));
    this.residual.input.disabled = true;
    return section(text("display.on-planes"), this.hasMarks.element, this.residual.element);
  }

  button(id, textContent, action) {
    const made = createElement("button", { type: "button", id, textContent });
    made.addEventListener("click", () => this.viewer.isShowing && action());
    return made;
  }

  setSlab() {
    const kind = this.slab.control.value, mm = this.thickness.control.valueAsNumber;
    const isSlab = kind !== NO_SLAB && mm > 0;
    this.viewer.set({ slab: isSlab ? { mm: Math.min(mm, MAX_SLAB_MM), kind } : { mm: 0, kind: "max" } });
    this.show();
  }

  setSpyglass() {
    this.viewer.spyglassMm = Number(this.spyglass.control.value);
    this.viewer.requestDraw();
  }

  // Residuals of the skull by region and the centre of the brain, LPS mm; none before a fusion.
  setResiduals(residuals, centreMm) {
    this.residuals.set(residuals, centreMm);
    this.residual.input.disabled = !this.residuals.isKnown;
  }

  show() {
    const { viewer } = this;
    this.composite.control.value = viewer.composite;
    this.frame.control.value = viewer.frame;
    this.slab.control.value = viewer.slab.mm ? viewer.slab.kind : NO_SLAB;
    this.thickness.control.disabled = !viewer.slab.mm && this.slab.control.value === NO_SLAB;
    this.linked.input.checked = viewer.views.isLinked;
    this.hasMarks.input.checked = viewer.hasMarks;
    setPressed(this.maximise, viewer.maximised !== null);
  }

  get keys() {
    const { viewer } = this;
    return { d: () => this.toggle(), t: () => viewer.isShowing && viewer.toggleMaximised(), Home: () => viewer.fitHead() };
  }
}

function section(title, ...children) {
  return createElement("section", {}, createElement("h2", { textContent: title }), ...children);
}

// A labelled control.
function field(id, tag, label, onChange, properties = {}, children = []) {
  const control = createElement(tag, { id, ...properties }, ...children);
  control.addEventListener(properties.type === "range" ? "input" : "change", onChange);
  return { control, elements: [createElement("label", { htmlFor: id, textContent: label }), control] };
}

function tick(label, onChange) {
  const input = createElement("input", { type: "checkbox" });
  input.addEventListener("change", () => onChange(input.checked));
  return { input, element: createElement("label", { className: "tick" }, input, label) };
}
