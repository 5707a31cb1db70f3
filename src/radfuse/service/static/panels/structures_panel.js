// The Structures panel: list of structures, drawing tools, files and comparison.

import * as api from "../api.js";
import { byId, createElement, setPressed, showErrors } from "../dom.js";
import { ContourLayer } from "../structures/contour_layer.js";
import { DeletedSection } from "../structures/deleted_section.js";
import { OperationsSection } from "../structures/operations_section.js";
import { SlicesSection } from "../structures/slices_section.js";
import { StatisticsSection } from "../structures/statistics_section.js";
import { standardName, structureItem } from "../structures/structure_item.js";
import { StructureStore } from "../structures/structure_store.js";
import { Suggestion } from "../structures/suggestion.js";
import { Brush } from "../structures/tools/brush.js";
import { Freehand, Polygon } from "../structures/tools/outlines.js";
import { RegionGrowing } from "../structures/tools/region_growing.js";
import { locale, text } from "../text.js";

const BRUSH_STEP_MM = 1;
const DIGITS = {
  dice: 3,
  surface_dice: 3,
  hausdorff_95_mm: 2,
  mean_distance_mm: 2,
  volume_difference_cm3: 2,
  added_path_mm: 0,
};

export class StructuresPanel {
  // `mrBlocker` returns why the displayed MR differs from the registered one, or an empty string.
  constructor(viewer, { names, mrBlocker }) {
    Object.assign(this, { viewer, mrBlocker, store: new StructureStore(), isErasing: false, study: null });
    this.layer = new ContourLayer(this.store);
    viewer.layers.push(this.layer);
    this.tools = { crosshair: null, brush: new Brush(this), polygon: new Polygon(this), freehand: new Freehand(this), grow: new RegionGrowing(this) };
    this.suggestion = new Suggestion(this);
    new OperationsSection(this);
    new StatisticsSection(this);
    new DeletedSection(this);
    this.slices = new SlicesSection(this);
    byId("structure-names").replaceChildren(...names.map((value) => createElement("option", { value })));
    this.store.addEventListener("change", () => this.show());
    this.store.addEventListener("saving", () => this.showSaving());
    this.listen();
    this.chooseTool("crosshair");
  }

  listen() {
    const on = (id, action, kind = "click") => byId(id).addEventListener(kind, showErrors(action, "structures-error"));
    for (const button of byId("tools").querySelectorAll("[data-tool]")) button.addEventListener("click", () => this.chooseTool(button.dataset.tool));
    byId("add-structure").addEventListener("submit", showErrors((event) => this.add(event), "add-error"));
    on("erase", () => this.erase());
    on("undo", () => this.undo());
    on("redo", () => this.store.redo());
    on("interpolate", () => this.interpolate());
    on("smooth-contours", () => this.setSmooth(byId("smooth-contours").checked), "change");
    for (const id of ["limit-values", "value-image"]) on(id, () => this.offerRange(), "change");
    on("export-rtstruct", () => this.exportFiles("rtstruct"));
    on("export-nifti", () => this.exportFiles("nifti"));
    on("import", () => byId("import-files").click());
    on("import-files", () => this.importFiles(), "change");
    on("comparison", (event) => this.compare(event), "submit");
    for (const id of ["compared", "reference", "tolerance-mm"]) byId(id).addEventListener("input", () => byId("agreement").replaceChildren());
    byId("brush-mm").addEventListener("input", () => this.setBrush(Number(byId("brush-mm").value)));
    for (const kind of ["tool", "layout"]) this.viewer.addEventListener(kind, () => this.showTool());
  }

  get brushMm() {
    return Number(byId("brush-mm").value);
  }

  showError(text) {
    byId("structures-error").textContent = text;
    byId("structures-error").hidden = false;
  }

  async open(study, volume) {
    if (this.study === study) return;
    this.chooseTool("crosshair");
    const problems = await this.store.open(study, volume);
    this.study = this.store.study;
    if (problems.length) this.showError(problems.join(" "));
  }

  // Save everything before another study is opened.
  async saveAll() {
    this.viewer.setTool(null);
    await this.store.ensureSaved();
  }

  close() {
    this.study = null;
    this.store.close();
    this.store.notify();
    for (const id of ["files-status", "agreement", "structures-error", "add-error"]) byId(id).replaceChildren();
  }

  chooseTool(name) {
    this.viewer.setTool(this.tools[name]);
    if (name !== "crosshair") byId("structures-error").textContent = "";
  }

  showTool() {
    if (this.viewer.frame === "ct" && byId("structures-error").textContent === text("tool.ct-planes")) byId("structures-error").textContent = "";
    const tool = Object.keys(this.tools).find((name) => this.tools[name] === this.viewer.tool);
    byId("tool-hint").textContent = this.viewer.frame !== "ct" ? text("tool.ct-planes") : tool ? text(`tool.${tool}`) : "";
    for (const button of byId("tools").querySelectorAll("[data-tool]")) setPressed(button, this.tools[button.dataset.tool] === this.viewer.tool);
  }

  erase() {
    this.isErasing = !this.isErasing;
    setPressed(byId("erase"), this.isErasing);
  }

  setSmooth(isSmooth) {
    this.store.isSmooth = isSmooth;
    this.viewer.requestDraw();
  }

  setBrush(mm) {
    byId("brush-mm").value = mm;
    byId("brush-size").textContent = `${byId("brush-mm").value} mm`;
    this.viewer.requestDraw();
  }

  requireActive() {
    if (!this.store.active) throw new Error(text("structures.add-first"));
    return this.store.active;
  }

  async add(event) {
    event.preventDefault();
    const name = standardName(byId("structure-name").value.trim());
    if (!this.study) throw new Error(text("studies.open-first"));
    if (!name) throw new Error(text("structures.name-missing"));
    await this.store.add(name);
    byId("structure-name").value = "";
    this.chooseTool("brush");
  }

  async grow(voxel, isErasing) {
    await showErrors(async () => {
      const structure = this.requireActive();
      const image = byId("grow-image").value;
      const reason = image === "mr" && this.mrBlocker();
      if (reason) throw new Error(reason);
      const { value, max } = byId("max-distance-mm");
      const request = { image, voxel, multiplier: Number(byId("multiplier").value), max_distance_mm: Math.min(Math.max(Number(value), 1), Number(max)) };
      const { runs } = await api.growRegion(this.study, request);
      this.apply(structure, runs, isErasing, "region-growing");
    }, "structures-error")();
  }

  async interpolate() {
    await this.suggestion.ask(this.study, this.requireActive());
  }

  // Add runs to a structure, or erase them, as one undoable step; ignored for a structure of another study.
  apply(structure, runs, isErasing, step) {
    if (!this.store.list.includes(structure)) return;
    const masks = Object.entries(runs).map(([slice, flat]) => [Number(slice), structure.combined(Number(slice), flat, isErasing)]);
    this.store.edit(structure, new Map(masks), step);
  }

  // A stroke that has not ended is a step of its own.
  undo() {
    this.tools.brush.up();
    return this.store.undo();
  }

  // Values that the brush is limited to; null for all.
  get range() {
    if (!byId("limit-values").checked) return null;
    const [low, high] = ["value-low", "value-high"].map((id) => Number(byId(id).value));
    return { image: byId("value-image").value, low, high };
  }

  // Offer the displayed range of an image as values of the brush.
  offerRange() {
    byId("value-range").hidden = !byId("limit-values").checked;
    if (!this.viewer.isShowing) return;
    const range = this.viewer.rangeOf(byId("value-image").value);
    ["value-low", "value-high"].forEach((id, i) => (byId(id).value = Math.round(range[i])));
  }

  async exportFiles(format) {
    const { study } = this, image = format === "rtstruct" ? byId("rtstruct-image").value : "ct";
    byId("files-status").textContent = "";
    const reason = image === "mr" && this.mrBlocker();
    if (reason) throw new Error(reason);
    if (this.store.list.every((one) => one.slices.size === 0)) throw new Error(text("structures.nothing-drawn"));
    await this.store.ensureSaved();
    const { files, notes } = await api.exportStructures(study, { format, smooth: this.store.isSmooth, image });
    if (this.study !== study) return;
    const links = files.map((name) => createElement("a", { href: api.exportUrl(study, name), download: name, textContent: name }));
    byId("files-status").replaceChildren(text("structures.saved-files"), " ", ...links.flatMap((link) => [link, " "]), notes.join(" "));
    byId("files-status").hidden = false;
    links.forEach((link) => link.click());
  }

  async importFiles() {
    const { study } = this;
    const files = [...byId("import-files").files];
    byId("import-files").value = byId("files-status").textContent = "";
    if (!files.length) return;
    if (!study) throw new Error(text("studies.open-first"));
    const { path } = await api.upload(files);
    const name = files[0].name.replace(/\.(nii\.gz|\w+)$/, ""); // for a mask, which has no name of its own
    const response = await api.importStructures(study, { path, name });
    await this.store.addImported(study, response.structures);
    if (this.study !== study) return;
    byId("files-status").textContent = text("structures.read", { names: response.structures.map((one) => one.name).join(", "), notes: response.notes.join(" ") });
    byId("files-status").hidden = false;
  }

  async compare(event) {
    event.preventDefault();
    await this.store.ensureSaved();
    const request = { first: byId("compared").value, reference: byId("reference").value, tolerance_mm: Number(byId("tolerance-mm").value) };
    const response = await api.compareStructures(this.study, request);
    if (request.first !== byId("compared").value || request.reference !== byId("reference").value) return;
    byId("agreement").replaceChildren(
      ...Object.entries(DIGITS).flatMap(([key, digits]) => [createElement("dt", { textContent: text(`measure.${key}`) }), createElement("dd", { textContent: response[key]?.toFixed(digits) ?? "–" })]),
    );
    byId("agreement").scrollIntoView({ block: "nearest" });
  }

  show() {
    const { list, active, done, undone } = this.store;
    const focused = document.activeElement?.dataset?.key;
    byId("structures").replaceChildren(...list.map((one) => structureItem(one, { store: this.store, isActive: one === active, choose: () => this.choose(one), redraw: () => this.viewer.requestDraw() })));
    this.showActive();
    if (focused) byId("structures").querySelector(`[data-key="${focused}"]`)?.focus();
    byId("undo").disabled = !done.length;
    byId("redo").disabled = !undone.length;
    for (const [i, id] of ["compared", "reference"].entries()) {
      const chosen = list.find((one) => one.id === byId(id).value) ?? list[i];
      byId(id).replaceChildren(...list.map((one) => new Option(one.name, one.id, false, one === chosen)));
    }
    byId("comparison").hidden = list.length < 2;
    byId("agreement").replaceChildren();
    this.viewer.requestDraw();
  }

  // Scroll the list, and nothing else, to the active structure.
  showActive() {
    const item = byId("structures").children[this.store.list.indexOf(this.store.active)], box = byId("structures").getBoundingClientRect();
    if (!item) return;
    const { top, bottom } = item.getBoundingClientRect();
    byId("structures").scrollTop += bottom > box.bottom ? bottom - box.bottom : Math.min(top - box.top, 0);
  }

  choose(structure) {
    this.store.active = structure;
    this.showSlice(structure);
    this.store.notify();
  }

  // Go to the middle slice of a structure, unless the current slice has it.
  showSlice(structure) {
    const slices = [...structure.slices.keys()].sort((a, b) => a - b);
    const { crosshair } = this.viewer;
    if (!slices.length || structure.slices.has(crosshair[2])) return;
    this.viewer.setCrosshair([crosshair[0], crosshair[1], slices[slices.length >> 1]]);
  }

  showSaving() {
    const { isSaved, saved, problem, notice } = this.store;
    const status = isSaved ? (saved ? text("structures.saved-at", { time: saved.toLocaleTimeString(locale) }) : "") : problem ? text("structures.retrying", { problem }) : text("structures.saving");
    byId("save-status").textContent = [notice, status, isSaved && problem ? `${problem}.` : ""].filter(Boolean).join(" ");
    byId("save-status").classList.toggle("warning", Boolean(problem));
    document.body.dataset.saved = isSaved ? "yes" : "";
  }

  get keys() {
    const polygon = this.tools.polygon, redo = showErrors(() => this.store.redo(), "structures-error");
    return {
      v: () => this.chooseTool("crosshair"),
      b: () => this.chooseTool("brush"),
      g: () => this.chooseTool("polygon"),
      h: () => this.chooseTool("freehand"),
      r: () => this.chooseTool("grow"),
      e: () => this.erase(),
      i: showErrors(() => this.interpolate(), "structures-error"),
      ",": () => this.setBrush(this.brushMm - BRUSH_STEP_MM),
      ".": () => this.setBrush(this.brushMm + BRUSH_STEP_MM),
      Enter: () => (this.suggestion.structure ? this.suggestion.accept() : polygon.finish()),
      Escape: () => (this.suggestion.structure ? this.suggestion.discard() : this.viewer.tool?.cancel?.()),
      n: showErrors(() => this.slices.copy(1), "structures-error"),
      Delete: showErrors(() => this.slices.clearSlice(), "structures-error"),
      Backspace: () => polygon.removeLast(),
      "ctrl+z": showErrors(() => this.undo(), "structures-error"),
      "ctrl+y": redo,
      "ctrl+shift+z": redo,
    };
  }
}
