// Volume, extents and image values of the active structure, computed by the server once it is saved.

import * as api from "../api.js";
import { byId, createElement, showErrors } from "../dom.js";
import { text } from "../text.js";

export class StatisticsSection {
  constructor(panel) {
    Object.assign(this, { panel, store: panel.store, shown: "" });
    const update = showErrors(() => this.update(), "statistics-error");
    byId("statistics").addEventListener("toggle", update);
    for (const kind of ["change", "saving"]) this.store.addEventListener(kind, update);
  }

  async update() {
    const { active, isSaved } = this.store, { study } = this.panel;
    byId("statistics").hidden = !active;
    const key = active && isSaved ? `${active.id} ${active.revision}` : "";
    if (!byId("statistics").open || key === this.shown) return;
    this.shown = key;
    byId("statistics-values").replaceChildren();
    if (!key || !study) return;
    const found = await api.structureStatistics(study, active.id);
    if (this.shown === key) byId("statistics-values").replaceChildren(...rows(found).flatMap(([label, value]) => [createElement("dt", { textContent: label }), createElement("dd", { textContent: value })]));
  }
}

function rows({ volume_cm3, extents_mm, parts, ct, mr }) {
  return [
    [text("structures.volume"), `${volume_cm3.toFixed(2)} cm³`],
    [text("structures.extents"), `${extents_mm.map((mm) => mm.toFixed(1)).join(" × ")} mm`],
    [text("structures.parts"), parts],
    ...valueRows("CT", ct, "HU"),
    ...valueRows("MR", mr, ""),
  ];
}

// Mean and standard deviation, range of 5 to 95 %, minimum and maximum.
function valueRows(image, values, unit) {
  if (!values) return [[image, "–"]];
  const [mean, deviation, low, high, minimum, maximum] = ["mean", "deviation", "percentile_5", "percentile_95", "minimum", "maximum"].map((name) => String(Number(values[name].toPrecision(4))));
  return [
    [text("structures.mean", { image }), `${mean} ± ${deviation} ${unit}`],
    [text("structures.percentiles", { image }), `${low} … ${high} ${unit}`],
    [text("structures.range", { image }), `${minimum} … ${maximum} ${unit}`],
  ];
}
