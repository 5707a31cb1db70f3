// The Registration panel: manual registration by sliders and landmark pairs, displayed at once; then a refinement.

import * as api from "../api.js";
import { byId, createElement, showErrors } from "../dom.js";
import { apply, inverse, multiply, rigidMotion } from "../viewer/geometry.js";

const MIN_PAIRS = 3;
const MASKS = ["roi", "metric-mask"]; // the selects
const SLIDERS = [
  ...["left", "posterior", "superior"].map((direction) => ({ name: `translation ${direction}`, unit: "mm", max: 100, step: 0.5 })),
  ...["left", "posterior", "superior"].map((direction) => ({ name: `rotation about ${direction}`, unit: "°", max: 45, step: 0.5 })),
];

export class RegistrationPanel {
  // `fuse` starts a fusion with options.
  constructor(viewer, fuse) {
    Object.assign(this, { viewer, fuse, pairs: [], errors: [], initial: null });
    this.sliders = SLIDERS.map((slider) => this.addSlider(slider));
    viewer.layers.push(this);
    byId("add-pair").addEventListener("click", () => this.add());
    byId("fit-pairs").addEventListener("click", showErrors(() => this.fit(), "registration-error"));
    byId("refine").addEventListener("click", showErrors(() => this.run(true), "registration-error"));
    byId("use-unrefined").addEventListener("click", showErrors(() => this.run(false), "registration-error"));
    byId("reset-registration").addEventListener("click", () => this.reset());
  }

  // Start from the last registration, or from the initial alignment. Pairs stay with their study.
  open(study, mrFromCt) {
    if (this.study !== study) Object.assign(this, { study, pairs: [] });
    this.initial = mrFromCt;
    this.reset();
  }

  // Structures that a registration may be restricted to; a chosen one stays chosen.
  showStructures(list) {
    for (const id of MASKS) {
      const chosen = byId(id).value;
      const options = [new Option("the whole head", ""), ...list.map((one) => new Option(one.name, one.id))];
      byId(id).replaceChildren(...options);
      byId(id).value = list.some((one) => one.id === chosen) ? chosen : "";
    }
  }

  // The structures to which the next registration is restricted, by field of the request.
  get masks() {
    return Object.fromEntries(MASKS.map((id) => [id.replace("-", "_"), byId(id).value]));
  }

  addSlider({ name, unit, max, step }) {
    const id = name.replace(/ /g, "-");
    const input = createElement("input", { type: "range", id, min: -max, max, step, value: 0 });
    const output = createElement("output", { textContent: `0 ${unit}` });
    input.addEventListener("input", () => this.onSlide());
    byId("sliders").append(createElement("label", { htmlFor: id }, name, " ", output), input);
    return { input, output, unit };
  }

  // Set the alignment and centre the sliders.
  setAlignment(mrFromCt) {
    this.base = mrFromCt;
    for (const { input, output, unit } of this.sliders) (input.value = 0), (output.textContent = `0 ${unit}`);
    if (this.viewer.isShowing) this.viewer.setAlignment(mrFromCt);
    this.show();
  }

  reset() {
    this.errors = [];
    byId("fit-result").textContent = "";
    this.setAlignment(this.initial);
  }

  // Sliders rotate the MR about the centre of the CT.
  onSlide() {
    const { ct } = this.viewer;
    if (!ct) return;
    const values = this.sliders.map(({ input, output, unit }) => ((output.textContent = `${input.value} ${unit}`), Number(input.value)));
    const centre = apply(ct.mmFromVoxel, ct.size.map((size) => (size - 1) / 2));
    this.viewer.setAlignment(multiply(this.base, inverse(rigidMotion(values.slice(0, 3), values.slice(3), centre))));
  }

  add() {
    if (!this.viewer.isShowing) return;
    if (this.viewer.layout !== "landmarks") this.viewer.set({ layout: "landmarks" });
    this.pairs.push(this.viewer.landmarkPair());
    this.errors = [];
    this.show();
  }

  async fit() {
    const { study } = this;
    const response = await api.fitLandmarks(study, this.pairs);
    if (this.study !== study || !this.viewer.isShowing) return;
    this.setAlignment(response.mr_from_ct);
    this.errors = response.errors_mm;
    byId("fit-result").textContent = `Root mean square ${response.rms_mm.toFixed(1)} mm over ${this.pairs.length} pairs. Small errors show that the pairs agree, not that they are correct: check the images.`;
    this.show();
  }

  show() {
    byId("pairs").hidden = this.pairs.length === 0;
    byId("fit-pairs").disabled = this.pairs.length < MIN_PAIRS;
    byId("pairs").tBodies[0].replaceChildren(...this.pairs.map((_, i) => this.row(i)));
    this.viewer.requestDraw();
  }

  row(i) {
    const remove = createElement("button", { type: "button", textContent: "×", ariaLabel: `Remove pair ${i + 1}` });
    remove.addEventListener("click", () => {
      this.pairs.splice(i, 1);
      this.errors = [];
      this.show();
    });
    return createElement("tr", {}, createElement("td", { textContent: i + 1 }), createElement("td", { textContent: this.errors[i]?.toFixed(1) ?? "–" }), createElement("td", {}, remove));
  }

  async run(refine) {
    if (!this.viewer.isShowing) throw new Error("Open a CT and an MR first.");
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
    return { l: () => this.add(), x: () => this.viewer.selectCrosshair(!this.viewer.isMrActive) };
  }
}
