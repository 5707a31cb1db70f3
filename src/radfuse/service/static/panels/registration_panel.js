// Alignment by hand: sliders and pairs of landmarks, seen at once, then a search from there.

import * as api from "../api.js";
import { apply, inverse, motion, times } from "../viewer/geometry.js";
import { at, attempt, made } from "../dom.js";

const FEWEST_PAIRS = 3;
const SLIDERS = [
  ...["left", "back", "up"].map((way, axis) => ({ name: `shift ${way}`, unit: "mm", most: 100, step: 0.5, axis })),
  ...["about left", "about back", "about up"].map((way, axis) => ({ name: `turn ${way}`, unit: "°", most: 45, step: 0.5, axis: axis + 3 })),
];

export class RegistrationPanel {
  // `run` starts a fusion with what it is given.
  constructor(viewer, run) {
    Object.assign(this, { viewer, run, pairs: [], errors: [], start: null });
    this.sliders = SLIDERS.map((slider) => this.slider(slider));
    viewer.layers.push(this);
    at("pair").addEventListener("click", () => this.add());
    at("fit").addEventListener("click", attempt(() => this.fit(), "misaligned"));
    at("refine").addEventListener("click", attempt(() => this.go(true), "misaligned"));
    at("as-it-stands").addEventListener("click", attempt(() => this.go(false), "misaligned"));
    at("undo-alignment").addEventListener("click", () => this.reset());
  }

  // The alignment that hands start from: the last registration's, or the first guess. Pairs stay with their study.
  open(study, mrFromCt) {
    if (this.study !== study) Object.assign(this, { study, pairs: [] });
    this.start = mrFromCt;
    this.reset();
  }

  slider({ name, unit, most, step }) {
    const id = name.replace(/ /g, "-");
    const input = made("input", { type: "range", id, min: -most, max: most, step, value: 0 });
    const told = made("output", { textContent: `0 ${unit}` });
    input.addEventListener("input", () => this.slide());
    at("sliders").append(made("label", { htmlFor: id }, name, " ", told), input);
    return { input, told, unit };
  }

  // Lay the MR somewhere, with the sliders in their middle there.
  lay(mrFromCt) {
    this.base = mrFromCt;
    for (const { input, told, unit } of this.sliders) (input.value = 0), (told.textContent = `0 ${unit}`);
    if (this.viewer.isShowing) this.viewer.setAlignment(mrFromCt);
    this.show();
  }

  reset() {
    this.errors = [];
    at("fitted").textContent = "";
    this.lay(this.start);
  }

  // The MR's picture turns about the middle of the CT's.
  slide() {
    const { ct } = this.viewer;
    if (!ct) return;
    const values = this.sliders.map(({ input, told, unit }) => ((told.textContent = `${input.value} ${unit}`), Number(input.value)));
    const centre = apply(ct.mmFromVoxel, ct.size.map((size) => (size - 1) / 2));
    this.viewer.setAlignment(times(this.base, inverse(motion(values.slice(0, 3), values.slice(3), centre))));
  }

  add() {
    if (!this.viewer.isShowing) return;
    if (this.viewer.layout !== "landmarks") this.viewer.set({ layout: "landmarks" });
    this.pairs.push(this.viewer.pair());
    this.errors = [];
    this.show();
  }

  async fit() {
    const { study } = this;
    const told = await api.landmarks(study, this.pairs);
    if (this.study !== study || !this.viewer.isShowing) return;
    this.lay(told.mr_from_ct);
    this.errors = told.errors_mm;
    at("fitted").textContent = `Root mean square ${told.rms_mm.toFixed(1)} mm over ${this.pairs.length} pairs. Small errors show that the clicks agree, not that they are right: look at the pictures.`;
    this.show();
  }

  show() {
    at("pairs").hidden = this.pairs.length === 0;
    at("fit").disabled = this.pairs.length < FEWEST_PAIRS;
    at("pairs").tBodies[0].replaceChildren(...this.pairs.map((_, i) => this.row(i)));
    this.viewer.requestDraw();
  }

  row(i) {
    const remove = made("button", { type: "button", textContent: "×", ariaLabel: `Remove pair ${i + 1}` });
    remove.addEventListener("click", () => {
      this.pairs.splice(i, 1);
      this.errors = [];
      this.show();
    });
    return made("tr", {}, made("td", { textContent: i + 1 }), made("td", { textContent: this.errors[i]?.toFixed(1) ?? "–" }), made("td", {}, remove));
  }

  async go(refine) {
    if (!this.viewer.isShowing) throw new Error("Open a CT and an MR first.");
    await this.run({ mr_from_ct: this.viewer.mrFromCt, refine });
  }

  // The layer with the pairs that were taken.
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
    return { l: () => this.add(), x: () => this.viewer.chooseCross(!this.viewer.isMoving) };
  }
}
