// The region that a registration is restricted to: a structure, or a box that is drawn on the planes.

import { byId, createElement, setPressed } from "../dom.js";
import { text } from "../text.js";
import { BoxTool } from "./box_tool.js";

const MASKS = ["roi", "metric-mask"]; // the selects
const BOX = "box"; // value of their option
const INITIAL_MM = [120, 120, 100];
const AXES = ["left", "posterior", "superior"];

export class RegionSection {
  constructor(viewer) {
    Object.assign(this, { viewer, structures: [], tool: new BoxTool(viewer) });
    viewer.layers.push(this.tool);
    this.build();
    byId("draw-box").addEventListener("click", () => this.toggle());
    byId("box-at-crosshair").addEventListener("click", () => this.centre());
    byId("remove-box").addEventListener("click", () => this.tool.set(null));
    this.tool.addEventListener("change", () => this.showBox());
    viewer.addEventListener("tool", () => this.showTool());
  }

  build() {
    const button = (id, label) => createElement("button", { type: "button", id }, label);
    this.sizes = AXES.map((axis) => createElement("input", { id: `box-${axis}`, type: "number", min: 1, max: 600, step: 1, disabled: true, ariaLabel: text(`region.size-${axis}`) }));
    for (const field of this.sizes) field.addEventListener("change", () => this.resize());
    byId("region-section").append(
      createElement("div", { className: "row" }, button("draw-box", text("region.draw")), button("box-at-crosshair", text("region.at-crosshair")), button("remove-box", text("region.remove"))),
      createElement("p", { id: "box-hint", className: "quiet", hidden: true }, text("region.hint")),
      createElement("div", { id: "box-size", className: "row", hidden: true }, createElement("span", {}, text("region.size")), ...this.sizes),
    );
    this.showBox();
  }

  // Structures that a registration may be restricted to; a chosen one stays chosen.
  showStructures(list) {
    this.structures = list;
    this.showOptions();
  }

  showOptions() {
    const box = this.tool.box ? [new Option(text("region.box"), BOX)] : [];
    for (const id of MASKS) {
      const chosen = byId(id).value;
      const options = [new Option(text("registration.whole-head"), ""), ...box, ...this.structures.map((one) => new Option(one.name, one.id))];
      byId(id).replaceChildren(...options);
      byId(id).value = options.some(({ value }) => value === chosen) ? chosen : "";
    }
  }

  // The regions of the next registration, by field of the request: a structure's identifier, a box, or empty.
  get masks() {
    const regionOf = (id) => (byId(id).value === BOX ? this.tool.box : byId(id).value);
    return Object.fromEntries(MASKS.map((id) => [id.replace("-", "_"), regionOf(id)]));
  }

  // A new box restricts what counts in the search, until the user chooses otherwise.
  showBox() {
    const { box } = this.tool, isNew = box && byId("remove-box").disabled;
    byId("remove-box").disabled = !box;
    byId("box-size").hidden = !box;
    this.showOptions();
    if (isNew) byId("metric-mask").value = BOX;
    this.sizes.forEach((field, axis) => {
      field.disabled = !box;
      if (box) field.value = Math.round(this.tool.sizeMm[axis]);
    });
  }

  toggle() {
    const { viewer, tool } = this;
    if (viewer.tool === tool) return viewer.setTool(null);
    if (!viewer.isShowing) return;
    if (viewer.layout === "landmarks") viewer.set({ layout: "planes" });
    if (viewer.frame !== "ct") viewer.set({ frame: "ct" });
    viewer.setTool(tool);
  }

  showTool() {
    const isChosen = this.viewer.tool === this.tool;
    setPressed(byId("draw-box"), isChosen);
    byId("box-hint").hidden = !isChosen;
  }

  centre() {
    if (this.viewer.isShowing) this.tool.setAround(this.viewer.crosshair, this.tool.box ? this.tool.sizeMm : INITIAL_MM);
  }

  resize() {
    const sizes = this.sizes.map((field, axis) => (field.value && field.checkValidity() ? Number(field.value) : this.tool.sizeMm[axis]));
    this.tool.setAround(this.tool.centre, sizes);
  }

  leave() {
    if (this.viewer.tool === this.tool) this.viewer.setTool(null);
  }
}
