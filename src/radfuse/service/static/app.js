// The viewer: which study is open, what runs, which panel is in front, what the keys do.

import { RegistrationPanel } from "./panels/registration_panel.js";
import * as api from "./api.js";
import { StructuresPanel } from "./panels/structures_panel.js";
import { FusionPanel } from "./panels/fusion_panel.js";
import { Toolbar } from "./panels/toolbar.js";
import { OpenDialog } from "./panels/open_dialog.js";
import { at, attempt, options, say } from "./dom.js";
import { Viewer } from "./viewer/viewer.js";
import { Volume } from "./viewer/volume.js";

const TABS = ["fuse", "align", "draw"];
const NOT_FOUND = 404;
const RETRY_MS = 2000;
const viewer = new Viewer(at("canvas"));
const panels = {};
let current = null; // the study on the page
let wanted = null; // the study that was chosen last; late answers about others are dropped
let shown = null; // what the viewer has: study, alignment, result
let source = null; // the events that are listened to
let failure = null; // why the last run on this page came to nothing: study, state, error
const prepared = new Set(); // studies whose preparation this page has asked for

async function listStudies() {
  const studies = await api.studies();
  const told = (one) => `${one.name}: ${one.signoff && one.state === "done" ? one.signoff.state : one.state}`;
  at("studies").replaceChildren(...studies.map((one) => new Option(told(one), one.id)));
  at("studies").value = wanted ?? "";
  at("delete").disabled = !wanted;
  return studies;
}

async function choose(id) {
  if (wanted && wanted !== id) {
    at("studies").value = wanted;
    await panels.draw.leave();
    clear();
  }
  wanted = id;
  at("studies").value = id;
  location.hash = id;
  const study = await api.study(id);
  if (wanted === id) await showStudy(study);
}

async function showStudy(study) {
  current = study;
  const { id, state, message, outcome } = study;
  const busy = state === "queued" || state === "running";
  if (busy && failure?.id === id) failure = null;
  at("delete").disabled = busy;
  at("running").hidden = !busy;
  const told = failure?.id === id ? failure : ["failed", "cancelled"].includes(state) ? { state, error: message } : null;
  say("failure", told?.error ?? "");
  at("ways").hidden = true;
  at("to-accept").hidden = !told?.mr_from_ct;
  if (!busy) at("stage").textContent = told ? "" : state === "done" && !message ? `Done in ${outcome.seconds} s with ${outcome.method}.` : message;
  panels.fuse.show(study, busy);
  if (busy) listen();
  await showPictures();
  if (wanted !== id || !shown) return;
  at("ways").hidden = told?.state !== "failed";
  if (told?.mr_from_ct) panels.align.lay(told.mr_from_ct); // to be looked at before it is gone on with
}

// CT and MR as soon as they are prepared; the fused image when there is one.
async function showPictures() {
  const { id } = current;
  const view = await viewOf(id);
  if (!view || wanted !== id) return;
  if (!shown) {
    const [ct, mr] = await Promise.all(["ct", "mr"].map((name) => Volume.load(api.volumeOf(id, name), view[name])));
    if (wanted !== id || shown) return;
    shown = { id, mrFromCt: "", result: "" };
    viewer.show({ ct, mr, mrRange: view.mr_range, mrFromCt: view.mr_from_ct });
    at("empty").hidden = true;
    panels.looks.start(Boolean(view.fused));
    document.body.dataset.pictured = id;
  }
  if (shown.mrFromCt !== JSON.stringify(view.mr_from_ct)) {
    shown.mrFromCt = JSON.stringify(view.mr_from_ct);
    panels.align.open(id, view.mr_from_ct);
  }
  await panels.draw.open(id, viewer.ct);
  if (wanted === id) await showFused(view);
}

async function showFused(view) {
  const { id, outcome } = current;
  const result = outcome && view.fused ? `${outcome.registration_id} ${outcome.method} ${outcome.seconds}` : "";
  if (shown.result !== result) {
    shown.result = document.body.dataset.shown = "";
    viewer.setFused(null);
    const fused = result ? await Volume.load(api.volumeOf(id, "fused"), view.fused) : null;
    if (wanted !== id || current.outcome !== outcome) return;
    viewer.set({ mrRange: view.mr_range });
    viewer.setFused(fused);
    shown.result = result;
    if (fused) panels.looks.start(true);
    panels.looks.render();
  }
  document.body.dataset.shown = result ? outcome.method : "";
  panels.fuse.showVerdicts();
}

// What there is to look at; without it, CT and MR are read for the page, once.
async function viewOf(id) {
  try {
    return await api.view(id);
  } catch (error) {
    if (error.status !== NOT_FOUND) throw error;
    const isIdle = ["new", "done", "ready"].includes(current.state);
    if (wanted === id && isIdle && !prepared.has(id)) {
      prepared.add(id);
      await follow(id, api.prepare(id));
    }
    return null;
  }
}

// Why growing in the MR would go by another alignment than the one on the screen.
function misaligned() {
  if (!shown?.result) return "The MR is not registered yet: run the fusion first, then grow in it.";
  return isMoved() ? "The MR was moved by hand; growing in it goes by the registration. Run it from there, or go back to the start on Align." : "";
}

const isMoved = () => Boolean(shown) && JSON.stringify(viewer.mrFromCt) !== shown.mrFromCt;

// Why the screen does not show the result that a sign-off would speak of.
function unseen() {
  if (!shown?.result) return "The result is not on the screen yet.";
  return isMoved() ? "The MR was moved by hand: run the fusion from there, or go back to the start on Align, then sign." : "";
}

function clear() {
  source?.close();
  current = shown = null;
  viewer.clear();
  panels.looks.clear();
  panels.draw.close();
  at("empty").hidden = false;
  at("running").hidden = at("ways").hidden = true;
  say("failure", "");
  at("stage").textContent = "";
  delete document.body.dataset.shown;
  delete document.body.dataset.pictured;
}

function listen() {
  source?.close();
  const { id } = current;
  source = api.watch(id, showStage, attempt((told) => ended(id, told), "failure"));
}

function showStage({ stage, share }) {
  at("stage").textContent = `${stage}…`;
  if (share === null) at("progress").removeAttribute("value");
  else at("progress").value = share;
}

// A run has ended, or the connection was lost: ask until somebody answers.
async function ended(id, told) {
  failure = told && { id, ...told };
  let study = null;
  while (!study && wanted === id) {
    try {
      study = await api.study(id);
      await listStudies();
    } catch (error) {
      if (error.status) throw error;
      at("stage").textContent = `${error.message} Asking again…`;
      await new Promise((done) => setTimeout(done, RETRY_MS));
    }
  }
  if (wanted !== id) return;
  await showStudy(study);
  if (!told && study.state === "done" && !at("panel-align").hidden) bringForward("fuse"); // to judge it
}

// Show the study that an answer brings, unless another one was chosen meanwhile.
async function follow(id, answer) {
  const study = await answer;
  await listStudies();
  if (wanted === id) await showStudy(study);
}

function run(asked) {
  if (!current) throw new Error("Open a CT and an MR first.");
  return follow(current.id, api.run(current.id, { recipe: panels.fuse.recipe(), ...asked }));
}

// Go on with what was found but is not trusted, once it is on the screen.
async function goOn() {
  const { mr_from_ct } = failure;
  if (JSON.stringify(viewer.mrFromCt) !== JSON.stringify(mr_from_ct)) {
    panels.align.lay(mr_from_ct);
    throw new Error(`${failure.error}. The MR is shown where it was found; look at it, then press “Go on with it” again.`);
  }
  await run({ mr_from_ct, refine: false, accept: true });
}

async function removeStudy() {
  const name = at("studies").selectedOptions[0]?.text;
  if (!wanted || !confirm(`Delete the study “${name}” with its result and drawings? The files that it was made from stay, uploads go.`)) return;
  const id = wanted;
  await api.remove(id);
  if (wanted === id) {
    clear();
    wanted = null;
    location.hash = "";
  }
  const [first] = await listStudies();
  if (first && !wanted) await choose(first.id);
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

const chosenTab = () => TABS.find((tab) => at(`tab-${tab}`).getAttribute("aria-selected") === "true");

function onTabKey(event) {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  const name = TABS[(TABS.indexOf(chosenTab()) + step + TABS.length) % TABS.length];
  bringForward(name);
  at(`tab-${name}`).focus();
  event.stopPropagation();
}

// The keys of the viewer, and those of the panel in front.
function keys() {
  return { ...panels.looks.keys, ...panels[chosenTab()].keys, "?": () => at("helping").showModal() };
}

function onKey(event) {
  if (event.target.closest("input:not([type=range]):not([type=checkbox]), select, textarea, dialog, [role=tab]")) return;
  const plain = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const isControlled = event.ctrlKey || event.metaKey;
  const key = isControlled ? `ctrl+${event.shiftKey ? "shift+" : ""}${plain}` : plain;
  const does = keys()[key];
  if (event.altKey || !does || (plain === "Enter" && event.target.closest("button, a"))) return;
  if (event.target.type === "range" && plain.startsWith("Arrow")) return;
  event.preventDefault();
  does();
}

async function begin() {
  const told = await api.info();
  at("version").textContent = told.version;
  options(at("method"), Object.keys(told.methods), "mfinet");
  options(at("window"), Object.keys(told.windows), "fusion");
  for (const option of at("method").options) option.title = told.methods[option.value];
  at("reach-mm").max = told.most_reach_mm;
  panels.looks = new Toolbar(viewer, told.windows);
  panels.fuse = new FusionPanel(viewer, { run, unseen, signed: (study) => follow(study.id, study) });
  panels.align = new RegistrationPanel(viewer, run);
  panels.draw = new StructuresPanel(viewer, { names: told.structure_names, misaligned });
  new OpenDialog(async (made) => (await listStudies(), choose(made.id)));
  viewer.addEventListener("alignment", () => panels.fuse.showVerdicts());
  document.addEventListener("keydown", onKey);
  const studies = await listStudies();
  const asked = location.hash.slice(1);
  const first = studies.find((one) => one.id === asked) ?? studies[0];
  if (first) await choose(first.id);
  document.body.dataset.ready = "yes";
}

for (const tab of TABS) at(`tab-${tab}`).addEventListener("click", () => bringForward(tab));
document.querySelector("[role=tablist]").addEventListener("keydown", onTabKey);
at("to-align").addEventListener("click", () => bringForward("align"));
at("to-accept").addEventListener("click", attempt(goOn, "failure"));
at("cancel").addEventListener("click", attempt(() => api.cancel(current.id), "failure"));
at("studies").addEventListener("change", attempt(() => choose(at("studies").value), "failure"));
at("delete").addEventListener("click", attempt(removeStudy, "failure"));
at("help").addEventListener("click", () => at("helping").showModal());
globalThis.radfuse = { viewer, panels }; // for a look from the browser's console
attempt(begin, "failure")();
