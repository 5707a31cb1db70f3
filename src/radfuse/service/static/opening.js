// The dialog that opens a CT and an MR: by path or upload, with a look at what is in it.

import * as api from "./api.js";
import { at, attempt, say } from "./page.js";

const SERIES = { CT: "ct-series", MR: "mr-series" };

export class Opening {
  // `opened` is told the study that was made.
  constructor(opened) {
    Object.assign(this, { opened, uploads: null });
    at("new").addEventListener("click", () => at("opening").showModal());
    at("close").addEventListener("click", () => at("opening").close());
    at("files").addEventListener("change", () => (this.uploads = null));
    at("look").addEventListener("click", attempt(() => this.look(), "refused"));
    at("open").addEventListener(
      "submit",
      attempt(async (event) => {
        event.preventDefault();
        await this.make();
      }, "refused"),
    );
  }

  // Where the files lie: uploaded once, also for a look and an opening after it.
  async paths() {
    const { files } = at("files");
    if (files.length) {
      this.uploads ??= (await api.upload(files)).path;
      return { study: this.uploads };
    }
    if (at("both").value) return { study: at("both").value };
    return { ct: at("ct-path").value || null, mr: at("mr-path").value || null };
  }

  async look() {
    const lines = [], found = { CT: [], MR: [] };
    for (const path of Object.values(await this.paths()).filter(Boolean)) {
      for (const image of (await api.inspect(path)).images) {
        lines.push(image.line, ...image.problems.map((one) => `  problem: ${one}`), ...image.notes.map((one) => `  note: ${one}`));
        if (image.uid && !image.problems.length) found[image.kind]?.push(image);
      }
    }
    for (const [kind, id] of Object.entries(SERIES)) this.offer(id, found[kind]);
    say("found", lines.join("\n") || "Name a folder or file first.");
  }

  // Several series of a kind: the user chooses, or leaves it to the server.
  offer(id, images) {
    at(id).replaceChildren(new Option("chosen by itself", ""), ...images.map((image) => new Option(image.line, image.uid)));
    at(`${id}-choice`).hidden = images.length < 2;
  }

  async make() {
    const chosen = Object.entries(SERIES).map(([kind, id]) => [`${kind.toLowerCase()}_series`, at(id).value || null]);
    const recipe = Object.fromEntries(chosen.filter(([, uid]) => uid));
    const made = await api.create({ ...(await this.paths()), name: at("study-name").value.trim() || null, recipe });
    await this.opened(made);
    at("opening").close();
  }
}
