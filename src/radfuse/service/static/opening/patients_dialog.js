// The dialog that compares different patients, and accepts them as one person with a reason.

import * as api from "../api.js";
import { byId, createElement, showErrors } from "../dom.js";
import { text } from "../text.js";

const FIELDS = ["name", "id", "birth_date", "sex"];
const MIN_REASON_LENGTH = 5;

export class PatientsDialog {
  // `onAccepted` gets the study after its patients were accepted.
  constructor(onAccepted) {
    Object.assign(this, { onAccepted, id: null });
    this.dialog = byId("patients-dialog");
    byId("compare-patients").addEventListener("click", () => this.dialog.showModal());
    byId("refuse-patients").addEventListener("click", () => this.dialog.close());
    byId("patients-reason").addEventListener("input", () => this.#updateAccept());
    byId("patients-form").addEventListener("submit", showErrors((event) => this.#accept(event), "patients-error"));
  }

  // Compare the images of a study; with `isAsking` the dialog opens.
  show(id, { images, accepted_reason }, isAsking) {
    this.id = id;
    byId("patients-head").replaceChildren(createElement("td"), ...images.map((one) => createElement("th", { scope: "col", textContent: [one.modality, one.description].filter(Boolean).join(": ") })), createElement("td"));
    byId("patients-rows").replaceChildren(...FIELDS.map((key) => row(text(`patients.${key.replace("_", "-")}`), images.map((one) => valueOf(key, one)))));
    byId("patients-reason").value = accepted_reason;
    this.#updateAccept();
    if (isAsking && !this.dialog.open) this.dialog.showModal();
  }

  close() {
    this.dialog.close();
  }

  get #reason() {
    return byId("patients-reason").value.trim();
  }

  #updateAccept() {
    byId("accept-patients").disabled = this.#reason.length < MIN_REASON_LENGTH;
  }

  async #accept(event) {
    event.preventDefault();
    const accepted = await api.acceptPatients(this.id, this.#reason);
    this.dialog.close();
    await this.onAccepted(accepted);
  }
}

// A person name of DICOM, family^given^middle^prefix^suffix, in its first script.
export const readableName = (name) => name.split("=")[0].split("^").filter(Boolean).join(", ");

const valueOf = (key, image) => (key === "name" ? readableName(image.name) : image[key]);

// One field of all images; values that differ from the first one are marked, not by colour alone.
function row(label, values) {
  const known = values.filter(Boolean);
  const differs = new Set(known).size > 1;
  const cells = values.map((textContent) => createElement("td", { textContent: textContent || text("patients.not-stated") }));
  const mark = createElement("td", { textContent: differs ? `≠ ${text("patients.differs")}` : known.length < values.length ? "" : text("patients.same") });
  return createElement("tr", { className: differs ? "differs" : "" }, createElement("th", { scope: "row", textContent: label }), ...cells, mark);
}
