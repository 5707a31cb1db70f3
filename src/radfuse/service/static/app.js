// The page: what is chosen, what is shown, what the keys do.

import * as api from "./api.js";
import { Viewer } from "./viewer.js";

const BLEND_STEP = 0.1;
const FLICKER_MS = 500;
const at = (id) => document.getElementById(id);
const viewer = new Viewer(at("canvas"), showCursor);
let current = null; // the study on the page
let shown = ""; // which result the viewer has
let source = null; // the events that are listened to
let flickering = null;

function options(select, names, chosen) {
  select.replaceChildren(...names.map((name) => new Option(name, name, false, name === chosen)));
}

function say(id, text) {
  at(id).textContent = text;
  at(id).hidden = !text;
}

function attempt(work, place) {
  return async (...given) => {
    say(place, "");
    try {
      return await work(...given);
    } catch (error) {
      say(place, error.message);
    }
  };
}

async function listStudies() {
  const studies = await api.studies();
  const told = (one) => `${one.name}: ${one.signoff ? one.signoff.state : one.state}`;
  at("studies").replaceChildren(...studies.map((one) => new Option(told(one), one.id)));
  if (current) at("studies").value = current.id;
  return studies;
}

async function choose(id) {
  current = await api.study(id);
  location.hash = id;
  at("studies").value = id;
  at("method").value = current.recipe.method;
  if (typeof current.recipe.window === "string") at("window").value = current.recipe.window;
  at("keep").checked = Boolean(current.outcome);
  await showStudy();
}

async function showStudy() {
  const { outcome, state, message, signoff } = current;
  const busy = state === "queued" || state === "running";
  at("start").disabled = busy;
  at("cancel").hidden = !busy;
  at("progress").hidden = !busy;
  at("keep").disabled = !outcome;
  at("start").textContent = at("keep").checked && outcome ? "Fuse again" : "Register and fuse";
  say("failure", ["failed", "cancelled"].includes(state) ? message : "");
  if (!busy) at("stage").textContent = state === "done" ? `Done in ${outcome.seconds} s with ${outcome.method}.` : state === "new" ? message : "";
  at("verdict").hidden = at("signoff").hidden = !outcome;
  at("signoff").querySelectorAll("button").forEach((button) => (button.disabled = state !== "done"));
  if (outcome) {
    at("quality").textContent = outcome.quality;
    at("quality").className = outcome.trusted ? "" : "untrusted";
    at("notes").replaceChildren(...outcome.notes.map((note) => Object.assign(document.createElement("li"), { textContent: note })));
    at("sheet").href = api.sheetOf(current.id);
    at("signed").textContent = signoff ? `${signoff.state} by ${signoff.name}, ${new Date(signoff.time).toLocaleString()}` : "Not signed off.";
  }
  if (busy) listen();
  await showVolumes();
}

async function showVolumes() {
  const { outcome, id } = current;
  const result = outcome ? `${id} ${outcome.registration_id} ${outcome.method} ${outcome.seconds}` : "";
  if (result === shown) return;
  shown = result;
  at("empty").hidden = Boolean(outcome);
  document.body.dataset.shown = "";
  if (!outcome) return;
  await viewer.show(api.volumesOf(id), outcome.mr_range);
  document.body.dataset.shown = outcome.method;
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
    attempt(async () => {
      await listStudies();
      if (current.id === id) await choose(id);
    }, "failure"),
  );
}

async function start(event) {
  event.preventDefault();
  if (!current) throw new Error("open a CT and an MR first");
  const recipe = { ...current.recipe, method: at("method").value, window: at("window").value, accept_registration: at("accept").checked };
  const keep = at("keep").checked && Boolean(current.outcome);
  current = await api.run(current.id, { recipe, keep_registration: keep });
  await listStudies();
  await showStudy();
}

async function makeStudy() {
  const name = at("study-name").value.trim() || null;
  const asked = { name };
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

async function sign(event) {
  event.preventDefault();
  current = await api.sign(current.id, { state: event.submitter.value, name: at("name").value });
  await listStudies();
  await showStudy();
}

function showCursor({ lps, hu, mr, fused }) {
  const words = ["LR", "PA", "SI"].map(([plus, minus], axis) => `${Math.abs(lps[axis]).toFixed(1)} ${lps[axis] < 0 ? minus : plus}`);
  at("place").textContent = `${words.join("  ")} mm`;
  at("hu").textContent = `${Math.round(hu)} HU`;
  at("mr").textContent = mr.toFixed(0);
  at("fused").textContent = fused.toFixed(3);
}

function setBlend(share) {
  at("blend").value = Math.min(Math.max(share, 0), 1);
  at("blended").textContent = `${Math.round(at("blend").value * 100)} %`;
  viewer.setBlend(Number(at("blend").value));
}

function flicker() {
  if (flickering) {
    clearInterval(flickering);
    flickering = null;
    viewer.setBlend(Number(at("blend").value));
  } else {
    let upper = false;
    flickering = setInterval(() => viewer.setBlend((upper = !upper) ? 1 : 0), FLICKER_MS);
  }
  at("flicker").setAttribute("aria-pressed", String(Boolean(flickering)));
}

function next(select) {
  select.selectedIndex = (select.selectedIndex + 1) % select.options.length;
  select.dispatchEvent(new Event("change"));
}

function pick(index) {
  at("upper").selectedIndex = index;
  at("upper").dispatchEvent(new Event("change"));
}

const KEYS = {
  ArrowLeft: () => viewer.move(1, 0, 0), // radiological: the screen's left is the patient's right
  ArrowRight: () => viewer.move(-1, 0, 0),
  ArrowUp: () => viewer.move(0, 1, 0),
  ArrowDown: () => viewer.move(0, -1, 0),
  PageUp: () => viewer.move(0, 0, 1),
  PageDown: () => viewer.move(0, 0, -1),
  "[": () => setBlend(Number(at("blend").value) - BLEND_STEP),
  "]": () => setBlend(Number(at("blend").value) + BLEND_STEP),
  f: flicker,
  w: () => next(at("preset")),
  p: () => next(at("planes")),
  1: () => pick(0),
  2: () => pick(1),
  3: () => pick(2),
  4: () => pick(3),
  "?": () => at("helping").showModal(),
};

function onKey(event) {
  const typing = event.target.closest("input, select, textarea, dialog");
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (typing || event.ctrlKey || event.metaKey || event.altKey || !KEYS[key]) return;
  event.preventDefault();
  event.stopPropagation();
  KEYS[key]();
}

async function begin() {
  const told = await api.info();
  at("version").textContent = told.version;
  options(at("method"), Object.keys(told.methods), "mfinet");
  options(at("window"), Object.keys(told.windows), "fusion");
  options(at("preset"), Object.keys(told.windows), "soft-tissue");
  for (const option of at("method").options) option.title = told.methods[option.value];
  at("preset").addEventListener("change", () => viewer.setWindow(told.windows[at("preset").value]));
  viewer.setWindow(told.windows["soft-tissue"]);
  const studies = await listStudies();
  const asked = location.hash.slice(1);
  const first = studies.find((one) => one.id === asked) ?? studies[0];
  if (first) await choose(first.id);
  document.body.dataset.ready = "yes";
}

at("run").addEventListener("submit", attempt(start, "failure"));
at("keep").addEventListener("change", () => current && showStudy());
at("cancel").addEventListener("click", attempt(() => api.cancel(current.id), "failure"));
at("studies").addEventListener("change", attempt(() => choose(at("studies").value), "failure"));
at("signoff").addEventListener("submit", attempt(sign, "failure"));
at("new").addEventListener("click", () => at("opening").showModal());
at("make").addEventListener("click", attempt(makeStudy, "refused"));
at("look").addEventListener("click", attempt(look, "refused"));
at("help").addEventListener("click", () => at("helping").showModal());
at("upper").addEventListener("change", () => viewer.setUpper(at("upper").value));
at("blend").addEventListener("input", () => setBlend(Number(at("blend").value)));
at("planes").addEventListener("change", () => viewer.setPlanes(at("planes").value));
at("flicker").addEventListener("click", flicker);
document.addEventListener("keydown", onKey, true);
attempt(begin, "failure")();
