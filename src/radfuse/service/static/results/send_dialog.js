// The dialog that sends series of the displayed run to a PACS.

import * as api from "../api.js";
import { byId, createElement, showErrors, showText } from "../dom.js";
import { text } from "../text.js";
import { TransferProgress } from "./transfer.js";

const STRUCTURES = "RTSTRUCT", STRUCTURES_ON_MR = "RTSTRUCT_on_MR";

export class SendDialog {
  // `shown` returns study, run and sign-off that are displayed; `store` the store of their structures.
  constructor({ shown, store }) {
    Object.assign(this, { shown, store, progress: new TransferProgress("send") });
    byId("send-result").addEventListener("click", showErrors(() => this.open(), "download-error"));
    byId("close-send").addEventListener("click", () => byId("send-dialog").close());
    byId("send-form").addEventListener("submit", (event) => (event.preventDefault(), showErrors(() => this.send(), "send-error")()));
  }

  async open() {
    const { id, run, signoff } = this.shown();
    const [destinations, { series, dicom_problem }] = await Promise.all([api.destinations(), api.results(id, run)]);
    if (!destinations.length) throw new Error(text("send.no-pacs"));
    if (dicom_problem) throw new Error(dicom_problem);
    byId("send-destination").replaceChildren(...destinations.map(({ name, protocol, address }) => new Option(`${name} (${protocol}, ${address})`, name)));
    const ticks = series.map(({ name, objects }) => tick(name, text("send.objects", { objects }), true));
    byId("send-series").replaceChildren(...ticks, ...this.structureTicks(signoff));
    byId("send-review").textContent = signoff ? text("send.reviewed", { state: text(`send.state-${signoff.state}`), name: signoff.name }) : text("send.unreviewed");
    byId("send-review").className = signoff?.state === "accepted" ? "" : "warning";
    showText("send-status", "");
    showText("send-error", "");
    Object.assign(this, { id, run });
    byId("send-dialog").showModal();
  }

  // On the slices of the CT, and not chosen at first those of the MR, unless the registration was rejected.
  structureTicks(signoff) {
    const drawn = this.store().list.length;
    if (!drawn) return [];
    const onMr = signoff?.state === "rejected" ? [] : [tick(STRUCTURES_ON_MR, text("send.structures-on-mr"), false)];
    return [tick(STRUCTURES, text("send.structures", { drawn }), true), ...onMr];
  }

  async send() {
    const series = [...byId("send-series").querySelectorAll(":checked")].map((input) => input.value);
    showText("send-status", "");
    if (!series.length) throw new Error(text("send.choose"));
    if (this.shown().run !== this.run) throw new Error(text("send.changed"));
    byId("start-send").disabled = true;
    try {
      if ([STRUCTURES, STRUCTURES_ON_MR].some((name) => series.includes(name))) await this.store().ensureSaved();
      const started = await api.send(this.id, { destination: byId("send-destination").value, series, run: this.run, smooth: this.store().isSmooth });
      const { state, message } = await this.progress.follow(started);
      if (state !== "done") throw new Error(message);
      showText("send-status", message);
    } finally {
      byId("start-send").disabled = false;
    }
  }
}

function tick(name, what, checked) {
  const input = createElement("input", { type: "checkbox", value: name, checked });
  return createElement("label", { className: "tick" }, input, createElement("span", {}, createElement("b", { textContent: name }), ` ${what}`));
}
