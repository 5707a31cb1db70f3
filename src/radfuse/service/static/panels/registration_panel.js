// The Registration panel: manual registration by a tool, values and landmark pairs, displayed at once; then a refinement.

import * as api from "../api.js";
import { byId, createElement, showErrors } from "../dom.js";
import { AlignSection } from "../registration/align_section.js";
import { Alignment } from "../registration/alignment.js";
import { text } from "../text.js";
import { apply } from "../viewer/geometry.js";

const MIN_PAIRS = 3;
const MASKS = ["roi", "metric-mask"]; // the selects

export class RegistrationPanel {
  // `fuse` starts a fusion with options.
  constructor(viewer, fuse) {
    Object.assign(this, { viewer, fuse, fitted: null, alignment: new Alignment(viewer) });
    this.align = new AlignSection(viewer, this.alignment);
    viewer.layers.push(this);
    this.alignment.addEventListener("change", () => this.show());
    byId("add-pair").addEventListener("click", () => this.add());
    byId("fit-pairs").addEventListener("click", showErrors(() => this.fit(), "registration-error"));
    byId("refine").addEventListener("click", showErrors(() => this.run(true), "registration-error"));
    byId("use-unrefined").addEventListener("click", showErrors(() => this.run(false), "registration-error"));
    byId("reset-registration").addEventListener("click", () => this.setAlignment(this.alignment.initial, "reset"));
  }

  get pairs() {
    return this.alignment.pairs;
  }

  // Start from the last registration, or from the initial alignment. Pairs stay with their study.
  open(study, mrFromCt) {
    const isOther = this.study !== study;
    this.study = study;
    this.alignment.open(mrFromCt, "start", isOther);
  }

  // Leave the tab.
  leave() {
    if (this.viewer.tool === this.align.tool) this.viewer.setTool(null);
  }

  // Structures that a registration may be restricted to; a chosen one stays chosen.
  showStructures(list) {
    for (const id of MASKS) {
      const chosen = byId(id).value;
      const options = [new Option(text("registration.whole-head"), ""), ...list.map((one) => new Option(one.name, one.id))];
      byId(id).replaceChildren(...options);
      byId(id).value = list.some((one) => one.id === chosen) ? chosen : "";
    }
  }

  // The structures to which the next registration is restricted, by field of the request.
  get masks() {
    return Object.fromEntries(MASKS.map((id) => [id.replace("-", "_"), byId(id).value]));
  }

  // Change the alignment; `label` names the change.
  setAlignment(mrFromCt, label) {
    if (mrFromCt) this.alignment.change({ mrFromCt }, label);
  }

  setPairs(pairs, label) {
    this.alignment.change({ pairs }, label);
  }

  add() {
    if (!this.viewer.isShowing) return;
    if (this.viewer.layout !== "landmarks") this.viewer.set({ layout: "landmarks" });
    this.setPairs([...this.pairs, this.viewer.landmarkPair()], "pair-added");
  }

  async fit() {
    const { study, pairs } = this;
    const response = await api.fitLandmarks(study, pairs);
    if (this.study !== study || !this.viewer.isShowing || pairs !== this.pairs) return;
    this.fitted = { ...response, pairs };
    this.setAlignment(response.mr_from_ct, "fit");
  }

  // The fit of the pairs as they are; null where they were changed since.
  get currentFit() {
    return this.fitted?.pairs === this.pairs ? this.fitted : null;
  }

  show() {
    byId("pairs").hidden = this.pairs.length === 0;
    byId("fit-pairs").disabled = this.pairs.length < MIN_PAIRS;
    byId("pairs").tBodies[0].replaceChildren(...this.pairs.map((_, i) => this.row(i)));
    const fit = this.currentFit;
    byId("fit-result").textContent = fit ? text("registration.fitted", { mm: fit.rms_mm.toFixed(1), count: this.pairs.length }) : "";
    this.viewer.requestDraw();
  }

  row(i) {
    const remove = createElement("button", { type: "button", textContent: "×", ariaLabel: text("registration.remove-pair", { number: i + 1 }) });
    remove.addEventListener("click", () => this.setPairs(this.pairs.toSpliced(i, 1), "pair-removed"));
    return createElement("tr", {}, createElement("td", { textContent: i + 1 }), createElement("td", { textContent: this.currentFit?.errors_mm[i].toFixed(1) ?? "–" }), createElement("td", {}, remove));
  }

  async run(refine) {
    if (!this.viewer.isShowing) throw new Error(text("studies.open-first"));
    await this.fuse({ mr_from_ct: this.viewer.mrFromCt, refine });
  }

  // Draw the pairs, as a layer of the viewer.
  draw(context, viewport, index) {
    if (this.viewer.layout !== "landmarks") return;
    this.pairs.forEach(({ ct, mr }, i) => {
      const voxel = viewport.show === "mr" ? this.viewer.ctFromMr(mr) : apply(this.viewer.ct.voxelFromMm, ct);
      if (Math.abs(voxel[viewport.across] - index) > 2) return;
      const [x, y] = viewport.toScreen(voxel);
      context.strokeStyle = "#56b4e9";
      context.strokeRect(x - 4 * viewport.ratio, y - 4 * viewport.ratio, 8 * viewport.ratio, 8 * viewport.ratio);
      this.viewer.write(String(i + 1), x + 7 * viewport.ratio, y - 8 * viewport.ratio, "left");
    });
  }

  get keys() {
    return { ...this.align.keys, l: () => this.add(), x: () => this.viewer.selectCrosshair(!this.viewer.isMrActive) };
  }
}
