// Landmark pairs in the CT and the edited image, the MR or a further one: marked with two crosshairs, named, weighted, with errors that the server estimates.

import * as api from "../api.js";
import { byId, createElement, setPressed, showErrors } from "../dom.js";
import { text, textNodes } from "../text.js";
import { apply } from "../viewer/geometry.js";
import { LandmarkStore } from "./landmark_store.js";
import { Magnifier } from "./magnifier.js";

const MIN_PAIRS = 3;
const ESTIMATE_DELAY_MS = 200; // after a change
const MAX_WEIGHT = 100;
const COLOUR = "#56b4e9", OUTLIER = "#e69f00";
const mm = (value) => value?.toFixed(1) ?? "–";

export class LandmarksSection {
  constructor(viewer, alignment) {
    Object.assign(this, { viewer, alignment, estimate: null, fitted: null, chosen: null, rows: [], magnifier: new Magnifier(viewer), store: new LandmarkStore(viewer, alignment) });
    viewer.layers.push(this);
    this.build();
    alignment.addEventListener("change", () => this.show());
    this.store.addEventListener("status", () => this.showStatus());
    viewer.addEventListener("further", showErrors(() => this.store.openFurther(), "landmarks-error"));
    byId("add-pair").addEventListener("click", () => this.add());
    byId("fit-pairs").addEventListener("click", showErrors(() => this.fit(), "landmarks-error"));
    byId("move-pair").addEventListener("click", () => this.replaceChosen());
    byId("magnifier").addEventListener("click", () => this.toggleMagnifier());
  }

  build() {
    byId("landmarks-section").append(
      createElement("div", { className: "row" },
        createElement("button", { type: "button", id: "move-pair", disabled: true }, text("landmarks.replace")),
        createElement("button", { type: "button", id: "magnifier", ariaPressed: "true" }, ...textNodes("landmarks.magnifier")),
      ),
      createElement("p", { id: "landmark-errors", role: "status" }),
      createElement("p", { id: "landmarks-status", className: "quiet", role: "status" }),
      createElement("p", { id: "landmarks-error", role: "alert", hidden: true }),
    );
    setPressed(byId("magnifier"), true);
    const headings = ["number", "error", "left-out", "name", "weight"].map((name) => createElement("th", { scope: "col", title: text(`landmarks.${name}-title`) }, text(`landmarks.${name}`)));
    const remove = createElement("th", { scope: "col" }, createElement("span", { className: "visually-hidden" }, text("registration.remove")));
    byId("pairs").tHead.replaceChildren(createElement("tr", {}, ...headings, remove));
  }

  get pairs() {
    return this.alignment.pairs;
  }

  async open(study) {
    Object.assign(this, { study, chosen: null });
    await showErrors(() => this.store.open(study), "landmarks-error")();
  }

  // What the server computed for the pairs as they are; null where they were changed since.
  get current() {
    return this.estimate?.pairs === this.pairs ? this.estimate : null;
  }

  change(pairs, label, chosen = null) {
    this.chosen = chosen;
    this.alignment.change({ pairs }, label);
  }

  showLayout() {
    if (this.viewer.layout !== "landmarks") this.viewer.set({ layout: "landmarks" });
  }

  add() {
    if (!this.viewer.isShowing) return;
    this.showLayout();
    this.change([...this.pairs, { ...this.viewer.landmarkPair(), name: "", weight: 1 }], "pair-added");
  }

  edit(i, changes, label, chosen) {
    this.change(this.pairs.with(i, { ...this.pairs[i], ...changes }), label, chosen);
  }

  // Move both crosshairs to a pair, to check or move it.
  choose(i) {
    const { viewer } = this;
    this.chosen = i;
    this.showLayout();
    viewer.setCrosshair(apply(viewer.ct.voxelFromMm, this.pairs[i].ct));
    viewer.setCrosshair(viewer.ctFromImage(this.pairs[i].image), true);
    this.show();
  }

  // Move the chosen pair to the crosshairs.
  replaceChosen() {
    if (this.chosen !== null) this.edit(this.chosen, this.viewer.landmarkPair(), "pair-moved", this.chosen);
  }

  toggleMagnifier() {
    this.magnifier.toggle();
    setPressed(byId("magnifier"), this.magnifier.isOn);
  }

  async fit() {
    const { study, pairs } = this;
    const response = await api.fitLandmarks(study, pairs);
    if (this.study !== study || !this.viewer.isShowing || pairs !== this.pairs) return;
    this.estimate = this.fitted = { ...response, pairs };
    this.alignment.change({ fromCt: response.image_from_ct }, "fit");
  }

  // Compute the errors of changed pairs; the alignment stays as it is.
  estimateSoon() {
    clearTimeout(this.timer);
    if (this.pairs.length < MIN_PAIRS || this.current) return;
    this.timer = setTimeout(showErrors(() => this.estimateNow(), "landmarks-error"), ESTIMATE_DELAY_MS);
  }

  async estimateNow() {
    const { study, pairs } = this;
    const response = await api.fitLandmarks(study, pairs);
    if (this.study !== study || pairs !== this.pairs) return;
    this.estimate = { ...response, pairs };
    this.show();
  }

  show() {
    const { pairs, current, viewer, alignment: { image } } = this;
    if (viewer.aligned !== image) this.chosen = null, viewer.set({ aligned: image });
    if (this.chosen !== null && this.chosen >= pairs.length) this.chosen = null;
    byId("pairs").hidden = pairs.length === 0;
    byId("fit-pairs").disabled = pairs.length < MIN_PAIRS;
    byId("move-pair").disabled = this.chosen === null;
    this.showRows();
    const fit = this.fitted?.pairs === pairs ? this.fitted : null;
    byId("fit-result").textContent = fit ? text("registration.fitted", { mm: mm(fit.rms_mm), count: pairs.length }) : "";
    byId("landmark-errors").textContent = current ? this.errorsText(current) : "";
    this.estimateSoon();
    viewer.requestDraw();
  }

  errorsText({ leave_one_out_rms_mm, localization_mm, centre_mm, max_mm, outliers }) {
    const sentences = [
      leave_one_out_rms_mm === null ? text("landmarks.no-left-out") : text("landmarks.left-out-total", { mm: mm(leave_one_out_rms_mm) }),
      centre_mm === null ? "" : text("landmarks.expected", { centre: mm(centre_mm), largest: mm(max_mm), localization: mm(localization_mm) }),
      outliers.some(Boolean) ? text("landmarks.outliers") : "",
    ];
    return sentences.filter(Boolean).join(" ");
  }

  // A row for each pair; a field that is edited at the moment keeps its text.
  showRows() {
    const body = byId("pairs").tBodies[0];
    while (this.rows.length > this.pairs.length) this.rows.pop().element.remove();
    while (this.rows.length < this.pairs.length) this.rows.push(this.newRow(this.rows.length)), body.append(this.rows.at(-1).element);
    this.rows.forEach((row, i) => this.showRow(row, i));
  }

  newRow(i) {
    const number = i + 1;
    const cell = (className, ...content) => createElement("td", { className }, ...content);
    const go = createElement("button", { type: "button" });
    go.addEventListener("click", () => this.choose(i));
    const name = createElement("input", { maxLength: 64, ariaLabel: text("landmarks.name-of", { number }) });
    name.addEventListener("change", () => this.edit(i, { name: name.value.trim() }, "pair-named", this.chosen));
    const weight = createElement("input", { type: "number", min: 0.01, max: MAX_WEIGHT, step: "any", ariaLabel: text("landmarks.weight-of", { number }) });
    weight.addEventListener("change", () => this.setWeight(i, weight));
    const remove = createElement("button", { type: "button", textContent: "×", ariaLabel: text("registration.remove-pair", { number }) });
    remove.addEventListener("click", () => this.change(this.pairs.toSpliced(i, 1), "pair-removed"));
    const error = cell("error"), leftOut = cell("left-out");
    const element = createElement("tr", {}, cell("", go), error, leftOut, cell("name", name), cell("weight", weight), cell("", remove));
    return { element, go, error, leftOut, name, weight };
  }

  showRow({ element, go, error, leftOut, name, weight }, i) {
    const { current } = this, isOutlier = Boolean(current?.outliers[i]), number = i + 1;
    element.className = isOutlier ? "warning" : "";
    Object.assign(go, { textContent: isOutlier ? `⚠ ${number}` : number, ariaLabel: text(isOutlier ? "landmarks.go-to-outlier" : "landmarks.go-to", { number }) });
    setPressed(go, i === this.chosen);
    error.textContent = mm(current?.errors_mm[i]);
    leftOut.textContent = mm(current?.leave_one_out_mm[i]);
    for (const [field, value] of [[name, this.pairs[i].name], [weight, this.pairs[i].weight]]) if (document.activeElement !== field) field.value = value;
  }

  setWeight(i, field) {
    const weight = Number(field.value);
    if (field.value && field.checkValidity()) this.edit(i, { weight }, "pair-weighted", this.chosen);
    else field.reportValidity(), (field.value = this.pairs[i].weight);
  }

  showStatus() {
    const { isSaved, isLoaded, isOfOtherImages, current } = this.store, problem = current?.problem;
    const known = problem === "conflict" ? text("landmarks.conflict") : problem && text(isLoaded ? "landmarks.not-saved" : "landmarks.not-loaded", { problem });
    const state = this.pairs.length ? text(isSaved ? "landmarks.saved" : "landmarks.saving") : "";
    byId("landmarks-status").textContent = known || (isOfOtherImages && this.pairs.length ? text("landmarks.other-images") : state);
    byId("landmarks-status").className = known || isOfOtherImages ? "warning" : "quiet";
    document.body.dataset.landmarksSaved = isSaved ? "yes" : "no";
  }

  // Draw the pairs, as a layer of the viewer.
  draw(context, viewport, index) {
    if (this.viewer.layout !== "landmarks") return;
    const { ratio } = viewport;
    this.pairs.forEach(({ ct, image, name }, i) => {
      const voxel = this.viewer.hasMrCrosshair(viewport) ? this.viewer.ctFromImage(image) : apply(this.viewer.ct.voxelFromMm, ct);
      if (Math.abs(voxel[viewport.across] - index) > 2) return;
      const [x, y] = viewport.toScreen(voxel);
      context.strokeStyle = this.current?.outliers[i] ? OUTLIER : COLOUR;
      context.lineWidth = (i === this.chosen ? 3 : 1) * ratio;
      context.strokeRect(x - 4 * ratio, y - 4 * ratio, 8 * ratio, 8 * ratio);
      context.lineWidth = ratio;
      this.viewer.write([i + 1, name].filter(Boolean).join(" "), x + 7 * ratio, y - 8 * ratio, "left");
    });
  }

  get keys() {
    return { l: () => this.add(), x: () => this.viewer.selectCrosshair(!this.viewer.isMrActive), z: () => this.toggleMagnifier() };
  }
}
