// The banner: whose images are displayed, and what they are; it can be hidden for a presentation.

import { byId, createElement, setPressed } from "../dom.js";

const HIDDEN_KEY = "radfuse-hide-patient";

export class IdentityBanner {
  constructor() {
    byId("hide-patient").addEventListener("click", () => this.#hide(!this.#isHidden));
    this.#hide(this.#isHidden);
  }

  // Show the identities of a study's images; none where they are not known.
  show({ images, differ }) {
    const known = images.filter((one) => one.name || one.id || one.birth_date);
    byId("identity").hidden = !images.length;
    byId("identity").dataset.differ = String(differ);
    byId("different-patients").hidden = !differ;
    const patients = differ ? known : known.slice(0, 1);
    byId("patients").replaceChildren(...patients.map((one) => createElement("li", {}, ...patientParts(one, differ))));
    if (!known.length) byId("patients").replaceChildren(createElement("li", { textContent: "No patient in the headers" }));
    const frames = new Set(images.map((one) => one.frame_of_reference));
    const hasOneFrame = images.length > 1 && frames.size === 1 && !frames.has("");
    byId("series").replaceChildren(...images.map((one) => createElement("li", { textContent: seriesText(one), title: one.frame_of_reference && `Frame of reference ${one.frame_of_reference}` })));
    byId("series").append(createElement("li", { textContent: hasOneFrame ? "one frame of reference" : "different frames of reference" }));
  }

  clear() {
    byId("identity").hidden = true;
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
  const parts = [differ && `${modality}:`, readable(name) || "no name", id && `ID ${id}`, birth_date && `born ${birth_date}`, sex];
  return [createElement("b", { textContent: parts.filter(Boolean).slice(0, differ ? 2 : 1).join(" ") }), ` ${parts.filter(Boolean).slice(differ ? 2 : 1).join(" · ")}`];
}

// A person name of DICOM, family^given^middle^prefix^suffix, in its first script.
const readable = (name) => name.split("=")[0].split("^").filter(Boolean).join(", ");

function seriesText({ modality, description, date, size, spacing_mm }) {
  const spacing = spacing_mm.map((one) => one.toFixed(2).replace(/0+$/, "").replace(/\.$/, "")).join(" × ");
  return [modality, description, date, `${size.at(-1)} slices`, `${spacing} mm`].filter(Boolean).join(" · ");
}
