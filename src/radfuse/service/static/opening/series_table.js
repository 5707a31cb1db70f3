// The table of series in the dialog that opens images: one row each, with its role in the fusion.

import * as api from "../api.js";
import { byId, createElement } from "../dom.js";
import { text } from "../text.js";

const ROLES = { CT: ["ct", "pet_ct"], MR: ["mr", "further"], PT: ["pet"], NM: ["spect"] };
const ALL_ROLES = ["ct", "mr", "further", "pet", "pet_ct", "spect"]; // of a volume whose file states no modality
const SHARED = "further"; // the role that several series may have
const COLUMNS = ["role", "image", "modality", "description", "date", "plane", "size", "spacing"];

export class SeriesTable {
  constructor() {
    this.clear();
  }

  clear() {
    this.abort?.abort();
    this.rows = [];
    this.isLoaded = false;
    byId("inspection").hidden = true;
    byId("series-table").hidden = true;
    byId("series-table").tBodies[0].replaceChildren();
  }

  // List the series of some paths; `roles` are those that the user gave some of the paths.
  async load(paths, roles) {
    this.clear();
    const { signal } = (this.abort = new AbortController());
    byId("inspection").hidden = byId("series-progress").hidden = false;
    byId("series-status").textContent = text("series.reading");
    let problem = null, suggestion = null;
    try {
      await api.listSeries(paths, (part) => {
        if (part.stage) this.#showProgress(part);
        else if (part.row) this.#add(part.row);
        else if (part.suggestion) suggestion = part.suggestion;
        else problem = part.error;
      }, signal);
    } catch (error) {
      if (error.name !== "AbortError") throw error;
      return;
    } finally {
      if (!signal.aborted) byId("series-progress").hidden = true;
    }
    byId("series-status").textContent = "";
    if (problem) throw new Error(problem);
    this.#finish(suggestion, roles);
  }

  // What the roles say: parts of the request for a study. Throws where CT or MR is missing.
  choice() {
    const of = (role) => this.rows.filter((row) => row.select?.value === role);
    const [ct] = of("ct"), [mr] = of("mr");
    if (!ct || !mr) throw new Error(text("series.choose-pair"));
    const recipe = { ct_series: ct.uid, mr_series: mr.uid }, further = {};
    const mrs = of(SHARED);
    if (mrs.length) Object.assign(further, { mrs: mrs.map((row) => row.path), mr_series: mrs.map((row) => row.uid ?? "") });
    for (const role of ["pet", "pet_ct", "spect"]) {
      const [row] = of(role);
      if (row) [further[role], recipe[`${role}_series`]] = [row.path, row.uid];
    }
    return { ct: ct.path, mr: mr.path, recipe, ...(Object.keys(further).length ? { further } : {}) };
  }

  #showProgress({ stage, fraction }) {
    byId("series-progress").value = fraction ?? 0;
    byId("series-status").textContent = `${stage}…`;
  }

  #add(row) {
    this.rows.push(row);
    if (!row.blocked) row.select = this.#roleSelect(row);
    byId("series-table").hidden = false;
    byId("series-table").tHead.replaceChildren(createElement("tr", {}, ...COLUMNS.map((name) => createElement("th", { scope: "col", textContent: text(`series.${name}`) }))));
    byId("series-table").tBodies[0].append(createElement("tr", { className: row.blocked ? "blocked" : "" }, ...cells(row).map((content) => createElement("td", {}, ...content))));
  }

  #roleSelect(row) {
    const roles = ["unused", ...(ROLES[row.kind] ?? ALL_ROLES)];
    const select = createElement("select", {}, ...roles.map((role) => new Option(text(`series.role-${role.replace("_", "-")}`), role)));
    select.setAttribute("aria-label", text("series.role-of", { series: `${row.kind} ${row.description}` }));
    select.addEventListener("change", () => this.#release(row));
    return select;
  }

  // One series has each role but that of further images: the earlier one gives it up.
  #release(row) {
    const { value } = row.select;
    if (value === SHARED || value === "unused") return;
    for (const other of this.rows) if (other !== row && other.select?.value === value) other.select.value = "unused";
  }

  #finish(suggestion, roles) {
    for (const [path, role] of roles) {
      const usable = this.rows.filter((row) => row.select && row.path === path && [...row.select.options].some((one) => one.value === role));
      if (usable.length === 1) usable[0].select.value = role;
    }
    for (const role of ["ct", "mr"]) {
      const isChosen = this.rows.some((row) => row.select?.value === role);
      const row = this.rows.find((one) => one.select && one.uid && one.uid === suggestion?.[role]);
      if (row && !isChosen) row.select.value = role;
    }
    const patients = new Set(this.rows.filter((row) => row.select && row.patient).map((row) => row.patient)).size;
    const lines = [this.rows.length ? "" : text("series.none"), patients > 1 ? text("series.patients", { count: patients }) : "", suggestion?.note ? text("series.note", { note: suggestion.note }) : ""];
    byId("series-status").textContent = lines.filter(Boolean).join(" ");
    for (const row of this.rows) if (row.patientNote) row.patientNote.hidden = patients < 2;
    this.isLoaded = true;
    byId("inspection").scrollIntoView({ block: "end" });
  }
}

const planeText = (plane) => plane.split(", ").filter(Boolean).map((part) => text(`series.plane-${part}`)).join(", ");

function cells(row) {
  const { kind, select, thumbnail, description, blocked, notes, date, plane, size, spacing_mm, patient, is_own } = row;
  const about = [createElement("span", { textContent: description })];
  if (patient) about.push((row.patientNote = createElement("small", { textContent: text("series.patient", { number: patient }), hidden: true })));
  if (blocked) about.push(createElement("small", { textContent: is_own ? text("series.own") : blocked }));
  if (notes.length) about.push(createElement("small", { textContent: notes.join("; ") }));
  return [
    select ? [select] : [text("series.not-available")],
    thumbnail ? [createElement("img", { src: thumbnail, alt: text("series.middle-slice", { series: `${kind} ${description}` }) })] : [],
    [kind], about, [date], [planeText(plane)], [size.join(" × ")], [spacing_mm.map((one) => Number(one.toFixed(2))).join(" × ")],
  ];
}
