// A transfer to or from a PACS: its progress, until it has ended.

import * as api from "../api.js";
import { byId, showText } from "../dom.js";
import { text } from "../text.js";

const POLL_MS = 300;
const RETRY_MS = 2000;
const OPEN = ["waiting", "running"];

export class TransferProgress {
  // Elements `name`-progress, `name`-stage and `name`-cancel in the element `name`-running.
  constructor(name) {
    this.name = name;
    this.id = null;
    byId(`${name}-cancel`).addEventListener("click", () => this.id && api.cancelTransfer(this.id).catch(() => {}));
  }

  // Follow a started transfer; returns its last status.
  async follow(status) {
    this.id = status.id;
    byId(`${this.name}-running`).hidden = false;
    try {
      while (OPEN.includes(status.state)) {
        this.#show(status);
        await new Promise((done) => setTimeout(done, POLL_MS));
        status = await this.#next(status);
      }
      return status;
    } finally {
      this.id = null;
      byId(`${this.name}-running`).hidden = true;
      showText(`${this.name}-stage`, "");
    }
  }

  // The transfer goes on where the server does not respond for some time.
  async #next(status) {
    try {
      return await api.transfer(status.id);
    } catch (error) {
      if (error.status) throw error;
      showText(`${this.name}-stage`, text("transfer.retrying", { error: error.message }));
      await new Promise((done) => setTimeout(done, RETRY_MS));
      return status;
    }
  }

  #show({ stage, fraction }) {
    showText(`${this.name}-stage`, `${stage}…`);
    const bar = byId(`${this.name}-progress`);
    if (fraction === null) bar.removeAttribute("value");
    else bar.value = fraction;
  }
}
