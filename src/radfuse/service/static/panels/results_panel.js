// The Results panel: sign-off of the displayed result.

import { byId } from "../dom.js";
import { SigningPanel } from "./signing_panel.js";

export class ResultsPanel {
  keys = {};

  // `shownRun` returns the id of the displayed run, or an empty string; `onChanged` gets the study after a sign-off.
  constructor(viewer, form, { shownRun, isMoved, onChanged }) {
    this.signing = new SigningPanel(viewer, form, { shownRun, isMoved, onSigned: onChanged });
    viewer.addEventListener("crosshair", () => this.update()); // also of a preview
  }

  show(study, isBusy) {
    byId("no-result").hidden = Boolean(study.outcome);
    this.signing.show(study, isBusy);
  }

  update() {
    this.signing.update();
  }
}
