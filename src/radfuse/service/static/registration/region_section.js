// The region that a registration of the MR is restricted to: a structure, or a box that is drawn on the planes. It is stored with the
// study, and its changes are undone with those of the alignment.

import * as api from "../api.js";
import { byId, createElement, setPressed, showErrors } from "../dom.js";
import { text } from "../text.js";
import { MR } from "./alignment.js";
import { BoxTool } from "./box_tool.js";
import { SavedValue } from "./saved_value.js";

const FIELDS = { roi: "roi", metric_mask: "metric-mask" }; // of the region, and their selects
const BOX = "box"; // value of their option
const INITIAL_MM = [120, 120, 100];
const AXES = ["left", "posterior", "superior"];

export class RegionSection {
  constructor(viewer, alignment) {
    Object.assign(this, { viewer, alignment, structures: [], tool: new BoxTool(viewer), shown: null, saved: null });
    viewer.layers.push(this.tool);
    this.build();
    byId("draw-box").addEventListener("click", () => this.toggle());
    byId("box-at-crosshair").addEventListener("click", () => this.centre());
    byId("remove-box").addEventListener("click", () => this.setBox(null));
    for (const [field, id] of Object.entries(FIELDS)) byId(id).addEventListener("change", () => this.change({ [field]: byId(id).value }, "region-chosen"));
    this.tool.addEventListener("change", () => this.showBox());
    this.tool.addEventListener("end", () => this.setBox(this.tool.box));
    alignment.addEventListener("change", () => this.show());
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
      createElement("p", { id: "region-status", className: "warning", role: "status" }),
      createElement("p", { id: "region-error", role: "alert", hidden: true }),
    );
    this.showBox();
  }

  // Leave a study: a region that is not saved yet is still saved.
  close() {
    this.saved?.close();
    this.saved = null;
  }

  // Load the region of a study.
  async open(study) {
    const { alignment } = this;
    const saved = (this.saved = new SavedValue({
      read: () => api.region(study),
      write: (revision, region) => api.saveRegion(study, revision, region),
      valueOf: ({ box, roi, metric_mask }) => ({ box, roi, metric_mask }),
      get: () => alignment.region,
      load: (region) => alignment.loadRegion(region),
      replace: (region) => (alignment.edit(MR), alignment.change({ region }, "region-elsewhere")),
    }));
    saved.addEventListener("status", () => saved === this.saved && this.showStatus());
    await showErrors(() => saved.open(), "region-error")();
  }

  showStatus() {
    const { isLoaded, isSaved, problem } = this.saved;
    const unsaved = problem && text(isLoaded ? "region.not-saved" : "region.not-loaded", { problem });
    byId("region-status").textContent = problem === "conflict" ? text("region.conflict") : unsaved;
    document.body.dataset.regionSaved = isLoaded && isSaved ? "yes" : "no";
  }

  change(changes, label) {
    this.alignment.change({ region: { ...this.alignment.region, ...changes } }, label);
  }

  // A new box restricts what counts in the search, until the user chooses otherwise; without a box nothing is restricted to it.
  setBox(box) {
    const { region } = this.alignment;
    if (JSON.stringify(box) === JSON.stringify(region.box)) return;
    const unchosen = Object.keys(FIELDS).filter((field) => region[field] === BOX).map((field) => [field, ""]);
    const choices = !box ? Object.fromEntries(unchosen) : region.box ? {} : { metric_mask: BOX };
    this.change({ box, ...choices }, !box ? "box-removed" : region.box ? "box-changed" : "box-drawn");
  }

  // The region after any change of it, also by undo; further images are registered without one.
  show() {
    const { region, image } = this.alignment;
    byId("region-fields").hidden = image !== MR;
    if (image !== MR) this.leave();
    this.saved?.saveSoon();
    if (region === this.shown) return;
    this.shown = region;
    this.tool.set(region.box);
  }

  // Structures that a registration may be restricted to; a chosen one stays chosen.
  showStructures(list) {
    this.structures = list;
    this.showOptions();
  }

  showOptions() {
    for (const [field, id] of Object.entries(FIELDS)) {
      const chosen = this.alignment.region[field], box = this.tool.box ? [new Option(text("region.box"), BOX)] : [];
      const options = [new Option(text("registration.whole-head"), ""), ...box, ...this.structures.map((one) => new Option(one.name, one.id))];
      byId(id).replaceChildren(...options);
      byId(id).value = options.some(({ value }) => value === chosen) ? chosen : "";
    }
  }

  // The regions of the next registration, by field of the request: a structure's identifier, a box, or empty.
  get masks() {
    const regionOf = (id) => (byId(id).value === BOX ? this.tool.box : byId(id).value);
    return Object.fromEntries(Object.entries(FIELDS).map(([field, id]) => [field, regionOf(id)]));
  }

  showBox() {
    const { box } = this.tool;
    byId("remove-box").disabled = !box;
    byId("box-size").hidden = !box;
    this.showOptions();
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
    const { viewer, tool } = this;
    if (viewer.isShowing) this.setBox(tool.around(viewer.crosshair, tool.box ? tool.sizeMm : INITIAL_MM));
  }

  resize() {
    const { tool } = this;
    const sizes = this.sizes.map((field, axis) => (field.value && field.checkValidity() ? Number(field.value) : tool.sizeMm[axis]));
    this.setBox(tool.around(tool.centre, sizes));
    this.showBox(); // also where the size was not valid
  }

  leave() {
    if (this.viewer.tool === this.tool) this.viewer.setTool(null);
  }
}
