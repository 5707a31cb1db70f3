// The banner: whose images are displayed, and what they are; it can be hidden for a presentation.

import { byId, createElement, setPressed } from "../dom.js";
import { text } from "../text.js";
import { PatientsDialog, readableName } from "./patients_dialog.js";

const HIDDEN_KEY = "radfuse-hide-patient";

export class IdentityBanner {
  // `onAccepted` gets the study after its different patients were accepted.
  constructor(onAccepted) {
    this.dialog = new PatientsDialog(onAccepted);
    Object.assign(this, { isBlocked: false, asked: null });
    byId("hide-patient").addEventListener("click", () => this.#hide(!this.#isHidden));
    this.#hide(this.#isHidden);
  }

  // Show the identities of a study's images; none where they are not known. Different patients that nobody has
  // accepted are compared in a dialog; where the patient is hidden, only on demand.
  show(id, identities) {
    const { images, differ, accepted_reason, is_withheld } = identities;
    this.isBlocked = differ && !accepted_reason;
    this.#showDifferent(identities);
    const isAsking = this.isBlocked && this.asked !== id && !this.#isHidden && !is_withheld;
    if (isAsking) this.asked = id;
    if (differ) this.dialog.show(id, identities, isAsking);
    const known = images.filter((one) => one.name || one.id || one.birth_date);
    byId("identity").hidden = !images.length;
    byId("identity").dataset.differ = String(differ);
    const patients = differ ? known : known.slice(0, 1);
    byId("patients").replaceChildren(...patients.map((one) => createElement("li", {}, ...patientParts(one, differ))));
    if (!known.length) byId("patients").replaceChildren(createElement("li", { textContent: text(is_withheld ? "identity.withheld" : "identity.none") }));
    const frames = new Set(images.map((one) => one.frame_of_reference));
    const hasOneFrame = images.length > 1 && frames.size === 1 && !frames.has("");
    byId("series").replaceChildren(...images.map((one) => createElement("li", { textContent: seriesText(one), title: one.frame_of_reference && text("identity.frame", { uid: one.frame_of_reference }) })));
    byId("series").append(createElement("li", { textContent: text(hasOneFrame ? "identity.one-frame" : "identity.different-frames") }));
  }

  clear() {
    Object.assign(this, { isBlocked: false, asked: null });
    this.dialog.close();
    byId("identity").hidden = true;
  }

  // Refuse a fusion of different patients that nobody has accepted, and compare them.
  checkPatients() {
    if (!this.isBlocked) return;
    byId("compare-patients").click();
    throw new Error(text("patients.blocked"));
  }

  #showDifferent({ images, differ, accepted_reason, is_withheld }) {
    const names = [...new Set(images.map((one) => one.modality))].join(", ");
    byId("different-patients").textContent = accepted_reason ? text("patients.accepted", { reason: accepted_reason }) : text("patients.different", { images: names });
    byId("different-patients").hidden = !differ;
    byId("compare-patients").hidden = !differ || is_withheld;
  }

  get #isHidden() {
    return localStorage.getItem(HIDDEN_KEY) === "yes";
  }

  #hide(isHidden) {
    localStorage.setItem(HIDDEN_KEY, isHidden ? "yes" : "no");
    setPressed(byId("hide-patient"), isHidden);
    byId("patients").hidden = isHidden;
  }
}

function patientParts({ modality, name, id, birth_date, sex }, differ) {
  const parts = [differ && `${modality}:`, readableName(name) || text("identity.no-name"), id && `ID ${id}`, birth_date && text("identity.born", { date: birth_date }), sex];
  return [createElement("b", { textContent: parts.filter(Boolean).slice(0, differ ? 2 : 1).join(" ") }), ` ${parts.filter(Boolean).slice(differ ? 2 : 1).join(" · ")}`];
}

function seriesText({ modality, description, date, size, spacing_mm }) {
  const spacing = spacing_mm.map((one) => one.toFixed(2).replace(/0+$/, "").replace(/\.$/, "")).join(" × ");
  return [modality, description, date, size.length && text("identity.slices", { count: size.at(-1) }), spacing && `${spacing} mm`].filter(Boolean).join(" · ");
}
