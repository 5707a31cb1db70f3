// Downloads of the displayed run.

import * as api from "../api.js";
import { byId, createElement, showErrors, showText } from "../dom.js";
import { text } from "../text.js";

const FILES = { "download-dicom": "dicom.zip", "download-nifti": "nifti.zip", "download-transform": "transform.tfm", "download-html": "sheet.html" };

export class Downloads {
  // `shown` returns study and run that are displayed; `store` that of the structures.
  constructor({ shown, store }) {
    Object.assign(this, { shown, store });
    for (const [id, name] of Object.entries(FILES)) this.#on(id, () => this.#download(name));
    this.#on("download-pdf", () => this.#downloadPdf());
    this.#on("download-rtstruct", () => this.#downloadStructures("ct"));
    this.#on("download-rtstruct-mr", () => this.#downloadStructures("mr"));
  }

  #on(id, action) {
    byId(id).addEventListener("click", showErrors(async () => {
      showText("download-status", text("results.preparing"));
      byId(id).disabled = true;
      try {
        showText("download-status", (await action()) ?? "");
      } catch (error) {
        showText("download-status", "");
        throw error;
      } finally {
        byId(id).disabled = false;
      }
    }, "download-error"));
  }

  // Start a download of any size, which the browser shows; what prevents it is asked for before.
  async #download(name) {
    const { id, run } = this.shown();
    const { dicom_problem } = await api.results(id, run);
    if (name === FILES["download-dicom"] && dicom_problem) throw new Error(dicom_problem);
    save(api.resultUrl(id, name, run));
    return text("results.started");
  }

  async #downloadPdf() {
    const { id, run } = this.shown();
    const { blob, name } = await api.resultFile(id, "sheet.pdf", run);
    const url = URL.createObjectURL(blob);
    save(url, name);
    setTimeout(() => URL.revokeObjectURL(url), 60000);
    return text("results.saved", { name });
  }

  // A structure set that references an image.
  async #downloadStructures(image) {
    const { id } = this.shown();
    await this.store().ensureSaved();
    const { name, notes } = await api.exportStructures(id, { format: "rtstruct", smooth: this.store().isSmooth, image });
    save(api.exportUrl(id, name), name);
    return [text("results.saved", { name }), ...notes].join("; ");
  }
}

function save(href, download = "") {
  createElement("a", { href, download }).click();
}
