// The viewer's application: open study, running job, tabs and keys.

import * as api from "./api.js";
import { byId, setOptions, showErrors, showText } from "./dom.js";
import { offerPhantom } from "./empty_state.js";
import { IdentityBanner } from "./opening/identity_banner.js";
import { OpenDialog } from "./opening/open_dialog.js";
import { FusionPanel } from "./panels/fusion_panel.js";
import { RegistrationPanel } from "./panels/registration_panel.js";
import { SidePanel } from "./panels/side_panel.js";
import { StructuresPanel } from "./panels/structures_panel.js";
import { Toolbar } from "./panels/toolbar.js";
import { LinkOpening } from "./results/link_opening.js";
import { ResultsPanel } from "./results/results_panel.js";
import { translated } from "./sentences.js";
import { offerLanguages, text } from "./text.js";
import { volumeUrl } from "./urls.js";
import { showUser } from "./user.js";
import { addColourMaps, loadFurther } from "./viewer/further.js";
import { Viewer } from "./viewer/viewer.js";
import { Volume } from "./viewer/volume.js";

const TABS = ["fusion", "registration", "structures", "results"];
const NOT_FOUND = 404;
const RETRY_MS = 2000;
const QA_FAILED = "qa_failed"; // alignment of a view: that of a registration that failed QA, without a result
const viewer = new Viewer(byId("canvas"));
const panels = {};
const sidePanel = new SidePanel();
let current = null; // the open study, as of its last response
let selected = null; // id of the study chosen last; late responses about others are ignored
let displayed = null; // what the viewer displays: study, alignment, run
let source = null; // the open event stream
let failure = null; // of the last job: study, error, registration that failed QA
const prepared = new Set(); // studies whose preparation was requested

async function listStudies() {
  const studies = await api.studies();
  const label = (one) => `${one.name}: ${text(`state.${one.signoff && one.state === "done" ? one.signoff.state : one.state}`)}`;
  byId("studies").replaceChildren(...studies.map((one) => new Option(label(one), one.id)));
  byId("studies").value = selected ?? "";
  byId("delete-study").disabled = !selected;
  byId("empty-state").hidden = studies.length > 0;
  return studies;
}

async function choose(id) {
  if (selected && selected !== id) {
    byId("studies").value = selected;
    await panels.structures.saveAll();
    clear();
  }
  selected = id;
  byId("studies").value = id;
  location.hash = id;
  const study = await api.study(id);
  if (selected === id) await showStudy(study);
}

async function showStudy(study) {
  current = study;
  const { id, state, message, outcome } = study;
  const busy = state === "queued" || state === "running";
  if (busy && failureOf(id)) failure = null;
  byId("delete-study").disabled = busy;
  byId("running").hidden = !busy;
  byId("next-steps").hidden = true;
  showEnd(study, busy);
  panels.fusion.show(study, busy);
  panels.results.show(study, busy);
  if (busy) listen();
  const identified = showIdentities(id);
  await Promise.all([identified, showImages(identified)]);
  if (selected !== id || current !== study || !displayed) return;
  showEnd(study, busy);
  byId("next-steps").hidden = busy || (Boolean(displayed.run) && (!message || Boolean(study.signoff)) && !failureOf(id));
  const { mr_from_ct, isDisplayed } = failureOf(id) ?? {};
  if (mr_from_ct && !isDisplayed) panels.registration.setAlignment(mr_from_ct, "start"); // to be checked before it is accepted
  if (mr_from_ct) failure.isDisplayed = true;
}

const failureOf = (id) => (failure?.id === id ? failure : null);

// How the last job has ended; a failure is known until the document is loaded again, one of registration QA also later.
function showEnd({ id, state, message, outcome }, busy) {
  const problem = failureOf(id) ?? (["failed", "cancelled"].includes(state) ? { error: message } : null);
  showText("error", problem?.error ?? "");
  byId("accept-and-fuse").hidden = !problem?.mr_from_ct;
  if (!busy) byId("stage").textContent = problem ? "" : state === "done" && !message ? text("job.done", outcome) : message;
}

async function showIdentities(id) {
  const identities = await api.identities(id);
  if (selected === id) panels.identity.show(id, identities);
}

// Show CT and MR as soon as they are prepared and the banner says whose they are, and the fused image if there is one.
async function showImages(identified) {
  const { id } = current;
  const view = await viewOf(id);
  if (!view || selected !== id) return;
  const { message, state } = current;
  if (view.alignment === QA_FAILED && state === "ready" && !failureOf(id)) failure = { id, error: message, mr_from_ct: view.mr_from_ct, isDisplayed: true };
  if (!displayed) {
    const volumes = ["ct", "mr"].map((name) => Volume.load(volumeUrl(id, name, current.current), view[name]));
    const [ct, mr] = await Promise.all([...volumes, identified]);
    if (selected !== id || displayed) return;
    displayed = { id, mrFromCt: "", run: "" };
    viewer.show({ ct, mr, mrRange: view.mr_range, mrFromCt: view.mr_from_ct, headBox: view.head_box });
    byId("no-study").hidden = true;
    panels.toolbar.setInitial(Boolean(view.fused));
    document.body.dataset.loaded = id;
  }
  if (displayed.mrFromCt !== JSON.stringify(view.mr_from_ct)) {
    displayed.mrFromCt = JSON.stringify(view.mr_from_ct);
    panels.registration.open(id, view.mr_from_ct);
  }
  await panels.structures.open(id, viewer.ct);
  if (selected === id) await showFused(view);
}

async function showFused(view) {
  const { id, outcome, current: latest } = current;
  const run = outcome && view.fused ? latest : "";
  if (displayed.run !== run) {
    displayed.run = document.body.dataset.shown = "";
    viewer.setFused(null);
    const load = () => Promise.all([Volume.load(volumeUrl(id, "fused", run), view.fused), loadFurther(id, view, run)]);
    const [fused, further] = run ? await load() : [null, []];
    if (selected !== id || current.current !== latest) return;
    viewer.set({ mrRange: view.mr_range });
    viewer.setFused(fused, view.mr_from_ct);
    viewer.setFurther(further);
    panels.toolbar.display.setResiduals(outcome?.residuals, view.brain_centre_mm);
    panels.fusion.fusedWindow = view.preview?.window_hu;
    displayed.run = run;
    if (fused) {
      panels.toolbar.setInitial(true);
      panels.fusion.loadMethod();
    }
    panels.toolbar.render();
  }
  document.body.dataset.shown = run ? outcome.method : "";
  panels.results.update();
}

// The view of a study; if there is none, CT and MR are prepared, once.
async function viewOf(id) {
  try {
    return await api.view(id, current.current);
  } catch (error) {
    if (error.status !== NOT_FOUND) throw error;
    const isIdle = ["new", "done", "ready"].includes(current.state);
    if (selected === id && isIdle && !prepared.has(id)) {
      prepared.add(id);
      await follow(id, api.prepare(id));
    }
    return null;
  }
}

// Why structures would be grown in, or written on, another alignment of the MR than the displayed one; empty if not.
function mrBlocker() {
  if (!displayed?.run) return text("structures.not-registered");
  return isMrMoved() ? text("structures.moved") : "";
}

const isMrMoved = () => Boolean(displayed) && JSON.stringify(viewer.mrFromCt) !== displayed.mrFromCt;
const isMoved = () => isMrMoved() || viewer.further.some((one) => one.isMoved);

function clear() {
  source?.close();
  current = displayed = null;
  viewer.clear();
  panels.toolbar.clear();
  panels.identity.clear();
  panels.structures.close();
  byId("no-study").hidden = false;
  byId("running").hidden = byId("next-steps").hidden = true;
  showText("error", "");
  byId("stage").textContent = "";
  delete document.body.dataset.shown;
  delete document.body.dataset.loaded;
}

function listen() {
  source?.close();
  const { id } = current;
  source = api.watchEvents(id, showStage, showErrors((problem) => onJobEnd(id, problem), "error"));
}

function showStage({ stage, fraction }) {
  byId("stage").textContent = `${stage}…`;
  if (fraction === null) byId("progress").removeAttribute("value");
  else byId("progress").value = fraction;
}

// The job has ended or the connection was lost: request the study until the server responds.
async function onJobEnd(id, problem) {
  failure = problem && { id, ...problem };
  let study = null;
  while (!study && selected === id) {
    try {
      study = await api.study(id);
      await listStudies();
    } catch (error) {
      if (error.status) throw error;
      byId("stage").textContent = text("job.retrying", { problem: error.message });
      await new Promise((done) => setTimeout(done, RETRY_MS));
    }
  }
  if (selected !== id) return;
  await showStudy(study);
  if (!problem && study.state === "done" && !byId("panel-registration").hidden) selectTab("fusion"); // for review and sign-off
}

// Show the study of a response, unless another one was chosen meanwhile.
async function follow(id, response) {
  const study = await response;
  await listStudies();
  if (selected === id) await showStudy(study);
}

// A kept registration keeps its region; another one has that of the Registration tab.
async function fuse(options) {
  if (!current) throw new Error(text("studies.open-first"));
  panels.identity.checkPatients();
  const { id } = current;
  const request = { recipe: panels.fusion.recipe(), ...(options.keep_registration ? {} : panels.registration.masks), ...options };
  if (request.roi || request.metric_mask) await panels.structures.store.ensureSaved();
  await follow(id, api.fuse(id, request));
}

// Accept a registration that failed QA and fuse, once it is displayed.
async function acceptAndFuse() {
  const { mr_from_ct } = failure;
  if (JSON.stringify(viewer.mrFromCt) !== JSON.stringify(mr_from_ct)) {
    panels.registration.setAlignment(mr_from_ct, "start");
    throw new Error(text("job.check-first", { problem: failure.error }));
  }
  await fuse({ mr_from_ct, refine: false, accept_registration: true });
}

async function removeStudy() {
  const name = byId("studies").selectedOptions[0]?.text;
  if (!selected || !confirm(text("studies.confirm-delete", { name }))) return;
  const id = selected;
  await api.remove(id);
  if (selected === id) {
    clear();
    selected = null;
    location.hash = "";
  }
  const [first] = await listStudies();
  if (first && !selected) await choose(first.id);
}

function selectTab(name) {
  for (const tab of TABS) {
    const isChosen = tab === name;
    byId(`tab-${tab}`).setAttribute("aria-selected", String(isChosen));
    byId(`tab-${tab}`).tabIndex = isChosen ? 0 : -1;
    byId(`panel-${tab}`).hidden = !isChosen;
  }
  byId("register-manually").hidden = name === "registration";
  if (name === "registration") viewer.set({ layout: "landmarks" });
  else if (viewer.layout === "landmarks") viewer.set({ layout: "planes" });
  if (name !== "registration") panels.registration.leave();
  if (name !== "structures") panels.structures.chooseTool("crosshair");
}

const selectedTab = () => TABS.find((tab) => byId(`tab-${tab}`).getAttribute("aria-selected") === "true");

function onTabKey(event) {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  const name = TABS[(TABS.indexOf(selectedTab()) + step + TABS.length) % TABS.length];
  selectTab(name);
  byId(`tab-${name}`).focus();
  event.stopPropagation();
}

// Keys of the viewer, and of the selected tab.
function keys() {
  return { ...panels.toolbar.keys, ...sidePanel.keys, ...panels[selectedTab()].keys, "?": () => byId("help").showModal() };
}

function onKey(event) {
  if (event.target.closest("input:not([type=range]):not([type=checkbox]), select, textarea, dialog, [role=tab]")) return;
  const plain = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const isControlled = event.ctrlKey || event.metaKey;
  const key = isControlled ? `ctrl+${event.shiftKey ? "shift+" : ""}${plain}` : plain;
  const action = keys()[key];
  if (event.altKey || !action || (plain === "Enter" && event.target.closest("button, a"))) return;
  if (event.target.type === "range" && plain.startsWith("Arrow")) return;
  event.preventDefault();
  action();
}

async function start() {
  const [info, form] = await Promise.all([api.info(), api.signoffForm(), showUser(() => panels.structures.saveAll())]);
  byId("version").textContent = info.version;
  addColourMaps(info.colour_maps);
  setOptions(byId("method"), Object.keys(info.methods), info.default_method);
  setOptions(byId("fusion-window"), Object.keys(info.windows), info.default_window);
  for (const option of byId("fusion-window").options) option.text = translated(option.value);
  for (const option of byId("method").options) option.title = info.methods[option.value];
  byId("max-distance-mm").max = info.max_distance_mm;
  panels.toolbar = new Toolbar(viewer, info.windows);
  panels.identity = new IdentityBanner((study) => follow(study.id, study));
  panels.fusion = new FusionPanel(viewer, info, { fuse });
  panels.results = new ResultsPanel(viewer, form, { shownRun: () => displayed?.run ?? "", isMoved, onChanged: (study) => follow(study.id, study), store: () => panels.structures.store });
  panels.registration = new RegistrationPanel(viewer, { fuse, isMrMoved });
  panels.structures = new StructuresPanel(viewer, { names: info.structure_names, mrBlocker });
  const { store } = panels.structures;
  store.addEventListener("change", () => panels.registration.showStructures(store.list));
  panels.registration.showStructures(store.list);
  const open = async (created) => (await listStudies(), choose(created.id));
  panels.open = new OpenDialog(open);
  offerPhantom(open);
  const link = new LinkOpening((path) => panels.open.choose(path), (id) => open({ id }));
  viewer.addEventListener("alignment", () => panels.results.update());
  document.addEventListener("keydown", onKey);
  const retrieved = link.isGiven && (await link.open());
  const studies = await listStudies();
  const linked = retrieved || location.hash.slice(1);
  const first = studies.find((one) => one.id === linked) ?? (link.isGiven ? null : studies[0]); // of no other patient
  if (first) await showErrors(choose, "error")(first.id);
  document.body.dataset.ready = "yes";
}

for (const tab of TABS) byId(`tab-${tab}`).addEventListener("click", () => selectTab(tab));
document.querySelector("[role=tablist]").addEventListener("keydown", onTabKey);
byId("register-manually").addEventListener("click", () => selectTab("registration"));
byId("accept-and-fuse").addEventListener("click", showErrors(acceptAndFuse, "error"));
byId("cancel").addEventListener("click", showErrors(() => api.cancel(current.id), "error"));
byId("studies").addEventListener("change", showErrors(() => choose(byId("studies").value), "error"));
byId("delete-study").addEventListener("click", showErrors(removeStudy, "error"));
byId("show-help").addEventListener("click", () => byId("help").showModal());
offerLanguages(byId("language"));
globalThis.radfuse = { viewer, panels }; // for the browser's console
showErrors(start, "error")();
