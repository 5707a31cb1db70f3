// The page: which study is open, what runs, which panel is in front, what the keys do.

import { AlignPanel } from "./alignpanel.js";
import * as api from "./api.js";
import { DrawPanel } from "./drawpanel.js";
import { FusePanel } from "./fusepanel.js";
import { Looks } from "./looks.js";
import { at, attempt, options, say } from "./page.js";
import { Viewer } from "./viewer.js";
import { Volume } from "./volume.js";

const TABS = ["fuse", "align", "draw"];
const NOT_FOUND = 404;
const PAUSE_MS = 100; // after a run or a lost connection, before the study is asked for
const viewer = new Viewer(at("canvas"));
const panels = {};
let keys = {};
let current = null; // the study on the page
let shown = null; // what the viewer has: study, view, result
let source = null; // the events that are listened to
let failure = null; // why the last run on this page came to nothing: study, state, error
const prepared = new Set(); // studies whose preparation this page has asked for

async function listStudies() {
  const studies = await api.studies();
  const told = (one) => `${one.name}: ${one.signoff ? one.signoff.state : one.state}`;
  at("studies").replaceChildren(...studies.map((one) => new Option(told(one), one.id)));
  if (current) at("studies").value = current.id;
  at("delete").disabled = studies.length === 0;
  return studies;
}

async function choose(id) {
  if (current && current.id !== id) {
    at("studies").value = current.id;
    await panels.draw.leave();
  }
  current = await api.study(id);
  location.hash = id;
  at("studies").value = id;
  await showStudy();
}

async function showStudy() {
  const { id, state, message, outcome } = current;
  const busy = state === "queued" || state === "running";
  if (busy && failure?.id === id) failure = null;
  at("running").hidden = !busy;
  const told = failure?.id === id ? failure : ["failed", "cancelled"].includes(state) ? { state, error: message } : null;
  say("failure", told?.error ?? "");
  at("ways").hidden = told?.state !== "failed";
  at("to-accept").hidden = !told?.mr_from_ct;
  if (!busy) at("stage").textContent = told ? "" : state === "done" && !message ? `Done in ${outcome.seconds} s with ${outcome.method}.` : message;
  panels.fuse.show(current, busy);
  if (busy) listen();
  await showPictures();
}

// CT and MR as soon as they are prepared; the fused image when there is one.
async function showPictures() {
  const { id } = current;
  if (shown && shown.id !== id) clear();
  const view = await viewOf(id);
  if (!view || current.id !== id) return;
  const mrFromCt = JSON.stringify(view.mr_from_ct);
  if (!shown) {
    const [ct, mr] = await Promise.all(["ct", "mr"].map((name) => Volume.load(api.volumeOf(id, name), view[name])));
    if (current.id !== id || shown) return;
    shown = { id, mrFromCt };
    viewer.show({ ct, mr, mrRange: view.mr_range, mrFromCt: view.mr_from_ct });
    at("empty").hidden = true;
    document.body.dataset.pictured = id;
    panels.align.open(id, view.mr_from_ct);
    panels.looks.start(Boolean(view.fused));
    await panels.draw.open(id, ct);
  } else if (shown.mrFromCt !== mrFromCt) {
    shown.mrFromCt = mrFromCt;
    panels.align.open(id, view.mr_from_ct);
  }
  await showFused(view);
}

async function showFused(view) {
  const { id, outcome } = current;
  const result = outcome && view.fused ? `${outcome.registration_id} ${outcome.method} ${outcome.seconds}` : "";
  if (shown.result !== result) {
    shown.result = result;
    document.body.dataset.shown = "";
    const fused = result ? await Volume.load(api.volumeOf(id, "fused"), view.fused) : null;
    if (shown?.id !== id || shown.result !== result) return;
    viewer.setFused(fused);
    if (fused) panels.looks.start(true);
    panels.looks.render();
  }
  document.body.dataset.shown = result ? outcome.method : "";
}

async function viewOf(id) {
  try {
    return await api.view(id);
  } catch (error) {
    if (error.status !== NOT_FOUND) throw error;
    const isIdle = ["new", "done", "ready"].includes(current.state);
    if (isIdle && !prepared.has(id)) {
      prepared.add(id);
      current = await api.prepare(id);
      await listStudies();
      at("running").hidden = false;
      listen();
    }
    return null;
  }
}

function clear() {
  shown = null;
  viewer.clear();
  at("empty").hidden = false;
  delete document.body.dataset.shown;
  delete document.body.dataset.pictured;
  panels.draw.close();
}

function listen() {
  source?.close();
  const { id } = current;
  source = api.watch(
    id,
    ({ stage, share }) => {
      at("stage").textContent = `${stage}…`;
      if (share === null) at("progress").removeAttribute("value");
      else at("progress").value = share;
    },
    attempt(async (told) => {
      failure = told && { id, ...told };
      await new Promise((done) => setTimeout(done, PAUSE_MS));
      await listStudies();
      if (current?.id !== id) return;
      await choose(id);
      if (!told && current.state === "done" && !at("panel-align").hidden) bringForward("fuse"); // to judge it
    }, "failure"),
  );
}

async function run(asked) {
  current = await api.run(current.id, { recipe: panels.fuse.recipe(), ...asked });
  await listStudies();
  await showStudy();
}

// Go on with the alignment that was found, though it is not trusted.
async function accept() {
  at("accept").checked = true;
  await run({ mr_from_ct: failure.mr_from_ct, refine: false });
}

async function signed(study) {
  current = study;
  await listStudies();
  await showStudy();
}

async function makeStudy() {
  const asked = { name: at("study-name").value.trim() || null };
  if (at("files").files.length) asked.study = (await api.upload(at("files").files)).path;
  else if (at("both").value) asked.study = at("both").value;
  else Object.assign(asked, { ct: at("ct-path").value || null, mr: at("mr-path").value || null });
  const made = await api.create(asked);
  await listStudies();
  await choose(made.id);
  at("opening").close();
}

async function look() {
  const paths = [at("both").value, at("ct-path").value, at("mr-path").value].filter(Boolean);
  const lines = [];
  for (const path of paths) {
    for (const image of (await api.inspect(path)).images) {
      lines.push(image.line, ...image.problems.map((one) => `  problem: ${one}`), ...image.notes.map((one) => `  note: ${one}`));
    }
  }
  say("found", lines.join("\n") || "Name a folder or file first.");
}

async function removeStudy() {
  if (!current || !confirm(`Delete the study “${current.name}” with its result and drawings? The files that it was made from stay, uploads go.`)) return;
  await api.remove(current.id);
  current = null;
  clear();
  location.hash = "";
  const [first] = await listStudies();
  if (first) await choose(first.id);
}

function bringForward(name) {
  for (const tab of TABS) {
    const isChosen = tab === name;
    at(`tab-${tab}`).setAttribute("aria-selected", String(isChosen));
    at(`tab-${tab}`).tabIndex = isChosen ? 0 : -1;
    at(`panel-${tab}`).hidden = !isChosen;
  }
  if (name === "align") viewer.set({ layout: "landmarks" });
  else if (viewer.layout === "landmarks") viewer.set({ layout: "planes" });
  if (name !== "draw") panels.draw.choose("cursor");
}

function onTabKey(event) {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  const chosen = TABS.findIndex((tab) => at(`tab-${tab}`).getAttribute("aria-selected") === "true");
  const name = TABS[(chosen + step + TABS.length) % TABS.length];
  bringForward(name);
  at(`tab-${name}`).focus();
  event.stopPropagation();
}

function onKey(event) {
  if (event.target.closest("input:not([type=range]):not([type=checkbox]), select, textarea, dialog, [role=tab]")) return;
  const plain = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const isControlled = event.ctrlKey || event.metaKey;
  const key = isControlled ? `ctrl+${event.shiftKey ? "shift+" : ""}${plain}` : plain;
  if (event.altKey || !keys[key] || (plain === "Enter" && event.target.closest("button, a"))) return;
  if (event.target.type === "range" && plain.startsWith("Arrow")) return;
  event.preventDefault();
  keys[key]();
}

async function begin() {
  const told = await api.info();
  at("version").textContent = told.version;
  options(at("method"), Object.keys(told.methods), "mfinet");
  options(at("window"), Object.keys(told.windows), "fusion");
  for (const option of at("method").options) option.title = told.methods[option.value];
  panels.looks = new Looks(viewer, told.windows);
  panels.fuse = new FusePanel(viewer, { run, signed });
  panels.align = new AlignPanel(viewer, run);
  panels.draw = new DrawPanel(viewer, told.structure_names);
  keys = { ...panels.looks.keys, ...panels.align.keys, ...panels.draw.keys, "?": () => at("helping").showModal() };
  const studies = await listStudies();
  const asked = location.hash.slice(1);
  const first = studies.find((one) => one.id === asked) ?? studies[0];
  if (first) await choose(first.id);
  document.body.dataset.ready = "yes";
}

for (const tab of TABS) at(`tab-${tab}`).addEventListener("click", () => bringForward(tab));
document.querySelector("[role=tablist]").addEventListener("keydown", onTabKey);
at("to-align").addEventListener("click", () => bringForward("align"));
at("to-accept").addEventListener("click", attempt(accept, "failure"));
at("cancel").addEventListener("click", attempt(() => api.cancel(current.id), "failure"));
at("studies").addEventListener("change", attempt(() => choose(at("studies").value), "failure"));
at("delete").addEventListener("click", attempt(removeStudy, "failure"));
at("new").addEventListener("click", () => at("opening").showModal());
at("make").addEventListener("click", attempt(makeStudy, "refused"));
at("look").addEventListener("click", attempt(look, "refused"));
at("help").addEventListener("click", () => at("helping").showModal());
document.addEventListener("keydown", onKey);
globalThis.radfuse = { viewer, panels }; // for a look from the browser's console
attempt(begin, "failure")();
