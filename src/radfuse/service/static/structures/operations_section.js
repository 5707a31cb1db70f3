// Operations on the active structure, computed by the server: margins, combinations, smoothing, holes, parts, crops.

import * as api from "../api.js";
import { byId, createElement, showErrors } from "../dom.js";
import { text } from "../text.js";
import { beginOf } from "./structure.js";

const SIDES = ["right", "left", "anterior", "posterior", "inferior", "superior"];
const MAX_MARGIN_MM = 60;
const BASE_LENGTH = 40; // characters of the name of a result that are those of its structure

// Fields of each operation, and the step in the history of a structure. A choice has its values; a number its limits.
const OPERATIONS = {
  margin: { step: "margin", fields: { inwards: ["false", "true"], ...Object.fromEntries(SIDES.map((side) => [side, { value: 5, max: MAX_MARGIN_MM, step: 0.5 }])) } },
  combine: { step: "boolean", fields: { combination: ["union", "intersection", "difference"], other: "structure" } },
  crop: { step: "cropping", fields: { side: ["outside", "inside"], other: "structure", margin_mm: { value: 0, max: MAX_MARGIN_MM, step: 0.5 } } },
  smooth: { step: "smoothing", fields: { sigma_mm: { value: 2, max: 10, step: 0.5 } } },
  fill: { step: "hole-filling", fields: { in_slices: ["true", "false"] } },
  largest: { step: "largest-part", fields: { count: { value: 1, min: 1, max: 100, step: 1 } } },
};

export class OperationsSection {
  // `panel` is the structures panel.
  constructor(panel) {
    Object.assign(this, { panel, store: panel.store, controls: {} });
    byId("operation").replaceChildren(...Object.keys(OPERATIONS).map((name) => new Option(text(`structures.operation-${name}`), name)));
    byId("operation").addEventListener("change", () => this.showFields());
    byId("operations-form").addEventListener("submit", (event) => (event.preventDefault(), showErrors(() => this.apply(), "operations-error")()));
    this.store.addEventListener("change", () => this.showStructures());
    this.showFields();
  }

  showFields() {
    const { fields } = OPERATIONS[byId("operation").value];
    this.controls = Object.fromEntries(Object.entries(fields).map(([name, kind]) => [name, control(name, kind)]));
    const labelled = Object.entries(this.controls).map(([name, input]) => createElement("label", { htmlFor: input.id, className: SIDES.includes(name) ? "side" : "" }, text(`structures.field-${name}`), input));
    byId("operation-fields").replaceChildren(...labelled);
    byId("operations-error").textContent = "";
    if (this.controls.right) this.linkSides();
    this.showStructures();
  }

  // A value for the first side is that of all sides until another one is changed.
  linkSides() {
    const [first, ...others] = SIDES.map((side) => this.controls[side]);
    let isUniform = true;
    first.addEventListener("input", () => isUniform && others.forEach((input) => (input.value = first.value)));
    for (const input of others) input.addEventListener("input", () => (isUniform = false));
  }

  showStructures() {
    const { active, list } = this.store, { other } = this.controls;
    byId("operations").hidden = !active;
    if (!other) return;
    const chosen = other.value;
    const choices = list.filter((one) => one !== active);
    other.replaceChildren(...choices.map((one) => new Option(one.name, one.id, false, one.id === chosen)));
  }

  request() {
    const { active } = this.store;
    const values = Object.entries(this.controls).map(([name, input]) => [name, valueOf(name, input)]);
    if (values.some(([name, value]) => name === "other" && !value)) throw new Error(text("structures.needs-other"));
    return { operation: byId("operation").value, structure: active.id, ...Object.fromEntries(values) };
  }

  async apply() {
    const structure = this.panel.requireActive(), { study } = this.panel;
    const request = this.request();
    const { step } = OPERATIONS[request.operation];
    byId("apply-operation").disabled = true;
    try {
      await this.store.ensureSaved();
      const { revision } = structure;
      const { runs } = await api.operate(study, request);
      if (this.panel.study !== study || !this.store.list.includes(structure)) return;
      if (structure.revision !== revision || this.store.unsaved.has(structure)) throw new Error(text("structures.changed-meanwhile", { name: structure.name }));
      if (byId("operation-result").value === "replace") this.store.replace(structure, runs, step);
      else await this.store.add(this.nameOfResult(structure, request), runs, [...structure.steps, step]);
    } finally {
      byId("apply-operation").disabled = false;
    }
  }

  // A name that is not used yet, such as CTVp_margin.
  nameOfResult({ name }, { operation, combination }) {
    const base = `${beginOf(name, BASE_LENGTH)}_${combination ?? operation}`;
    const used = new Set(this.store.list.map((one) => one.name.toLowerCase()));
    let [result, number] = [base, 1];
    while (used.has(result.toLowerCase())) result = `${base}_${++number}`;
    return result;
  }
}

function control(name, kind) {
  const id = `operation-${name.replace("_", "-")}`;
  if (kind === "structure") return createElement("select", { id });
  if (Array.isArray(kind)) return createElement("select", { id }, ...kind.map((value) => new Option(text(`structures.choice-${name}-${value}`), value)));
  const { value, min = 0, max, step } = kind;
  return createElement("input", { id, type: "number", required: true, value, min, max, step });
}

function valueOf(name, input) {
  if (input.type === "number") return Number(input.value);
  return ["true", "false"].includes(input.value) ? input.value === "true" : input.value;
}
