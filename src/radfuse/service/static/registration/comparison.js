// Named alignments of the study, and the comparison of two of them by flicker and by their difference in the head.

import * as api from "../api.js";
import { byId, createElement, setPressed, showErrors } from "../dom.js";
import { text, textNodes } from "../text.js";
import { MR } from "./alignment.js";

const FLICKER_MS = 600;
const SIDES = ["a", "b"];
const EDITED = "edited", START = "start"; // values of options besides the saved alignments

export class Comparison {
  constructor(viewer, alignment) {
    Object.assign(this, { viewer, alignment, study: null, list: [], side: null, timer: null });
    viewer.layers.push(this);
    this.build();
    const on = (id, action, kind = "click") => byId(id).addEventListener(kind, showErrors(action, "alignments-error"));
    on("save-alignment", (event) => this.save(event), "submit");
    on("load-alignment", () => this.load());
    on("rename-alignment", () => this.rename());
    on("replace-alignment", () => this.replace());
    on("delete-alignment", () => this.remove());
    on("compare-alignments", () => this.toggle());
    on("flicker-alignments", () => this.flicker());
    byId("alignments").addEventListener("change", () => this.showButtons());
    for (const side of SIDES) on(`side-${side}`, () => this.restart(), "change");
    for (const kind of ["change", "leave"]) alignment.addEventListener(kind, () => this.stop());
    alignment.addEventListener("change", () => this.label !== alignment.label && this.showList());
  }

  build() {
    const button = (id, ...content) => createElement("button", { type: "button", id }, ...content);
    const row = (...children) => createElement("div", { className: "row" }, ...children);
    const side = (name) => createElement("select", { id: `side-${name}`, ariaLabel: text(`alignments.side-${name}`) });
    byId("alignments-section").append(
      createElement("form", { id: "save-alignment" },
        createElement("label", { htmlFor: "alignment-name" }, text("alignments.name")),
        row(createElement("input", { id: "alignment-name", maxLength: 64, required: true }), createElement("button", { type: "submit" }, text("alignments.save"))),
      ),
      createElement("label", { htmlFor: "alignments" }, text("alignments.saved")),
      createElement("select", { id: "alignments" }),
      row(button("load-alignment", text("alignments.load")), button("replace-alignment", text("alignments.replace")), button("rename-alignment", text("alignments.rename")), button("delete-alignment", text("alignments.delete"))),
      createElement("h3", {}, text("alignments.compare-title")),
      row(side("a"), side("b")),
      row(button("compare-alignments", ...textNodes("alignments.compare")), button("flicker-alignments", text("alignments.flicker"))),
      createElement("p", { id: "alignments-difference", role: "status" }),
      createElement("p", { id: "alignments-error", role: "alert", hidden: true }),
    );
    this.showList();
  }

  async open(study) {
    this.stop();
    Object.assign(this, { study, list: [] });
    this.showList();
    const list = await api.alignments(study);
    if (this.study === study) Object.assign(this, { list }), this.showList();
  }

  // Those of the edited image.
  get ofImage() {
    return this.list.filter(({ image }) => image === this.alignment.label);
  }

  get chosen() {
    return this.ofImage.find(({ id }) => id === byId("alignments").value);
  }

  // The saved alignments, and on each side of the comparison also the edited and the starting one.
  showList(chosen = byId("alignments").value) {
    const list = this.ofImage, label = ({ name, problem }) => (problem ? text("alignments.unusable", { name }) : name);
    this.label = this.alignment.label;
    byId("alignments").replaceChildren(...list.map((one) => new Option(label(one), one.id)));
    byId("alignments").value = list.some(({ id }) => id === chosen) ? chosen : (list[0]?.id ?? "");
    SIDES.forEach((side, i) => {
      const select = byId(`side-${side}`), before = select.value;
      const usable = list.filter(({ image_from_ct }) => image_from_ct);
      select.replaceChildren(new Option(text("alignments.edited"), EDITED), new Option(text("alignments.start"), START), ...usable.map((one) => new Option(one.name, one.id)));
      select.value = before;
      if (select.selectedIndex < 0) select.selectedIndex = i;
    });
    this.showButtons();
  }

  showButtons() {
    const { chosen } = this;
    for (const id of ["rename-alignment", "delete-alignment"]) byId(id).disabled = !chosen;
    byId("load-alignment").disabled = !chosen?.image_from_ct;
    byId("replace-alignment").disabled = !chosen || chosen.revision === 0;
    byId("alignments").title = chosen?.problem ?? "";
  }

  async update(request, chosen) {
    const { study } = this;
    const stored = await request;
    const list = await api.alignments(study);
    if (this.study === study) Object.assign(this, { list }), this.showList(stored?.id ?? chosen);
  }

  async save(event) {
    event.preventDefault();
    if (!this.viewer.isShowing) throw new Error(text("studies.open-first"));
    this.stop();
    const { label, fromCt } = this.alignment;
    await this.update(api.addAlignment(this.study, { name: byId("alignment-name").value, image: label, image_from_ct: fromCt }));
    byId("alignment-name").value = "";
  }

  load() {
    this.alignment.change({ fromCt: this.chosen.image_from_ct }, "loaded");
  }

  async rename() {
    const { id, revision } = this.chosen, name = byId("alignment-name").value.trim();
    if (!name) throw new Error(text("alignments.type-name"));
    await this.update(api.changeAlignment(this.study, id, { revision, name }));
    byId("alignment-name").value = "";
  }

  async replace() {
    const { id, revision } = this.chosen;
    this.stop();
    await this.update(api.changeAlignment(this.study, id, { revision, image_from_ct: this.alignment.fromCt }));
  }

  async remove() {
    const { id, name } = this.chosen;
    if (confirm(text("alignments.confirm", { name }))) await this.update(api.removeAlignment(this.study, id), "");
  }

  matrixOf(side) {
    const { value } = byId(`side-${side}`);
    if (value === EDITED) return this.alignment.fromCt;
    return value === START ? this.alignment.initial : this.list.find(({ id }) => id === value).image_from_ct;
  }

  get isComparing() {
    return this.side !== null;
  }

  // Show A, then B and so on; the alignment that was edited is displayed again at the end.
  async toggle() {
    if (this.isComparing) return this.show(this.side === "a" ? "b" : "a");
    await this.start();
  }

  async start() {
    const { study, viewer, alignment: { image } } = this;
    if (!viewer.isShowing) throw new Error(text("studies.open-first"));
    if (viewer.layout === "landmarks") viewer.set({ layout: "planes" });
    if (!viewer.imageLayers.isShown(image)) viewer.set({ overlay: image === MR ? "magenta-green" : image });
    this.show("a");
    const difference = await api.compareAlignments(study, { first: this.matrixOf("a"), second: this.matrixOf("b") });
    if (this.study !== study || !this.isComparing) return;
    const { centre_mm, max_mm, rotation_deg } = difference;
    byId("alignments-difference").textContent = text("alignments.difference", { centre: centre_mm.toFixed(1), largest: max_mm.toFixed(1), degrees: rotation_deg.toFixed(2) });
  }

  show(side) {
    this.side = side;
    this.alignment.display(this.matrixOf(side));
    byId("compare-alignments").replaceChildren(...textNodes(`alignments.showing-${side}`));
    setPressed(byId("compare-alignments"), true);
    this.blockFusion();
  }

  async flicker() {
    if (this.timer) return this.stop();
    if (!this.isComparing) await this.start();
    this.timer = setInterval(() => this.show(this.side === "a" ? "b" : "a"), FLICKER_MS);
    setPressed(byId("flicker-alignments"), true);
  }

  async restart() {
    const wasFlickering = Boolean(this.timer), wasComparing = this.isComparing;
    this.stop();
    if (wasFlickering) await this.flicker();
    else if (wasComparing) await this.start();
  }

  // End the comparison and display the edited alignment again.
  stop() {
    clearInterval(this.timer);
    const wasComparing = this.isComparing;
    Object.assign(this, { timer: null, side: null });
    if (!wasComparing) return;
    this.alignment.display(this.alignment.fromCt);
    byId("compare-alignments").replaceChildren(...textNodes("alignments.compare"));
    byId("alignments-difference").textContent = "";
    for (const id of ["compare-alignments", "flicker-alignments"]) setPressed(byId(id), false);
    this.blockFusion();
  }

  // The name of the displayed side, as a layer of the viewer.
  draw(context, viewport) {
    if (!this.isComparing) return;
    const label = `${this.side.toUpperCase()}: ${byId(`side-${this.side}`).selectedOptions[0].text}`;
    this.viewer.write(label, viewport.left + viewport.width / 2, viewport.top + 30 * viewport.ratio, "center");
  }

  // Nothing is fused while another alignment is displayed than the one that is edited.
  blockFusion() {
    for (const id of ["refine", "use-unrefined"]) byId(id).disabled = this.isComparing;
  }

  get keys() {
    return { b: showErrors(() => this.toggle(), "alignments-error"), ...(this.isComparing ? { Escape: () => this.stop() } : {}) };
  }
}
