// The Results panel: sign-off, downloads and sending of the displayed run.

import { byId } from "../dom.js";
import { text } from "../text.js";
import { Downloads } from "./downloads.js";
import { SendDialog } from "./send_dialog.js";
import { SigningPanel } from "./signing_panel.js";

export class ResultsPanel {
  keys = {};

  // `shownRun` returns the id of the displayed run, or an empty string; `onChanged` gets the study after a sign-off;
  // `store` returns the store of the structures.
  constructor(viewer, form, { shownRun, isMoved, onChanged, store }) {
    Object.assign(this, { shownRun, study: null });
    this.signing = new SigningPanel(viewer, form, { shownRun, isMoved, onSigned: onChanged });
    const shared = { shown: () => this.shown(), store };
    this.downloads = new Downloads(shared);
    this.sending = new SendDialog(shared);
    viewer.addEventListener("crosshair", () => this.update()); // also of a preview
  }

  show(study, isBusy) {
    this.study = study;
    byId("no-result").hidden = Boolean(study.outcome);
    byId("downloads").hidden = !study.outcome;
    this.signing.show(study, isBusy);
  }

  // What is displayed, and can leave the viewer.
  shown() {
    const { id, signoff, current } = this.study;
    const run = this.shownRun();
    if (!run || run !== current) throw new Error(text("signoff.not-displayed"));
    return { id, run, signoff };
  }

  update() {
    this.signing.update();
  }
}
