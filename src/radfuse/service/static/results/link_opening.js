// Open studies of a patient by a link: ?study=StudyInstanceUID, repeated for more, and &pacs=NAME for another PACS than the first.

import * as api from "../api.js";
import { byId, showErrors, showText } from "../dom.js";
import { text } from "../text.js";
import { TransferProgress } from "./transfer.js";

export class LinkOpening {
  // `chooseSeries` gets the path of images of which the user chooses CT and MR, `onOpened` the id of a study that was
  // retrieved again.
  constructor(chooseSeries, onOpened) {
    const query = new URLSearchParams(location.search);
    this.studyUids = query.getAll("study");
    this.destination = query.get("pacs");
    this.progress = new TransferProgress("retrieval");
    byId("retrieval-choose").addEventListener("click", () => chooseSeries(this.path));
    byId("retrieval-again").addEventListener("click", async () => {
      const id = await this.open(true);
      if (id) await showErrors(onOpened, "retrieval-error")(id);
    });
  }

  get isGiven() {
    return this.studyUids.length > 0;
  }

  // The id of the study that was retrieved now, or earlier; null where it failed, for a reason that is shown.
  async open(again = false) {
    byId("retrieval").hidden = false;
    for (const id of ["retrieval-choose", "retrieval-again"]) byId(id).hidden = true;
    return (await showErrors(() => this.#retrieve(again), "retrieval-error")()) ?? null;
  }

  async #retrieve(again) {
    const started = await api.retrieve({ study_uids: this.studyUids, destination: this.destination, again });
    const { state, message, study, path, is_reopened } = await this.progress.follow(started);
    this.path = path;
    byId("retrieval-choose").hidden = !path;
    if (state !== "done") throw new Error(message);
    byId("retrieval").hidden = !is_reopened;
    byId("retrieval-again").hidden = !is_reopened;
    showText("retrieval-stage", is_reopened ? text("retrieval.reopened", { message }) : "");
    const url = new URL(location);
    for (const name of ["study", "pacs"]) url.searchParams.delete(name);
    history.replaceState(null, "", url); // the viewer, loaded again, shows the study as it is then
    return study;
  }
}
