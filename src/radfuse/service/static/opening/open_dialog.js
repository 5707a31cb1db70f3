// The dialog that opens a CT and an MR, by path or upload, and lists their series.

import * as api from "../api.js";
import { byId, showErrors, showText } from "../dom.js";
import { text } from "../text.js";
import { acceptDrops } from "./dropped_files.js";
import { FolderBrowser } from "./folder_browser.js";
import { SeriesTable } from "./series_table.js";

const FURTHER = { pet: "pet-path", pet_ct: "pet-ct-path", spect: "spect-path" };
const FURTHER_MRS = "further-mr-paths";
const mb = (bytes) => (bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0);

export class OpenDialog {
  // `onOpened` gets the created study.
  constructor(onOpened) {
    Object.assign(this, { onOpened, uploads: null, dropped: null, table: new SeriesTable(), browser: new FolderBrowser() });
    byId("open-study").addEventListener("click", () => (this.reset(), byId("open-dialog").showModal()));
    for (const id of ["study-path", "ct-path", "mr-path", "files", "files-folder", FURTHER_MRS, ...Object.values(FURTHER)]) byId(id).addEventListener("input", () => this.reset());
    for (const button of document.querySelectorAll("[data-browse]")) button.addEventListener("click", () => this.browse(byId(button.dataset.browse)));
    byId("cancel-upload").addEventListener("click", () => this.abort?.abort());
    acceptDrops(showErrors((files) => this.openDropped(files), "open-error"));
    byId("close-dialog").addEventListener("click", () => byId("open-dialog").close());
    byId("open-dialog").addEventListener("close", () => this.reset());
    byId("inspect").addEventListener("click", showErrors(() => this.inspect(), "open-error"));
    byId("open-form").addEventListener(
      "submit",
      showErrors(async (event) => {
        event.preventDefault();
        await this.createStudy();
      }, "open-error"),
    );
  }

  // Open the dialog with the series in a path.
  async choose(path) {
    byId("open-form").reset();
    byId("study-path").value = path;
    byId("open-dialog").showModal();
    await showErrors(() => this.inspect(), "open-error")();
  }

  // Discard the inspection of other paths.
  reset() {
    this.abort?.abort();
    this.uploads = this.dropped = null;
    this.table.clear();
    for (const id of ["open-error", "upload-status"]) showText(id, "");
  }

  // Choose a path in the folders of the server; further MR are added.
  browse(field) {
    const isList = field.id === FURTHER_MRS;
    this.browser.open((path) => {
      field.value = isList && field.value.trim() ? `${field.value.trim()}\n${path}` : path;
      field.dispatchEvent(new Event("input"));
    }, isList ? "" : field.value.trim());
  }

  // Upload dropped files and folders, and list their series.
  async openDropped(files) {
    if (!byId("open-dialog").open) byId("open-dialog").showModal();
    this.reset();
    this.dropped = await files;
    if (!this.dropped.length) throw new Error(text("open.nothing-dropped"));
    await this.inspect();
  }

  // The path of the chosen or dropped files, which are uploaded once; null without any.
  async uploaded() {
    const files = this.dropped ?? [...byId("files").files, ...byId("files-folder").files];
    if (!files.length) return null;
    this.uploads ??= this.upload(files).catch((error) => {
      this.uploads = null; // to be tried again
      throw error;
    });
    return this.uploads;
  }

  async upload(files) {
    const bytes = files.reduce((sum, file) => sum + file.size, 0);
    const onProgress = (fraction) => {
      byId("upload-progress").value = fraction;
      showText("upload-status", text("open.uploading", { files: files.length, sent: mb(bytes * fraction), total: mb(bytes) }));
    };
    this.abort = new AbortController();
    byId("uploading").hidden = false;
    onProgress(0);
    try {
      const { path } = await api.upload(files, { onProgress, signal: this.abort.signal });
      showText("upload-status", text("open.uploaded", { files: files.length, total: mb(bytes) }));
      return path;
    } catch (error) {
      showText("upload-status", "");
      throw error;
    } finally {
      byId("uploading").hidden = true;
    }
  }

  // Paths of the files; files to upload are uploaded once, for inspecting and for opening.
  async paths() {
    const further = this.further(), uploaded = await this.uploaded();
    if (uploaded) return { study: uploaded, ...further };
    const [study, ct, mr] = ["study-path", "ct-path", "mr-path"].map((id) => byId(id).value.trim());
    if (study) return { study, ...further };
    if (!ct || !mr) throw new Error(text("open.paths-missing"));
    return { ct, mr, ...further };
  }

  // Paths of further images; without any no field.
  further() {
    const mrs = byId(FURTHER_MRS).value.split("\n").map((path) => path.trim()).filter(Boolean);
    const others = Object.entries(FURTHER).map(([name, id]) => [name, byId(id).value.trim()]).filter(([, path]) => path);
    return mrs.length || others.length ? { further: { mrs, ...Object.fromEntries(others) } } : {};
  }

  async inspect() {
    const { study, ct, mr, further = {} } = await this.paths();
    const { mrs = [], ...others } = further;
    const roles = [[ct, "ct"], [mr, "mr"], ...mrs.map((path) => [path, "further"]), ...Object.entries(others).map(([role, path]) => [path, role])].filter(([path]) => path);
    await this.table.load([...new Set([study, ...roles.map(([path]) => path)].filter(Boolean))], roles);
  }

  // Without the table, the server chooses the series as `radfuse fuse` does.
  async createStudy() {
    const chosen = this.table.isLoaded ? this.table.choice() : await this.paths();
    let created;
    try {
      const recipe = { ...chosen.recipe, show_identifiers: byId("show-identifiers").checked };
      created = await api.create({ ...chosen, recipe, name: byId("study-name").value.trim() || null });
    } catch (error) {
      if (!this.table.isLoaded) await this.inspect().catch(() => {}); // lists the series, for instance of several pairs
      throw error;
    }
    await this.onOpened(created);
    byId("open-dialog").close();
  }
}
