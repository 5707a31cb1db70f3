// The panel of fusion: method, window, running, quality, sign-off.

import * as api from "../api.js";
import { at, attempt, made } from "../dom.js";

const CONFLICT = 409;
const LOOK_MS = 150; // a pause in scrolling after which the next slice of another method is asked for
const VERDICTS = { accepting: "accepted", rejecting: "rejected" };

export class FusionPanel {
  // `run` starts a fusion with what it is given; `signed` is told the study after a sign-off; `unseen` says why
  // what is on the screen is not the result that would be signed, or nothing.
  constructor(viewer, { run, signed, unseen }) {
    Object.assign(this, { viewer, run, signed, unseen, study: null });
    at("run").addEventListener("submit", attempt((event) => this.start(event), "failure"));
    at("signoff").addEventListener("submit", (event) => event.preventDefault()); // Enter signs nothing
    for (const [id, state] of Object.entries(VERDICTS)) at(id).addEventListener("click", attempt(() => this.sign(state), "failure"));
    at("keep").addEventListener("change", () => this.nameStart());
    at("method").addEventListener("change", () => this.lookSoon());
    viewer.addEventListener("cursor", () => this.lookSoon());
  }

  show(study, isBusy) {
    const isOther = this.study?.id !== study.id || this.study.outcome?.method !== study.outcome?.method;
    this.study = study;
    if (isOther) this.fillForm();
    const { outcome, signoff } = study;
    at("start").disabled = this.isBusy = isBusy;
    at("keep").disabled = !outcome;
    this.nameStart();
    at("verdict").hidden = at("signoff").hidden = !outcome;
    this.showVerdicts();
    if (!outcome) return;
    at("quality").textContent = outcome.quality;
    at("quality").className = outcome.trusted ? "" : "untrusted";
    at("notes").replaceChildren(...outcome.notes.map((textContent) => made("li", { textContent })));
    at("sheet").href = api.sheetOf(study.id);
    at("signed").textContent = signoff ? `${signoff.state} by ${signoff.name}, ${new Date(signoff.time).toLocaleString()}` : "Not signed off.";
  }

  // Only what is on the screen can be signed.
  showVerdicts() {
    const why = this.unseen();
    at("unseen").textContent = why;
    for (const id of Object.keys(VERDICTS)) at(id).disabled = Boolean(why) || this.isBusy || this.study?.state !== "done";
  }

  fillForm() {
    const { recipe, outcome } = this.study;
    this.choose("method", recipe.method, recipe.method);
    this.choose("window", String(recipe.window), typeof recipe.window === "string" ? recipe.window : `${recipe.window.join(" / ")} HU`);
    at("accept").checked = recipe.accept_registration;
    at("keep").checked = Boolean(outcome);
    at("preview").textContent = "";
  }

  // Also what is not on the list, such as an ONNX file or a window of one's own.
  choose(id, value, words) {
    if (![...at(id).options].some((option) => option.value === value)) at(id).append(new Option(words, value));
    at(id).value = value;
  }

  nameStart() {
    at("start").textContent = at("keep").checked && this.study?.outcome ? "Fuse again" : "Register and fuse";
  }

  recipe() {
    const { recipe } = this.study;
    const window = at("window").value === String(recipe.window) ? recipe.window : at("window").value;
    return { ...recipe, method: at("method").value, window, accept_registration: at("accept").checked };
  }

  async start(event) {
    event.preventDefault();
    if (!this.study) throw new Error("Open a CT and an MR first.");
    await this.run({ keep_registration: at("keep").checked && Boolean(this.study.outcome) });
  }

  async sign(state) {
    if (!at("signoff").reportValidity()) return;
    const { id, outcome } = this.study;
    const name = at("name").value.trim();
    if (!name) throw new Error("Type your name to sign.");
    at("signed").textContent = "signing…";
    for (const button of [...Object.keys(VERDICTS), "start"]) at(button).disabled = true;
    try {
      await this.signed(await api.sign(id, { state, name, registration_id: outcome.registration_id }));
    } catch (error) {
      if (error.status === CONFLICT) await this.signed(await api.study(id)); // another result lies there by now
      throw error;
    } finally {
      if (this.study?.id === id) this.show(this.study, this.isBusy);
    }
  }

  lookSoon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.preview().catch((error) => (at("preview").textContent = error.message)), LOOK_MS);
  }

  // The slice in sight as the chosen method would fuse it; the volume follows on "Fuse again".
  async preview() {
    const { viewer, study } = this;
    const method = at("method").value;
    const isWanted = study?.outcome && study.outcome.method !== method && viewer.fused;
    if (!isWanted) {
      at("preview").textContent = "";
      if (viewer.preview) viewer.setPreview(null);
      return;
    }
    const index = viewer.cursor[2];
    if (viewer.preview?.method === method && viewer.preview.index === index) return;
    at("preview").textContent = `fusing this slice with ${method}…`;
    const start = performance.now();
    const values = await api.slice(study.id, method, index);
    if (this.study?.id !== study.id || at("method").value !== method || viewer.cursor?.[2] !== index) return;
    at("preview").textContent = `This slice is fused by ${method} (${((performance.now() - start) / 1000).toFixed(2)} s); “Fuse again” does the volume.`;
    document.body.dataset.previewed = method;
    viewer.setPreview({ method, index, values });
  }
}
