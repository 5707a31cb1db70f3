// A dialog with the folders of the server, to choose a folder, an archive or a volume file.

import * as api from "../api.js";
import { byId, createElement, showErrors } from "../dom.js";
import { text } from "../text.js";

const KINDS = ["dicom", "volumes", "archives"];

export class FolderBrowser {
  constructor() {
    this.dialog = byId("folder-dialog");
    byId("folder-up").addEventListener("click", this.#going(() => this.listing.parent));
    byId("folder-choose").addEventListener("click", () => this.#choose(this.listing.path));
    byId("folder-cancel").addEventListener("click", () => this.dialog.close());
  }

  // Ask for a path; `onChosen` gets it. The dialog begins at a path, or where it was last.
  async open(onChosen, path) {
    this.onChosen = onChosen;
    byId("folder-error").textContent = "";
    this.dialog.showModal();
    await showErrors(() => this.#list(path || this.listing?.path || null).catch(() => this.#list(null)), "folder-error")();
  }

  async #list(path) {
    const listing = (this.listing = await api.folders(path));
    byId("folder-path").textContent = listing.path || text("folders.roots");
    byId("folder-up").disabled = listing.parent === null;
    byId("folder-choose").disabled = !listing.path;
    const folders = listing.folders.map((one) => item(`${one.name}/`, one.is_counted ? countsText(one.counts) : `${countsText(one.counts)} …`, this.#going(() => one.path)));
    const files = listing.files.map((one) => item(one.name, "", () => this.#choose(one.path)));
    byId("folder-list").replaceChildren(...folders, ...files);
    const notes = [listing.path && (countsText(listing.counts) || text("folders.none")), listing.is_complete ? "" : text("folders.more"), listing.path || folders.length ? "" : text("folders.nothing")];
    byId("folder-counts").textContent = notes.filter(Boolean).join(" ");
    (byId("folder-list").querySelector("button") ?? byId("folder-cancel")).focus();
  }

  // A listener that goes to a folder.
  #going(path) {
    return showErrors(() => this.#list(path()), "folder-error");
  }

  #choose(path) {
    this.dialog.close();
    this.onChosen(path);
  }
}

function item(name, counts, onClick) {
  const button = createElement("button", { type: "button" }, createElement("span", { textContent: name }), createElement("small", { textContent: counts }));
  button.addEventListener("click", onClick);
  return createElement("li", {}, button);
}

const countsText = (counts) => KINDS.filter((kind) => counts[kind]).map((kind) => text(`folders.${kind}`, { count: counts[kind] })).join(", ");
