// The structures of the open study: changes with undo and redo, saved to the server.

import * as api from "../api.js";
import { text } from "../text.js";
import { fromRuns } from "./masks.js";
import { Structure } from "./structure.js";

const SAVE_DELAY_MS = 1000; // after a change
const RETRY_MS = 3000;
const MAX_UNDO_STEPS = 200;
const MAX_NAME_LENGTH = 64;
const CONFLICT = 409, GONE = 404;

// Slices that are to be saved, and the steps that changed them.
const unsavedOf = (indices, steps) => ({ indices: new Set(indices), steps: new Set(steps) });

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

  // Add a structure, empty or with slices.
  async add(name, runs = {}, steps = []) {
    const { study } = this;
    const created = await api.addStructure(study, { name, runs, steps });
    if (this.study === study) this.append([new Structure({ ...created, runs }, this.volume)]);
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

  // Change name, colour or line, after pending saves.
  async setProperties(structure, changes) {
    const { study } = this;
    await this.enqueue(async () => {
      await this.save();
      const response = await api.changeStructure(study, structure.id, { revision: structure.revision, ...changes });
      Object.assign(structure, { name: response.name, colour: response.colour, line: response.line, lineWidth: response.line_width, revision: response.revision });
    });
    this.notify();
  }

  // One undoable step that has been drawn already: the runs that it toggled by slice, and what it was.
  commit(structure, runs, step) {
    if (!runs.size || !this.list.includes(structure)) return this.notify();
    this.done.push({ structure, runs, step });
    if (this.done.length > MAX_UNDO_STEPS) this.done.shift();
    this.undone = [];
    this.changed(structure, runs.keys(), step);
  }

  // One undoable step: new masks by slice.
  edit(structure, masks, step) {
    const differences = [...masks].map(([index, mask]) => [index, structure.difference(index, mask)]);
    const runs = new Map(differences.filter(([, difference]) => difference.length));
    structure.toggle(runs);
    this.commit(structure, runs, step);
  }

  // One undoable step: the runs of all slices that are not empty.
  replace(structure, runs, step) {
    const indices = new Set([...structure.slices.keys(), ...Object.keys(runs).map(Number)]);
    this.edit(structure, new Map([...indices].map((index) => [index, fromRuns(runs[index] ?? [], structure.sliceSize)])), step);
  }

  undo() {
    this.step(this.done, this.undone);
  }

  redo() {
    this.step(this.undone, this.done);
  }

  step(from, to) {
    const change = from.pop();
    if (!change) return;
    to.push(change);
    this.active = change.structure;
    change.structure.toggle(change.runs);
    this.changed(change.structure, change.runs.keys(), change.step);
  }

  changed(structure, indices, step) {
    const waiting = this.unsaved.get(structure) ?? unsavedOf([], []);
    for (const index of indices) waiting.indices.add(index);
    waiting.steps.add(step);
    this.unsaved.set(structure, waiting);
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
    for (const [structure, waiting] of [...this.unsaved]) {
      this.unsaved.delete(structure);
      try {
        const changes = { runs: structure.runs(waiting.indices), steps: [...waiting.steps] };
        const response = await api.changeStructure(study, structure.id, { revision: structure.revision, ...changes });
        Object.assign(structure, { revision: response.revision, steps: response.steps });
        Object.assign(this, { saved: new Date(), problem: "" });
      } catch (error) {
        await this.onSaveError(structure, waiting, error);
      }
      this.dispatchEvent(new Event("saving"));
    }
  }

  // Retry later; a structure that another window changed or deleted is kept as a copy.
  async onSaveError(structure, waiting, error) {
    let reason = error;
    if (error.status === CONFLICT || error.status === GONE) {
      try {
        return await this.keepAsCopy(structure, error.status === CONFLICT);
      } catch (second) {
        reason = second;
      }
    }
    const later = this.unsaved.get(structure) ?? unsavedOf([], []);
    this.unsaved.set(structure, unsavedOf([...waiting.indices, ...later.indices], [...waiting.steps, ...later.steps]));
    this.problem = reason.message;
    this.saveSoon(RETRY_MS);
  }

  // Keep both versions, this window's under a new name.
  async keepAsCopy(structure, exists) {
    const suffix = ` (${text("structures.copy", { time: new Date().toISOString().slice(11, 19) })})`;
    const [name, runs] = [structure.name.slice(0, MAX_NAME_LENGTH - suffix.length) + suffix, structure.runs()];
    const remote = exists ? [new Structure(await api.structure(this.study, structure.id), this.volume)] : [];
    const created = await api.addStructure(this.study, { name, runs, steps: structure.steps });
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
