// The dialog that opens a CT and an MR: by path or upload, with a look at what is in it.

import * as api from "../api.js";
import { at, attempt, say } from "../dom.js";

const SERIES = { CT: "ct-series", MR: "mr-series" };

export class OpenDialog {
  // `opened` is told the study that was made.
  constructor(opened) {
    Object.assign(this, { opened, uploads: null });
    at("new").addEventListener("click", () => (this.forget(), at("opening").showModal()));
    for (const id of ["both", "ct-path", "mr-path", "files"]) at(id).addEventListener("input", () => this.forget());
    at("close").addEventListener("click", () => at("opening").close());
    at("look").addEventListener("click", attempt(() => this.look(), "refused"));
    at("open").addEventListener(
      "submit",
      attempt(async (event) => {
        event.preventDefault();
        await this.make();
      }, "refused"),
    );
  }

  // What was found belongs to the paths that were looked at.
  forget() {
    this.uploads = this.looked = null;
    for (const kind of Object.keys(SERIES)) this.offer(SERIES[kind], []);
    for (const id of ["found", "refused"]) say(id, "");
  }

  // Where the files lie: uploaded once, also for a look and an opening after it.
  async paths() {
    const { files } = at("files");
    if (files.length) {
      this.uploads ??= (await api.upload(files)).path;
      return { study: this.uploads };
    }
    const [both, ct, mr] = ["both", "ct-path", "mr-path"].map((id) => at(id).value.trim());
    if (both) return { study: both };
    if (!ct || !mr) throw new Error("Name a folder with both, or the CT and the MR, or choose files to upload.");
    return { ct, mr };
  }

  async look() {
    const lines = [], found = { CT: [], MR: [] };
    const looked = (this.looked = {});
    for (const path of Object.values(await this.paths()).filter(Boolean)) {
      for (const image of (await api.inspect(path)).images) {
        lines.push(image.line, ...image.problems.map((one) => `  problem: ${one}`), ...image.notes.map((one) => `  note: ${one}`));
        if (image.uid && !image.problems.length) found[image.kind]?.push(image);
      }
    }
    if (this.looked !== looked) return;
    for (const [kind, id] of Object.entries(SERIES)) this.offer(id, found[kind]);
    say("found", lines.join("\n") || "No images.");
  }

  // Several series of a kind: the user chooses.
  offer(id, images) {
    at(id).replaceChildren(new Option("choose…", ""), ...images.map((image) => new Option(image.line, image.uid)));
    at(`${id}-choice`).hidden = images.length < 2;
  }

  async make() {
    const chosen = Object.entries(SERIES).map(([kind, id]) => [`${kind.toLowerCase()}_series`, at(id).value || null]);
    for (const [kind, id] of Object.entries(SERIES))
      if (!at(`${id}-choice`).hidden && !at(id).value) throw new Error(`Choose the ${kind} series.`);
    const recipe = Object.fromEntries(chosen.filter(([, uid]) => uid));
    const asked = { ...(await this.paths()), name: at("study-name").value.trim() || null, recipe };
    let made;
    try {
      made = await api.create(asked);
    } catch (error) {
      await this.look().catch(() => {}); // several pairs, say: they are listed to choose from
      throw error;
    }
    await this.opened(made);
    at("opening").close();
  }
}
