// The lists: which there are, their columns, and what can be done with an entry.

import * as api from "./api.js";
import { createElement } from "./shared/dom.js";
import { time } from "./format.js";

const ORDER = ["viewer", "operator", "admin"];

export function includes(role, wanted) {
  return ORDER.indexOf(role) >= ORDER.indexOf(wanted);
}

const fusions = (...states) => `/fusions?${states.map((one) => `state=${one}`).join("&")}`;
const sum = (counts, ...names) => names.reduce((total, name) => total + (counts[name] ?? 0), 0);

export const LISTS = [
  {
    id: "queue", title: "Queue", role: "viewer", path: fusions("planned", "queued", "fused"), kind: "fusions",
    count: (state) => sum(state.fusions, "planned", "queued", "fused"),
    empty: "The queue is empty. A patient appears here when a rule matches its CT and MR.",
  },
  {
    id: "refused", title: "Refused", role: "viewer", path: fusions("refused"), kind: "fusions",
    count: (state) => sum(state.fusions, "refused"),
    hint: "The images or the registration cannot be used. Correct what the reason names, or register manually in the viewer, and run the fusion again.",
    empty: "No fusion was refused.",
  },
  {
    id: "failed", title: "Failed", role: "viewer", path: fusions("failed"), kind: "fusions",
    count: (state) => sum(state.fusions, "failed"),
    hint: "A fault of the program or the machine. The log has the details.",
    empty: "No fusion has failed.",
  },
  {
    id: "unmatched", title: "No rule", role: "operator", path: "/patients?state=unmatched", kind: "patients",
    count: (state) => sum(state.patients, "unmatched"),
    hint: "No rule matches these patients. Change the rules, or fuse now what the Orthanc has: the first rule that then matches applies.",
    empty: "Every patient that has arrived matches a rule.",
  },
  {
    id: "deliveries", title: "To be sent", role: "operator", path: "/deliveries", kind: "deliveries",
    count: (state) => state.deliveries,
    hint: "Results that a destination does not have yet. The Orthanc is asked again until it has sent them.",
    empty: "All results are at their destinations.",
  },
  {
    id: "done", title: "Done", role: "viewer", path: fusions("delivered", "stored"), kind: "fusions",
    count: (state) => sum(state.fusions, "delivered", "stored"),
    empty: "No fusion is done yet.",
  },
  {
    id: "other", title: "Other", role: "viewer", path: fusions("unneeded", "cancelled"), kind: "fusions",
    count: (state) => sum(state.fusions, "unneeded", "cancelled"),
    hint: "Fusions that were cancelled, or not needed: the same images were fused before, or newer ones have arrived.",
    empty: "No fusion was cancelled or not needed.",
  },
  { id: "search", title: "Search", role: "operator", path: "", kind: "found", empty: "" },
  { id: "audit", title: "Audit log", role: "admin", path: "/audit", kind: "entries", empty: "The audit log is empty." },
  { id: "settings", title: "Settings", role: "admin", path: "/settings", kind: "settings", empty: "" },
];

// Entries of an answer.
export function entriesOf(kind, answer) {
  if (kind === "settings") return Object.entries(answer).map(([name, value]) => ({ name, value }));
  return kind === "found" ? answer : answer[kind];
}

// Columns: title, class, and text or nodes of an entry.
export function columnsOf(kind, context) {
  const isOperator = includes(context.role, "operator");
  const patient = ["Patient", "patient", (one) => patientOf(one.patient, context)];
  const all = {
    fusions: [
      ["No.", "number", (one) => String(one.number)],
      isOperator && patient,
      ["Rule", "rule", (one) => one.rule],
      ["State", "state", stateOf],
      ["Since", "time", (one) => time(one.changed)],
      isOperator && ["Reason", "reason", (one) => reasonOf(one)],
      isOperator && ["Actions", "acts", (one) => fusionActions(one, context)],
    ],
    patients: [
      patient,
      ["Since", "time", (one) => time(one.changed)],
      ["Why no rule matches", "reason", (one) => one.reason],
      ["Actions", "acts", (one) => patientActions(one, context)],
    ],
    deliveries: [
      ["Fusion", "number", (one) => String(one.fusion)],
      ["Destination", "", (one) => one.destination],
      ["State", "state", (one) => one.state],
      ["Attempts", "number", (one) => String(one.attempts)],
      ["Next attempt", "time", (one) => (one.state === "sending" ? "now" : time(one.next_attempt) || "now")],
      ["Reason", "reason", (one) => one.reason],
    ],
    found: [
      patient,
      ["State", "state", (one) => one.state || "not known to the node"],
      ["Fusions", "", (one) => one.fusions.map((each) => `${each.number} ${each.state}`).join(", ")],
      ["Reason", "reason", (one) => one.reason],
      ["Actions", "acts", (one) => patientActions(one, context)],
    ],
    entries: [
      ["Time", "time", (one) => time(Date.parse(one.time) / 1000)],
      ["Who", "", (one) => one.who],
      ["What", "", (one) => one.what],
      ["Details", "reason", (one) => details(one)],
    ],
    settings: [
      ["Setting", "", (one) => one.name],
      ["Value", "reason", (one) => (one.value === null || one.value === "" ? "–" : String(one.value))],
    ],
  };
  return all[kind].filter(Boolean);
}

function stateOf(one) {
  const extra = [one.version > 1 && `version ${one.version}`, one.is_forced && "forced"].filter(Boolean);
  return extra.length ? `${one.state} (${extra.join(", ")})` : one.state;
}

function details(entry) {
  const rest = Object.entries(entry).filter(([name]) => !["time", "who", "what"].includes(name));
  return rest.map(([name, value]) => `${name} ${value}`).join(", ");
}

// Name and ID, once the Orthanc has answered.
export function patientOf(patient, context) {
  const known = context.identities.get(patient);
  if (!known) return "…";
  if (!known.id && !known.name) return "no longer in the Orthanc";
  return [known.name.replaceAll("^", " ").trim() || "(no name)", " ", createElement("span", { textContent: known.id })];
}

function reasonOf(one) {
  const next = one.next_attempt > Date.now() / 1000 ? ` Next attempt ${time(one.next_attempt)}.` : "";
  return one.reason + next;
}

function button(key, text, action) {
  const made = createElement("button", { type: "button", textContent: text, onclick: action });
  made.dataset.key = key;
  return made;
}

function link(text, url) {
  return createElement("a", { textContent: text, href: url, target: "_blank", rel: "noopener" });
}

function fusionActions(one, context) {
  const found = [];
  if (one.can_cancel) found.push(button(`cancel ${one.number}`, "Cancel", context.act(() => api.cancel(one.number), `Cancel fusion ${one.number}?`)));
  if (one.can_run_again) found.push(button(`again ${one.number}`, "Run again", context.act(() => api.runAgain(one.number))));
  if (one.has_sheet) found.push(link("QA sheet", api.sheetUrl(one.number)));
  if (one.has_log) found.push(button(`log ${one.number}`, "Log", () => context.showLog(one.number)));
  if (one.patient && context.viewer) found.push(link("Open in the viewer", api.viewerUrl(one.patient)));
  const actions = createElement("div", { className: "actions" }, ...found);
  if (one.state !== "refused" || context.viewer) return [actions];
  const way = "To register manually, open the CT and the MR with `radfuse view`.";
  return [actions, createElement("p", { className: "way", textContent: way })];
}

function patientActions(one, context) {
  const fuse = context.act(() => api.fuse(one.patient), "Fuse now what the Orthanc has of this patient?");
  const open = context.viewer ? [link("Open in the viewer", api.viewerUrl(one.patient))] : [];
  return createElement("div", { className: "actions" }, button(`fuse ${one.patient}`, "Fuse now", fuse), ...open);
}
