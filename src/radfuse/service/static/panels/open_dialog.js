// The dialog that opens a CT and an MR, by path or upload, and lists their series.

import * as api from "../api.js";
import { byId, showErrors, showText } from "../dom.js";
import { text } from "../text.js";

const FURTHER = { pet: "pet-path", pet_ct: "pet-ct-path", spect: "spect-path" };
const FURTHER_MRS = "further-mr-paths";
const SERIES = { CT: "ct-series", MR: "mr-series" };

export class OpenDialog {
  // `onOpened` gets the created study.
  constructor(onOpened) {
    Object.assign(this, { onOpened, uploads: null });
    byId("open-study").addEventListener("click", () => (this.reset(), byId("open-dialog").showModal()));
    for (const id of ["study-path", "ct-path", "mr-path", "files", FURTHER_MRS, ...Object.values(FURTHER)]) byId(id).addEventListener("input", () => this.reset());
    byId("close-dialog").addEventListener("click", () => byId("open-dialog").close());
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
    this.uploads = this.inspected = null;
    for (const kind of Object.keys(SERIES)) this.offerSeries(SERIES[kind], []);
    for (const id of ["inspection", "open-error"]) showText(id, "");
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
    const lines = [], series = { CT: [], MR: [] };
    const inspected = (this.inspected = {});
    const { further = {}, ...main } = await this.paths();
    for (const path of Object.values({ ...main, ...further }).flat()) {
      for (const image of (await api.inspect(path)).images) {
        lines.push(image.line, ...image.problems.map((one) => `  ${text("open.problem", { problem: one })}`), ...image.notes.map((one) => `  ${text("open.note", { note: one })}`));
        const isChoice = Object.values(main).includes(path) && image.is_volume && !image.problems.length;
        if (isChoice) series[image.kind]?.push(image);
      }
    }
    if (this.inspected !== inspected) return;
    for (const [kind, id] of Object.entries(SERIES)) this.offerSeries(id, series[kind]);
    showText("inspection", lines.join("\n") || text("open.no-images"));
  }

  // Where there are several series of a modality, the user selects one.
  offerSeries(id, images) {
    byId(id).replaceChildren(new Option(text("open.choose"), ""), ...images.map((image) => new Option(image.line, image.uid)));
    byId(`${id}-choice`).hidden = images.length < 2;
  }

  async createStudy() {
    const chosen = Object.entries(SERIES).map(([kind, id]) => [`${kind.toLowerCase()}_series`, byId(id).value || null]);
    for (const [kind, id] of Object.entries(SERIES))
      if (!byId(`${id}-choice`).hidden && !byId(id).value) throw new Error(text("open.choose-series", { kind }));
    const recipe = Object.fromEntries(chosen.filter(([, uid]) => uid));
    const request = { ...(await this.paths()), name: byId("study-name").value.trim() || null, recipe };
    let created;
    try {
      created = await api.create(request);
    } catch (error) {
      await this.inspect().catch(() => {}); // lists the series, for instance of several pairs
      throw error;
    }
    await this.onOpened(created);
    byId("open-dialog").close();
  }
}
