// The form, the fusion and its result.

import { draw, greyOf } from "./display.js";
import { hasWebGpu, prepared } from "./engine.js";
import { FileError } from "./files/bytes.js";
import { writeNifti } from "./files/nifti.js";
import { writePng } from "./files/png.js";
import { checkPair, fusePair, isVolume, needsNetwork, NETWORKS, readImage } from "./fuse.js";
import { FusionError } from "./fusion/fuse_volume.js";
import { WINDOWS } from "./fusion/levels.js";
import { differenceFromOpenVino, samplePair } from "./sample.js";

const SAMPLE_WINDOW = "fusion"; // of the stored results of the sample
const ALLOWED_DIFFERENCE = 1; // grey levels of 255

const byId = (id) => document.getElementById(id);
const state = { pair: {}, names: {}, sample: null, shown: null, busy: false };

const show = (id, text) => { byId(id).textContent = text; };

function showError(text) {
  show("error", text);
  byId("error").hidden = !text;
}

// Let the browser draw before work that blocks it.
const drawn = () => new Promise((resolve) => { requestAnimationFrame(() => setTimeout(resolve)); });

const webGpu = hasWebGpu();

async function engine() {
  const chosen = byId("engine").value;
  return chosen === "auto" ? ((await webGpu) ? "webgpu" : "wasm") : chosen;
}

const isComplete = () => Boolean(state.pair.ct && state.pair.mr);

function setBusy(busy) {
  state.busy = busy;
  document.body.dataset.busy = String(busy);
  byId("fuse").disabled = busy || !isComplete();
  for (const id of ["sample-images", "sample-volumes", "check", "ct-file", "mr-file"]) byId(id).disabled = busy;
}

// Run an action of the user: one at a time, with its error in a sentence.
async function act(action) {
  if (state.busy) return;
  setBusy(true);
  showError("");
  try {
    await action();
  } catch (error) {
    const known = error instanceof FileError || error instanceof FusionError;
    if (!known) console.warn(error);
    showError(known ? error.message : `The fusion failed: ${error.message ?? error}. Reload, or choose another engine.`);
    show("status", "");
  } finally {
    byId("progress").hidden = true;
    setBusy(false);
  }
}

function take(pair, names, sample) {
  Object.assign(state, { pair, names, sample });
  show("chosen", [names.ct, names.mr].filter(Boolean).join(" and "));
}

async function takeFile(role) {
  const [file] = byId(`${role}-file`).files;
  if (!file) return;
  const kept = state.sample ? {} : state.pair;
  const names = { ...(state.sample ? {} : state.names), [role]: file.name };
  take({ ...kept, [role]: null }, { ...names, [role]: "" }, null);
  const image = await readImage({ name: file.name, bytes: new Uint8Array(await file.arrayBuffer()) });
  const pair = { ...kept, [role]: image };
  const other = role === "ct" ? "mr" : "ct";
  if (pair[other] && isVolume(pair[other]) !== isVolume(image)) { // keep what was chosen last
    byId(`${other}-file`).value = "";
    take({ [role]: image }, { [role]: file.name }, null);
  }
  if (pair.ct && pair.mr) checkPair(pair.ct, pair.mr);
  take(pair, names, null);
  show("status", pair.ct && pair.mr ? "Ready to fuse." : "Choose the other image, too.");
}

async function takeSample(kind) {
  byId("ct-file").value = byId("mr-file").value = "";
  show("status", "Loading the sample.");
  take(await samplePair(kind), { ct: `Sample ${kind} of a synthetic phantom` }, kind);
  await fuse();
}

// Fuse a pair; with the processor where the graphics processor fails and none was chosen.
async function fused(pair, method, window) {
  const report = async (fraction) => {
    byId("progress").value = fraction;
    await drawn();
  };
  const options = { method, window, engine: await engine() };
  if (needsNetwork(method, pair)) await prepared(options.engine, NETWORKS[method]);
  byId("progress").removeAttribute("value");
  byId("progress").hidden = false;
  show("status", "Fusing.");
  await drawn();
  const start = performance.now();
  const result = await fusePair(pair, options, report).catch((error) => {
    if (options.engine !== "webgpu" || byId("engine").value !== "auto") throw error;
    console.warn(error);
    return fusePair(pair, { ...options, engine: "wasm" }, report);
  });
  return { ...result, seconds: (performance.now() - start) / 1000 };
}

async function fuse() {
  const { pair, sample } = state;
  checkPair(pair.ct, pair.mr);
  const [method, windowName] = [byId("method").value, byId("window").value];
  const result = await fused(pair, method, WINDOWS[windowName]);
  state.shown = { pair, method, window: WINDOWS[windowName], result };
  showResult();
  show("compared", "The sample can be compared; use the button below.");
  if (sample === "volumes" && windowName !== SAMPLE_WINDOW)
    show("compared", `The stored result of the sample has the window ${SAMPLE_WINDOW}.`);
  else if (sample) show("compared", await comparison(sample, method, result));
  show("status", "Done.");
  document.body.dataset.seconds = result.seconds.toFixed(3);
}

async function comparison(kind, method, result) {
  const most = await differenceFromOpenVino(kind, method, result);
  document.body.dataset.difference = String(most);
  const verdict = most <= ALLOWED_DIFFERENCE ? "equal within 1 grey level" : "not equal";
  return `Sample ${kind}, ${method}: ${verdict}; the largest difference is ${Number(most.toFixed(2))} of 255 grey levels.`;
}

async function check() {
  const method = state.shown?.method ?? byId("method").value;
  const kind = state.shown && isVolume(state.shown.pair.ct) ? "volumes" : "images";
  const result = await fused(await samplePair(kind), method, WINDOWS[SAMPLE_WINDOW]);
  show("compared", await comparison(kind, method, result));
  show("status", "Done.");
}

function showResult() {
  const { pair, method, result } = state.shown;
  const [count] = pair.ct.shape;
  byId("result").hidden = false;
  byId("slice-row").hidden = count === 1;
  byId("slice").max = count - 1;
  byId("slice").value = count >> 1;
  show("used-method", method);
  show("used-engine", result.engine);
  show("used-time", `${result.seconds.toFixed(2)} s`);
  show("download", isVolume(pair.ct) ? "Download NIfTI" : "Download PNG");
  showSlice();
}

function showSlice() {
  const { pair, window, result } = state.shown;
  const slice = Number(byId("slice").value);
  const grey = greyOf(pair, window, result);
  for (const [role, name] of [["ct", "CT"], ["mr", "MR"], ["fused", "Fused image"]]) {
    draw(byId(`${role}-canvas`), pair.ct, slice, grey[role]);
    byId(`${role}-canvas`).setAttribute("aria-label", isVolume(pair.ct) ? `${name}, slice ${slice + 1}` : name);
  }
  show("slice-number", `${slice + 1} of ${pair.ct.shape[0]}`);
}

async function download() {
  const { pair: { ct }, method, result } = state.shown;
  const [, rows, columns] = ct.shape;
  const blob = isVolume(ct) ? await writeNifti(result.levels, ct) : await writePng(result.levels, rows, columns);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = `fused-${method}${isVolume(ct) ? ".nii.gz" : ".png"}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

// Load the network that is chosen.
async function prepare() {
  if (isComplete() && !needsNetwork(byId("method").value, state.pair)) return;
  show("status", "Loading the network.");
  const start = performance.now();
  await prepared(await engine(), NETWORKS[byId("method").value]);
  show("status", isComplete() ? "Ready to fuse." : "Ready. Choose two images, or take the sample.");
  document.body.dataset.loadedMs = String(Math.round(performance.now() - start));
}

for (const [name, { width, level }] of Object.entries(WINDOWS))
  byId("window").add(new Option(`${name} (width ${width}, level ${level} HU)`, name));
byId("form").addEventListener("submit", (event) => { event.preventDefault(); act(fuse); });
for (const role of ["ct", "mr"]) byId(`${role}-file`).addEventListener("change", () => act(() => takeFile(role)));
for (const kind of ["images", "volumes"]) byId(`sample-${kind}`).addEventListener("click", () => act(() => takeSample(kind)));
byId("check").addEventListener("click", () => act(check));
byId("download").addEventListener("click", () => act(download));
byId("slice").addEventListener("input", showSlice);
for (const id of ["method", "engine"]) byId(id).addEventListener("change", () => act(prepare));
webGpu.then((available) => { byId("engine").options[2].disabled = !available; });
const asked = new URLSearchParams(location.search).get("method");
if (asked in NETWORKS) byId("method").value = asked;
globalThis.radfuse = { state };
await act(prepare);
document.body.dataset.ready = "true";
