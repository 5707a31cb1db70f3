// The panel of fusion: method, window, running, quality, sign-off.

import * as api from "./api.js";
import { at, attempt, made } from "./page.js";

const LOOK_MS = 150; // a pause in scrolling after which the next slice of another method is asked for

export class FusePanel {
  // `run` starts a fusion with what it is given; `signed` is told the study after a sign-off.
  constructor(viewer, { run, signed }) {
    Object.assign(this, { viewer, run, signed, study: null });
    at("run").addEventListener("submit", attempt((event) => this.start(event), "failure"));
    at("signoff").addEventListener("submit", attempt((event) => this.sign(event), "failure"));
    at("keep").addEventListener("change", () => this.nameStart());
    at("method").addEventListener("change", () => this.lookSoon());
    viewer.addEventListener("cursor", () => this.lookSoon());
  }

  show(study, isBusy) {
    const isOther = this.study?.id !== study.id || String(this.study.outcome?.method) !== String(study.outcome?.method);
    this.study = study;
    if (isOther) this.fillForm();
    const { outcome, signoff, state } = study;
    at("start").disabled = isBusy;
    at("keep").disabled = !outcome;
    this.nameStart();
    at("verdict").hidden = at("signoff").hidden = !outcome;
    at("signoff").querySelectorAll("button").forEach((button) => (button.disabled = state !== "done"));
    if (!outcome) return;
    at("quality").textContent = outcome.quality;
    at("quality").className = outcome.trusted ? "" : "untrusted";
    at("notes").replaceChildren(...outcome.notes.map((textContent) => made("li", { textContent })));
    at("sheet").href = api.sheetOf(study.id);
    at("signed").textContent = signoff ? `${signoff.state} by ${signoff.name}, ${new Date(signoff.time).toLocaleString()}` : "Not signed off.";
  }

  fillForm() {
    const { recipe, outcome } = this.study;
    at("method").value = recipe.method;
    if (typeof recipe.window === "string") at("window").value = recipe.window;
    at("accept").checked = recipe.accept_registration;
    at("keep").checked = Boolean(outcome);
    at("preview").textContent = "";
  }

  nameStart() {
    at("start").textContent = at("keep").checked && this.study?.outcome ? "Fuse again" : "Register and fuse";
  }

  recipe() {
    return { ...this.study.recipe, method: at("method").value, window: at("window").value, accept_registration: at("accept").checked };
  }

  async start(event) {
    event.preventDefault();
    if (!this.study) throw new Error("open a CT and an MR first");
    await this.run({ keep_registration: at("keep").checked && Boolean(this.study.outcome) });
  }

  async sign(event) {
    event.preventDefault();
    const verdict = { state: event.submitter.value, name: at("name").value };
    await this.signed(await api.sign(this.study.id, verdict));
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
    if (at("method").value !== method || viewer.cursor[2] !== index || this.study.id !== study.id) return;
    at("preview").textContent = `This slice is fused by ${method} (${((performance.now() - start) / 1000).toFixed(2)} s); “Fuse again” does the volume.`;
    document.body.dataset.previewed = method;
    viewer.setPreview({ method, index, values });
  }
}
