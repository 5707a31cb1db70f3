// The structures of the open study: changes with undo and redo, saved to the server.

import * as api from "../api.js";
import { text } from "../text.js";
import { fromRuns, toRuns } from "./masks.js";
import { Structure } from "./structure.js";

const SAVE_DELAY_MS = 1000; // after a change
const RETRY_MS = 3000;
const MAX_UNDO_STEPS = 200;
const MAX_NAME_LENGTH = 64;
const CONFLICT = 409, GONE = 404;

// Masks by slice as run lengths: a fiftieth of the memory.
const encode = (masks) => [...masks].map(([index, mask]) => [index, mask ? toRuns(mask) : []]);

// Events: `change` after a visible change, `saving` after a change of the save status.
export class StructureStore extends EventTarget {
  constructor() {
    super();
    this.close();
    addEventListener("beforeunload", (event) => this.isSaved || event.preventDefault());
  }

  close() {
    clearTimeout(this.timer);
    Object.assign(this, { timer: null, study: null, list: [], active: null, done: [], undone: [], unsaved: new Map(), saved: null, problem: "" });
  }

  get isSaved() {
    return this.unsaved.size === 0;
  }

  // Load the structures of a study; returns the problems of unreadable ones.
  async open(study, volume) {
    this.close();
    const request = (this.request = {});
    const summaries = await api.structures(study);
    const loaded = await Promise.all(summaries.filter((one) => !one.problem).map((one) => api.structure(study, one.id)));
    if (this.request !== request) return [];
    Object.assign(this, { study, volume, list: loaded.map((one) => new Structure(one, volume)) });
    this.active = this.list[0] ?? null;
    this.notify();
    return summaries.map((one) => one.problem).filter(Boolean);
  }

  notify() {
    this.dispatchEvent(new Event("change"));
    this.dispatchEvent(new Event("saving"));
  }

  async add(name) {
    const { study } = this;
    const created = await api.addStructure(study, { name });
    if (this.study === study) this.append([new Structure(created, this.volume)]);
  }

  // Add structures that the server has imported from a file.
  async addImported(study, summaries) {
    const loaded = await Promise.all(summaries.map(({ id }) => api.structure(study, id)));
    if (this.study === study) this.append(loaded.map((one) => new Structure(one, this.volume)));
  }

  append(structures) {
    this.list.push(...structures);
    this.active = this.list.at(-1) ?? null;
    this.notify();
  }

  async remove(structure) {
    await this.saveNow();
    await api.removeStructure(this.study, structure.id);
    this.unsaved.delete(structure);
    this.discard(structure);
  }

  discard(structure) {
    this.list = this.list.filter((one) => one !== structure);
    for (const steps of [this.done, this.undone]) steps.splice(0, steps.length, ...steps.filter((step) => step.structure !== structure));
    if (this.active === structure) this.active = this.list.at(-1) ?? null;
    this.notify();
  }

  // Change name or colour, after pending saves.
  async setProperties(structure, changes) {
    const { study } = this;
    await this.enqueue(async () => {
      await this.save();
      const response = await api.changeStructure(study, structure.id, { revision: structure.revision, ...changes });
      Object.assign(structure, { name: response.name, colour: response.colour, revision: response.revision });
    });
    this.notify();
  }

  // One undoable step: new masks by slice; `before` are the old ones where the structure has changed already.
  edit(structure, after, before = new Map([...after.keys()].map((index) => [index, structure.slices.get(index)]))) {
    this.done.push({ structure, before: encode(before), after: encode(after) });
    if (this.done.length > MAX_UNDO_STEPS) this.done.shift();
    this.undone = [];
    this.put(structure, after);
  }

  undo() {
    this.step(this.done, this.undone, "before");
  }

  redo() {
    this.step(this.undone, this.done, "after");
  }

  step(from, to, side) {
    const step = from.pop();
    if (!step) return;
    to.push(step);
    const size = this.volume.size[0] * this.volume.size[1];
    this.active = step.structure;
    this.put(step.structure, new Map(step[side].map(([index, runs]) => [index, fromRuns(runs, size)])));
  }

  put(structure, masks) {
    const indices = this.unsaved.get(structure) ?? new Set();
    for (const [index, mask] of masks) {
      structure.put(index, mask);
      indices.add(index);
    }
    this.unsaved.set(structure, indices);
    this.saveSoon();
    this.notify();
  }

  saveSoon(wait = SAVE_DELAY_MS) {
    this.timer ??= setTimeout(() => {
      this.timer = null;
      this.saveNow();
    }, wait);
  }

  // One request after the other: each needs the revision of the last one.
  enqueue(work) {
    const task = (this.queue ?? Promise.resolve()).then(work);
    this.queue = task.catch(() => {});
    return task;
  }

  // Save unsaved changes; retried later while the server is away.
  saveNow() {
    return this.enqueue(() => this.save());
  }

  // Save everything; throws where something could not be saved.
  async ensureSaved() {
    await this.saveNow();
    if (!this.isSaved) throw new Error(text("structures.unsaved", { problem: this.problem }));
  }

  async save() {
    const { study } = this;
    for (const [structure, indices] of [...this.unsaved]) {
      this.unsaved.delete(structure);
      try {
        const response = await api.changeStructure(study, structure.id, { revision: structure.revision, runs: structure.runs(indices) });
        structure.revision = response.revision;
        Object.assign(this, { saved: new Date(), problem: "" });
      } catch (error) {
        await this.onSaveError(structure, indices, error);
      }
      this.dispatchEvent(new Event("saving"));
    }
  }

  // Retry later; a structure that another window changed or deleted is kept as a copy.
  async onSaveError(structure, indices, error) {
    let reason = error;
    if (error.status === CONFLICT || error.status === GONE) {
      try {
        return await this.keepAsCopy(structure, error.status === CONFLICT);
      } catch (second) {
        reason = second;
      }
    }
    for (const index of this.unsaved.get(structure) ?? []) indices.add(index);
    this.unsaved.set(structure, indices);
    this.problem = reason.message;
    this.saveSoon(RETRY_MS);
  }

  // Keep both versions, this window's under a new name.
  async keepAsCopy(structure, exists) {
    const suffix = ` (${text("structures.copy", { time: new Date().toISOString().slice(11, 19) })})`;
    const [name, runs] = [structure.name.slice(0, MAX_NAME_LENGTH - suffix.length) + suffix, structure.runs()];
    const remote = exists ? [new Structure(await api.structure(this.study, structure.id), this.volume)] : [];
    const created = await api.addStructure(this.study, { name, runs });
    const copy = new Structure({ ...created, runs: structure.runs() }, this.volume);
    const later = this.unsaved.get(structure); // drawn during the requests
    this.unsaved.delete(structure);
    if (later) this.unsaved.set(copy, later), this.saveSoon();
    this.discard(structure);
    this.append([...remote, copy]);
    Object.assign(this, { saved: new Date(), problem: text(exists ? "structures.changed-elsewhere" : "structures.deleted-elsewhere", { name: structure.name, copy: name }) });
    this.notify();
  }
}
