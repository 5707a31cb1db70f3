// The list of deleted structures of the study; each can be restored.

import * as api from "../api.js";
import { byId, createElement, showErrors } from "../dom.js";
import { locale, text } from "../text.js";

export class DeletedSection {
  // `panel` is the structures panel.
  constructor(panel) {
    Object.assign(this, { panel, store: panel.store, shown: "" });
    byId("deleted-structures").addEventListener("toggle", () => this.update());
    this.store.addEventListener("change", () => this.update());
  }

  // Asked for again after a change of the list, while it is open.
  async update() {
    const { study, list } = this.store;
    byId("deleted-structures").hidden = !study;
    const key = study ? [study, ...list.map(({ id }) => id)].join(" ") : "";
    if (!byId("deleted-structures").open || key === this.shown) return;
    this.shown = key;
    await showErrors(async () => {
      const deleted = study ? await api.deletedStructures(study) : [];
      if (this.shown === key) this.show(deleted);
    }, "deleted-error")();
  }

  show(deleted) {
    byId("no-deleted").hidden = deleted.length > 0;
    byId("deleted-list").replaceChildren(...deleted.map((one) => this.item(one)));
  }

  item({ id, name, volume_cm3, deleted }) {
    const restore = createElement("button", { type: "button", textContent: text("structures.restore"), ariaLabel: text("structures.restore-named", { name }) });
    restore.addEventListener("click", showErrors(() => this.store.restore(id), "deleted-error"));
    const time = createElement("span", { className: "cm3", textContent: new Date(deleted).toLocaleTimeString(locale, { timeStyle: "short" }) });
    const volume = createElement("span", { className: "cm3", textContent: `${volume_cm3.toFixed(2)} cm³` });
    return createElement("li", {}, createElement("span", { className: "name", textContent: name, title: new Date(deleted).toLocaleString(locale) }), time, volume, restore);
  }
}
