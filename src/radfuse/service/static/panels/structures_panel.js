// The panel of drawing: structures, tools, files, comparison.

import * as api from "../api.js";
import { at, attempt, made, press } from "../dom.js";
import { fromRuns } from "../structures/masks.js";
import { StructureLayer, Structures } from "../structures/structures.js";
import { Brush } from "../structures/brush.js";
import { Grow } from "../structures/grow.js";
import { Freehand, Polygon } from "../structures/outlines.js";

const BRUSH_STEP_MM = 1;
const HINTS = {
  cursor: "Choose a tool to draw in axial planes.",
  brush: "Drag in an axial plane.",
  polygon: "Click corners; click the first one or press Enter to close.",
  freehand: "Drag around the structure.",
  grow: "Click inside the structure: what is like it and touches it is added.",
};
const MEASURES = {
  dice: ["Dice", 3],
  surface_dice: ["Surface Dice", 3],
  hausdorff_95_mm: ["95 % Hausdorff, mm", 2],
  mean_distance_mm: ["Mean surface distance, mm", 2],
  volume_difference_cm3: ["Volume difference, cm³", 2],
  added_path_mm: ["Added path length, mm", 0],
};

export class StructuresPanel {
  // `misaligned` says why the MR on the screen does not lie as a registration has it, or nothing.
  constructor(viewer, { names, misaligned }) {
    Object.assign(this, { viewer, misaligned, structures: new Structures(), isErasing: false, study: null });
    this.layer = new StructureLayer(this.structures);
    viewer.layers.push(this.layer);
    this.tools = { cursor: null, brush: new Brush(this), polygon: new Polygon(this), freehand: new Freehand(this), grow: new Grow(this) };
    at("structure-names").replaceChildren(...names.map((value) => made("option", { value })));
    this.structures.addEventListener("change", () => this.show());
    this.structures.addEventListener("saving", () => this.showSaving());
    this.listen();
    this.choose("cursor");
  }

  listen() {
    const does = (id, work, kind = "click") => at(id).addEventListener(kind, attempt(work, "complaint"));
    for (const button of at("tools").querySelectorAll("[data-tool]")) button.addEventListener("click", () => this.choose(button.dataset.tool));
    does("adding", (event) => this.add(event), "submit");
    does("erase", () => this.erase());
    does("undo", () => this.structures.undo());
    does("redo", () => this.structures.redo());
    does("interpolate", () => this.interpolate());
    does("export-rtstruct", () => this.save("rtstruct"));
    does("export-nifti", () => this.save("nifti"));
    does("import", () => at("import-files").click());
    does("import-files", () => this.load(), "change");
    does("comparing", (event) => this.compare(event), "submit");
    for (const id of ["first", "reference", "tolerance-mm"]) at(id).addEventListener("input", () => at("agreement").replaceChildren());
    at("brush-mm").addEventListener("input", () => this.setBrush(Number(at("brush-mm").value)));
    this.viewer.addEventListener("tool", () => this.showTool());
  }

  get brushMm() {
    return Number(at("brush-mm").value);
  }

  complain(text) {
    at("complaint").textContent = text;
    at("complaint").hidden = false;
  }

  async open(study, volume) {
    if (this.study === study) return;
    this.choose("cursor");
    const problems = await this.structures.open(study, volume);
    this.study = this.structures.study;
    if (problems.length) this.complain(problems.join(" "));
  }

  // Before another study is opened: everything must be saved.
  async leave() {
    this.viewer.setTool(null);
    await this.structures.settled();
  }

  close() {
    this.study = null;
    this.structures.close();
    this.structures.changed();
    for (const id of ["exported", "agreement", "complaint"]) at(id).replaceChildren();
  }

  choose(name) {
    this.viewer.setTool(this.tools[name]);
    if (name !== "cursor") at("complaint").textContent = "";
  }

  showTool() {
    at("tool-hint").textContent = HINTS[Object.keys(this.tools).find((name) => this.tools[name] === this.viewer.tool)] ?? "";
    for (const button of at("tools").querySelectorAll("[data-tool]")) press(button, this.tools[button.dataset.tool] === this.viewer.tool);
  }

  erase() {
    this.isErasing = !this.isErasing;
    press(at("erase"), this.isErasing);
  }

  setBrush(mm) {
    at("brush-mm").value = mm;
    at("brush-size").textContent = `${at("brush-mm").value} mm`;
    this.viewer.requestDraw();
  }

  needed() {
    if (!this.structures.active) throw new Error("Add a structure first: type a name and press Add.");
    return this.structures.active;
  }

  async add(event) {
    event.preventDefault();
    const name = at("structure-name").value.trim();
    if (!this.study) throw new Error("Open a CT and an MR first.");
    if (!name) throw new Error("Type a name, such as GTVp.");
    await this.structures.add(name);
    at("structure-name").value = "";
    this.choose("brush");
  }

  async grow(voxel, isErasing) {
    await attempt(async () => {
      const structure = this.needed();
      const image = at("grow-in").value;
      const why = image === "mr" && this.misaligned();
      if (why) throw new Error(why);
      const { value, max } = at("reach-mm");
      const asked = { image, voxel, multiplier: Number(at("multiplier").value), reach_mm: Math.min(Math.max(Number(value), 1), Number(max)) };
      const { runs } = await api.grow(this.study, asked);
      this.join(structure, runs, isErasing);
    }, "complaint")();
  }

  async interpolate() {
    const structure = this.needed();
    const { runs } = await api.interpolate(this.study, structure.runs());
    this.join(structure, runs);
  }

  // Add runs to what is drawn, or take them away, as one step that can be undone; late answers are dropped.
  join(structure, runs, isErasing = false) {
    if (!this.structures.list.includes(structure)) return;
    const size = this.viewer.ct.size[0] * this.viewer.ct.size[1];
    const after = new Map();
    for (const [key, of] of Object.entries(runs)) {
      const mask = structure.slices.get(Number(key))?.slice() ?? new Uint8Array(size);
      fromRuns(of, size).forEach((value, i) => value && (mask[i] = isErasing ? 0 : 1));
      after.set(Number(key), mask);
    }
    this.structures.edit(structure, after);
  }

  async save(format) {
    const { study } = this;
    at("exported").textContent = "";
    if (this.structures.list.every((one) => one.slices.size === 0)) throw new Error("Nothing is drawn yet.");
    await this.structures.settled();
    const { files, notes } = await api.exportStructures(study, format);
    if (this.study !== study) return;
    const links = files.map((name) => made("a", { href: api.exportOf(study, name), download: name, textContent: name }));
    at("exported").replaceChildren("Saved: ", ...links.flatMap((link) => [link, " "]), notes.join(" "));
    at("exported").hidden = false;
    links.forEach((link) => link.click());
  }

  async load() {
    const { study } = this;
    const files = [...at("import-files").files];
    at("import-files").value = at("exported").textContent = "";
    if (!files.length) return;
    if (!study) throw new Error("Open a CT and an MR first.");
    const { path } = await api.upload(files);
    const name = files[0].name.replace(/\.(nii\.gz|\w+)$/, ""); // for a mask, which has none in itself
    const told = await api.importStructures(study, { path, name });
    await this.structures.take(study, told.structures);
    if (this.study !== study) return;
    at("exported").textContent = `Read ${told.structures.map((one) => one.name).join(", ")}. ${told.notes.join(" ")}`;
    at("exported").hidden = false;
  }

  async compare(event) {
    event.preventDefault();
    await this.structures.settled();
    const asked = { first: at("first").value, reference: at("reference").value, tolerance_mm: Number(at("tolerance-mm").value) };
    const told = await api.compareStructures(this.study, asked);
    if (asked.first !== at("first").value || asked.reference !== at("reference").value) return;
    at("agreement").replaceChildren(
      ...Object.entries(MEASURES).flatMap(([key, [words, digits]]) => [made("dt", { textContent: words }), made("dd", { textContent: told[key]?.toFixed(digits) ?? "–" })]),
    );
  }

  show() {
    const { list, active, done, undone } = this.structures;
    const focused = document.activeElement?.dataset?.key;
    at("structures").replaceChildren(...list.map((one) => this.item(one, one === active)));
    if (focused) at("structures").querySelector(`[data-key="${focused}"]`)?.focus();
    at("undo").disabled = !done.length;
    at("redo").disabled = !undone.length;
    for (const [i, id] of ["first", "reference"].entries()) {
      const chosen = list.find((one) => one.id === at(id).value) ?? list[i];
      at(id).replaceChildren(...list.map((one) => new Option(one.name, one.id, false, one === chosen)));
    }
    at("comparing").hidden = list.length < 2;
    at("agreement").replaceChildren();
    this.viewer.requestDraw();
  }

  item(structure, isActive) {
    const pick = made("button", { type: "button", className: "name", textContent: structure.name, title: "Draw in this structure" });
    press(pick, isActive);
    pick.addEventListener("click", () => ((this.structures.active = structure), this.jump(structure), this.show()));
    const colour = made("input", { type: "color", value: structure.colour, ariaLabel: `Colour of ${structure.name}` });
    colour.addEventListener("change", attempt(() => this.structures.describe(structure, { colour: colour.value }), "complaint"));
    const seen = made("input", { type: "checkbox", checked: structure.isVisible, ariaLabel: `Show ${structure.name}` });
    seen.addEventListener("change", () => ((structure.isVisible = seen.checked), this.viewer.requestDraw()));
    const remove = made("button", { type: "button", textContent: "×", ariaLabel: `Delete ${structure.name}` });
    remove.addEventListener("click", attempt(async () => confirm(`Delete ${structure.name} (${structure.cm3.toFixed(2)} cm³)? This cannot be undone.`) && (await this.structures.remove(structure)), "complaint"));
    for (const [key, control] of Object.entries({ seen, colour, pick, remove })) control.dataset.key = `${key} ${structure.id}`;
    return made("li", {}, seen, colour, pick, made("span", { className: "cm3", textContent: `${structure.cm3.toFixed(2)} cm³` }), remove);
  }

  // To the middle slice of a structure, if none of it is in sight.
  jump(structure) {
    const drawn = [...structure.slices.keys()].sort((a, b) => a - b);
    const { cursor } = this.viewer;
    if (!drawn.length || structure.slices.has(cursor[2])) return;
    this.viewer.setCursor([cursor[0], cursor[1], drawn[drawn.length >> 1]]);
  }

  showSaving() {
    const { isSaved, saved, problem } = this.structures;
    const words = isSaved ? (saved ? `Saved at ${saved.toLocaleTimeString()}.` : "") : problem ? `Not saved yet: ${problem}; trying again.` : "Saving…";
    at("saving").textContent = isSaved && problem ? `${words} ${problem}.` : words;
    at("saving").classList.toggle("untrusted", Boolean(problem));
    document.body.dataset.saved = isSaved ? "yes" : "";
  }

  get keys() {
    const polygon = this.tools.polygon;
    return {
      v: () => this.choose("cursor"),
      b: () => this.choose("brush"),
      g: () => this.choose("polygon"),
      h: () => this.choose("freehand"),
      r: () => this.choose("grow"),
      e: () => this.erase(),
      i: attempt(() => this.interpolate(), "complaint"),
      ",": () => this.setBrush(this.brushMm - BRUSH_STEP_MM),
      ".": () => this.setBrush(this.brushMm + BRUSH_STEP_MM),
      Enter: () => polygon.finish(),
      Escape: () => this.viewer.tool?.cancel?.(),
      Backspace: () => polygon.back(),
      "ctrl+z": () => this.structures.undo(),
      "ctrl+y": () => this.structures.redo(),
      "ctrl+shift+z": () => this.structures.redo(),
    };
  }
}
