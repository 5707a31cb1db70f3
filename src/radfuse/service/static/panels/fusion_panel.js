// The Fusion panel: method, CT window, start and registration QA.

import * as api from "../api.js";
import { byId, createElement, showErrors } from "../dom.js";
import { translated } from "../sentences.js";
import { locale, text } from "../text.js";
import { drawResidualMap, regionText, signed } from "./residual_map.js";

const PREVIEW_DELAY_MS = 150; // without scrolling, before a slice of another method is requested

export class FusionPanel {
  // `fuse` starts a fusion with options.
  constructor(viewer, info, { fuse }) {
    Object.assign(this, { viewer, info, fuse, study: null });
    byId("fusion-form").addEventListener("submit", showErrors((event) => this.start(event), "error"));
    byId("keep-registration").addEventListener("change", () => this.labelStart());
    for (const id of ["method", "fusion-window"]) byId(id).addEventListener("change", () => (this.showFindings(), this.showWindow(), this.previewSoon()));
    for (const id of ["fusion-width", "fusion-level"]) byId(id).addEventListener("change", () => this.setWindow());
    byId("show-worst-point").addEventListener("click", () => viewer.showPosition(this.study.outcome.worst_point_mm));
    viewer.addEventListener("crosshair", () => this.previewSoon());
  }

  show(study, isBusy) {
    const isOther = this.study?.id !== study.id || this.study.outcome?.method !== study.outcome?.method;
    this.study = study;
    if (isOther) this.showRecipe();
    const { outcome } = study;
    byId("start-fusion").disabled = this.isBusy = isBusy;
    byId("keep-registration").disabled = !outcome;
    this.labelStart();
    byId("registration-qa").hidden = !outcome;
    if (!outcome) return;
    byId("quality").textContent = outcome.quality;
    byId("quality").className = outcome.qa_passed ? "" : "warning";
    byId("further").replaceChildren(...outcome.further.map(furtherItem));
    byId("notes").replaceChildren(...outcome.notes.map((textContent) => createElement("li", { textContent })));
    byId("show-worst-point").hidden = !outcome.worst_point_mm;
    this.showResiduals(outcome.residuals);
    byId("qa-sheet").href = api.qaSheetUrl(study.id, study.current);
  }

  // Residuals of the skull by region, as on the QA sheet.
  showResiduals(residuals) {
    const rows = Object.entries(residuals).map(([name, [mm, patches]]) => [regionText(name), signed(mm), patches, Math.abs(mm)]);
    const worst = rows.reduce((one, other) => (other[3] > one[3] ? other : one), rows[0]);
    byId("residuals").hidden = !rows.length;
    byId("residuals").querySelector("summary").textContent = worst ? text("qa.largest-residual", { mm: worst[1], region: worst[0] }) : "";
    drawResidualMap(byId("residual-map"), residuals);
    byId("residuals").querySelector("tbody").replaceChildren(
      ...rows.map((row) => createElement("tr", {}, ...row.slice(0, 3).map((textContent) => createElement("td", { textContent })))),
    );
  }

  showRecipe() {
    const { recipe, outcome } = this.study;
    this.select("method", recipe.method, recipe.method);
    this.select("fusion-window", String(recipe.window), typeof recipe.window === "string" ? recipe.window : `${recipe.window.join(" / ")} HU`);
    byId("accept-registration").checked = recipe.accept_registration;
    byId("keep-registration").checked = Boolean(outcome);
    byId("preview-status").textContent = "";
    this.showFindings();
    this.showWindow();
  }

  // Width and level in HU of the chosen window.
  get window() {
    const { value } = byId("fusion-window");
    return this.info.windows[value] ?? value.split(",").map(Number);
  }

  showWindow() {
    [byId("fusion-width").value, byId("fusion-level").value] = this.window;
  }

  // A window of numbers: an option of its own.
  setWindow() {
    const [width, level] = ["fusion-width", "fusion-level"].map((id) => byId(id).valueAsNumber);
    if (!(width > 0 && Number.isFinite(level))) return this.showWindow();
    const known = Object.entries(this.info.windows).find(([, window]) => String(window) === `${width},${level}`);
    this.select("fusion-window", known?.[0] ?? `${width},${level}`, `${width} / ${level} HU`);
    byId("fusion-window").dispatchEvent(new Event("change"));
  }

  // What images of the chosen method may hide, as measured with default options and CT window.
  showFindings() {
    const { default_window, findings } = this.info;
    const hasOptions = Object.keys(this.study?.recipe.options ?? {}).length > 0;
    const unmeasured = byId("fusion-window").value !== default_window ? "window" : hasOptions ? "options" : "method";
    const sentence = unmeasured === "method" && findings[byId("method").value];
    byId("findings").textContent = sentence ? text("fusion.findings", { sentence: translated(sentence) }) : text(`fusion.unmeasured-${unmeasured}`);
  }

  // Select a value; one that is not listed, such as an ONNX file or a custom window, is added.
  select(id, value, label) {
    if (![...byId(id).options].some((option) => option.value === value)) byId(id).append(new Option(label, value));
    byId(id).value = value;
  }

  labelStart() {
    byId("start-fusion").textContent = byId("keep-registration").checked && this.study?.outcome ? text("fusion.fuse-again") : text("fusion.start");
  }

  recipe() {
    const { recipe } = this.study;
    const { value } = byId("fusion-window");
    const window = value in this.info.windows ? value : this.window;
    return { ...recipe, method: byId("method").value, window, accept_registration: byId("accept-registration").checked };
  }

  async start(event) {
    event.preventDefault();
    if (!this.study) throw new Error(text("studies.open-first"));
    await this.fuse({ keep_registration: byId("keep-registration").checked && Boolean(this.study.outcome) });
  }

  // Let the server load the method and the MR of the displayed result: the first preview need not wait for them.
  loadMethod() {
    const { study, viewer } = this;
    api.previewSlice(study.id, study.outcome.method, Math.round(viewer.crosshair[2]), this.window).catch(() => {}); // a preview reports its own error
  }

  previewSoon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.preview().catch((error) => (byId("preview-status").textContent = error.message)), PREVIEW_DELAY_MS);
  }

  // What of the displayed result the chosen method and window change: a label of a preview; empty for nothing.
  previewLabel() {
    const method = byId("method").value, chosen = byId("fusion-window");
    const isOther = this.fusedWindow && String(this.window) !== String(this.fusedWindow);
    const changes = [...(this.study.outcome.method === method ? [] : [method]), ...(isOther ? [text("fusion.preview-window", { window: chosen.selectedOptions[0].text })] : [])];
    return changes.join(", ");
  }

  // Show the current slice as the chosen method and window fuse it; "Fuse again" fuses the volume.
  async preview() {
    const { viewer, study } = this;
    const label = study?.outcome && viewer.fused ? this.previewLabel() : "";
    if (!label) {
      byId("preview-status").textContent = "";
      if (viewer.preview) viewer.setPreview(null);
      return;
    }
    const index = Math.round(viewer.crosshair[2]);
    if (viewer.preview?.label === label && viewer.preview.index === index) return;
    byId("preview-status").textContent = text("fusion.previewing", { label });
    const start = performance.now();
    const values = await api.previewSlice(study.id, byId("method").value, index, this.window);
    if (this.study !== study || this.previewLabel() !== label || Math.round(viewer.crosshair?.[2]) !== index) return;
    byId("preview-status").textContent = text("fusion.previewed", { label, seconds: ((performance.now() - start) / 1000).toFixed(2) });
    Object.assign(document.body.dataset, { previewed: byId("method").value, previewedWindow: this.window });
    viewer.setPreview({ label, index, values });
  }
}

// The verdict on the registration of a further image.
function furtherItem({ label, quality, qa_passed, note }) {
  return createElement("li", { textContent: `${label}: ${quality}; ${note}`, className: qa_passed ? "" : "warning" });
}
