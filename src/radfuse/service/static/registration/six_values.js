// The six values of the alignment, as numbers and sliders: translation in mm and rotation in degrees about L, P and S.

import { byId, createElement } from "../dom.js";
import { text } from "../text.js";
import { IDENTITY, apply } from "../viewer/geometry.js";
import { motionBetween, motionOf, moved, sixValues } from "./motion.js";

const DIRECTIONS = { left: "L", posterior: "P", superior: "S" };
const KINDS = { translation: { max: 100, limit: 1000 }, "rotation-about": { max: 45, limit: 180 } }; // of the slider, of the number
const STEP = 0.1, DIGITS = 2;

export class SixValues {
  constructor(viewer, alignment) {
    Object.assign(this, { viewer, alignment });
    this.fields = Object.keys(KINDS).flatMap((kind) => Object.keys(DIRECTIONS).map((direction) => this.addField(kind, direction)));
    byId("values-reference").addEventListener("change", () => this.render());
    viewer.addEventListener("alignment", () => this.render());
  }

  addField(kind, direction) {
    const { max, limit } = KINDS[kind];
    const id = `${kind}-${direction}`, title = text(`align.value-${id}`);
    const slider = createElement("input", { type: "range", id, min: -max, max, step: STEP, value: 0, ariaLabel: title });
    const number = createElement("input", { type: "number", id: `${id}-value`, min: -limit, max: limit, step: STEP, value: 0, ariaLabel: title });
    slider.addEventListener("input", () => this.show(slider));
    slider.addEventListener("change", () => this.alignment.change({}, "value"));
    number.addEventListener("change", () => this.enter(number));
    byId(`${kind.split("-")[0]}-values`).append(createElement("label", { htmlFor: number.id, title }, DIRECTIONS[direction]), slider, number);
    return { slider, number };
  }

  // The alignment in which all values are 0.
  get reference() {
    return byId("values-reference").value === "headers" ? IDENTITY : this.alignment.initial;
  }

  // The centre of rotation: that of the CT, LPS mm.
  get centre() {
    const { ct } = this.viewer;
    return apply(ct.mmFromVoxel, ct.size.map((size) => (size - 1) / 2));
  }

  get values() {
    return sixValues(motionBetween(this.reference, this.alignment.fromCt), this.centre);
  }

  // The alignment with the value of a field, and the others as they are.
  alignmentWith(field) {
    const values = this.values;
    const changed = this.fields.findIndex(({ slider, number }) => field === slider || field === number);
    values[changed] = Number(field.value);
    return moved(this.reference, motionOf(values, this.centre));
  }

  show(field) {
    if (this.viewer.isShowing) this.alignment.show(this.alignmentWith(field));
  }

  enter(field) {
    const { rangeOverflow, rangeUnderflow } = field.validity;
    if (rangeOverflow || rangeUnderflow) field.reportValidity();
    if (!this.viewer.isShowing || !field.value || rangeOverflow || rangeUnderflow) return this.render();
    this.alignment.change({ fromCt: this.alignmentWith(field) }, "value");
  }

  render() {
    if (!this.viewer.isShowing || !this.alignment.initial) return;
    this.values.forEach((value, i) => {
      const { slider, number } = this.fields[i];
      slider.value = value;
      number.value = Number(value.toFixed(DIGITS)) + 0; // no negative zero
    });
    byId("values-convention").textContent = text("align.convention", { centre: this.centre.map((mm) => mm.toFixed(1)).join(", ") });
  }
}
