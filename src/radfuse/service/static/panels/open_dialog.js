// The dialog that opens a CT and an MR, by path or upload, and lists their series.

import * as api from "../api.js";
import { byId, showErrors, showText } from "../dom.js";
import { text } from "../text.js";
import { SeriesTable } from "./series_table.js";

const FURTHER = { pet: "pet-path", pet_ct: "pet-ct-path", spect: "spect-path" };
const FURTHER_MRS = "further-mr-paths";

export class OpenDialog {
  // `onOpened` gets the created study.
  constructor(onOpened) {
    Object.assign(this, { onOpened, uploads: null, table: new SeriesTable() });
    byId("open-study").addEventListener("click", () => (this.reset(), byId("open-dialog").showModal()));
    for (const id of ["study-path", "ct-path", "mr-path", "files", FURTHER_MRS, ...Object.values(FURTHER)]) byId(id).addEventListener("input", () => this.reset());
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

  // Discard the inspection of other paths.
  reset() {
    this.uploads = null;
    this.table.clear();
    showText("open-error", "");
  }

  // Paths of the files; files to upload are uploaded once, for inspecting and for opening.
  async paths() {
    const { files } = byId("files");
    const further = this.further();
    if (files.length) {
      this.uploads ??= (await api.upload(files)).path;
      return { study: this.uploads, ...further };
    }
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
      created = await api.create({ ...chosen, name: byId("study-name").value.trim() || null });
    } catch (error) {
      if (!this.table.isLoaded) await this.inspect().catch(() => {}); // lists the series, for instance of several pairs
      throw error;
    }
    await this.onOpened(created);
    byId("open-dialog").close();
  }
}
