// The dialog that sends series of the displayed run to a PACS.

import * as api from "../api.js";
import { byId, createElement, showErrors, showText } from "../dom.js";
import { text } from "../text.js";
import { TransferProgress } from "./transfer.js";

const STRUCTURES = "RTSTRUCT";

export class SendDialog {
  // `shown` returns study, run and sign-off that are displayed; `structures` their structures; `ensureSaved` saves them.
  constructor({ shown, structures, ensureSaved }) {
    Object.assign(this, { shown, structures, ensureSaved, progress: new TransferProgress("send") });
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
    const drawn = this.structures().length;
    const listed = [...series.map(({ name, objects }) => [name, text("send.objects", { objects })]), ...(drawn ? [[STRUCTURES, text("send.structures", { drawn })]] : [])];
    byId("send-series").replaceChildren(...listed.map(([name, what]) => tick(name, what)));
    byId("send-review").textContent = signoff ? text("send.reviewed", { state: text(`send.state-${signoff.state}`), name: signoff.name }) : text("send.unreviewed");
    byId("send-review").className = signoff?.state === "accepted" ? "" : "warning";
    showText("send-status", "");
    showText("send-error", "");
    Object.assign(this, { id, run });
    byId("send-dialog").showModal();
  }

  async send() {
    const series = [...byId("send-series").querySelectorAll(":checked")].map((input) => input.value);
    showText("send-status", "");
    if (!series.length) throw new Error(text("send.choose"));
    if (this.shown().run !== this.run) throw new Error(text("send.changed"));
    byId("start-send").disabled = true;
    try {
      if (series.includes(STRUCTURES)) await this.ensureSaved();
      const started = await api.send(this.id, { destination: byId("send-destination").value, series, run: this.run });
      const { state, message } = await this.progress.follow(started);
      if (state !== "done") throw new Error(message);
      showText("send-status", message);
    } finally {
      byId("start-send").disabled = false;
    }
  }
}

function tick(name, what) {
  const input = createElement("input", { type: "checkbox", value: name, checked: true });
  return createElement("label", { className: "tick" }, input, createElement("span", {}, createElement("b", { textContent: name }), ` ${what}`));
}
