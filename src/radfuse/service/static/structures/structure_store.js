// The structures of the open study: changes with undo and redo, saved to the server.

import * as api from "../api.js";
import { text } from "../text.js";
import { DrawnStep, PresenceStep, SettingsStep } from "./history.js";
import { fromRuns } from "./masks.js";
import { Structure, beginOf } from "./structure.js";

const SAVE_DELAY_MS = 1000; // after a change
const RETRY_MS = 3000;
const MAX_UNDO_STEPS = 200;
const MAX_NAME_LENGTH = 64;
const CONFLICT = 409, GONE = 404;
const REFUSED = [400, 499]; // status codes of requests that would be refused again

// Slices that are to be saved, and the steps that changed them.
const unsavedOf = (indices, steps) => ({ indices: new Set(indices), steps: new Set(steps) });

// Events: `change` after a visible change, `saving` after a change of the save status.
export class StructureStore extends EventTarget {
  constructor() {
    super();
    this.isSmooth = true; // contours, on the screen and in structure sets
    this.close();
    addEventListener("beforeunload", (event) => this.isSaved || event.preventDefault());
  }

  close() {
    clearTimeout(this.timer);
    Object.assign(this, { timer: null, study: null, list: [], active: null, done: [], undone: [], turn: null, removed: new Map(), notice: "", unsaved: new Map(), saved: null, problem: "" });
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
    if (this.study === study) this.appendStep([new Structure({ ...created, runs }, this.volume)]);
  }

  // Add structures that the server has imported from a file.
  async addImported(study, summaries) {
    const loaded = await Promise.all(summaries.map(({ id }) => api.structure(study, id)));
    if (this.study === study) this.appendStep(loaded.map((one) => new Structure(one, this.volume)));
  }

  appendStep(structures) {
    this.append(structures);
    this.record(new PresenceStep(structures, true));
    this.notify();
  }

  append(structures) {
    this.list.push(...structures);
    this.active = this.list.at(-1) ?? null;
    this.notify();
  }

  async remove(structure) {
    const { study } = this;
    await this.take(structure);
    if (this.study !== study) return;
    this.record(new PresenceStep([structure], false));
    this.notice = text("structures.deleted", { name: structure.name });
    this.notify();
  }

  // Delete a structure, which the server keeps to be restored; it may be deleted there already.
  async take(structure) {
    const { study } = this;
    await this.enqueue(async () => {
      await this.save();
      if (this.unsaved.has(structure)) throw new Error(text("structures.unsaved", { problem: this.problem }));
      if (!this.list.includes(structure)) throw new Error(this.problem); // kept as a copy
      await api.removeStructure(study, structure.id, structure.revision).catch((error) => {
        if (error.status !== GONE) throw error;
      });
    });
    if (this.study !== study) return;
    Object.assign(structure, { place: this.list.indexOf(structure), waiting: this.unsaved.get(structure) });
    this.unsaved.delete(structure);
    this.removed.set(structure.id, structure);
    this.drop(structure);
  }

  // Restore a deleted structure where it was in the list.
  async bringBack(structure) {
    const { study } = this;
    const { name, revision } = await this.enqueue(() => api.restoreStructure(study, structure.id));
    if (this.study !== study) return;
    Object.assign(structure, { name, revision });
    this.list.splice(structure.place, 0, structure);
    this.active = structure;
    if (structure.waiting) this.unsaved.set(structure, structure.waiting), this.saveSoon();
    this.notify();
  }

  // Restore a structure that was deleted now or earlier, by its identifier, as an undoable step.
  async restore(id) {
    const { study } = this, known = this.removed.get(id);
    if (known) await this.bringBack(known);
    else {
      await this.enqueue(() => api.restoreStructure(study, id));
      const loaded = await api.structure(study, id);
      if (this.study === study) this.append([new Structure(loaded, this.volume)]);
    }
    if (this.study !== study) return;
    this.record(new PresenceStep([this.active], true));
    this.notify();
  }

  drop(structure) {
    this.list = this.list.filter((one) => one !== structure);
    if (this.active === structure) this.active = this.list.at(-1) ?? null;
    this.notify();
  }

  // Drop a structure and its steps, which cannot be undone without it.
  discard(structure) {
    for (const steps of [this.done, this.undone]) steps.splice(0, steps.length, ...steps.filter((step) => !step.structures.includes(structure)));
    this.drop(structure);
  }

  // Change name, colour or line.
  async setProperties(structure, changes) {
    const { study } = this;
    const { name, colour, line, lineWidth } = structure, settings = { name, colour, line, line_width: lineWidth };
    const before = Object.fromEntries(Object.keys(changes).map((key) => [key, settings[key]]));
    await this.changeSettings(structure, changes);
    if (this.study === study) this.record(new SettingsStep(structure, before, changes));
    this.notify();
  }

  // After pending saves.
  async changeSettings(structure, changes) {
    const { study } = this;
    await this.enqueue(async () => {
      await this.save();
      const response = await api.changeStructure(study, structure.id, { revision: structure.revision, ...changes });
      Object.assign(structure, { name: response.name, colour: response.colour, line: response.line, lineWidth: response.line_width, revision: response.revision });
    });
  }

  // One undoable step that has been drawn already: the runs that it toggled by slice, and what it was; null for none of the
  // steps that generate a structure.
  commit(structure, runs, kind) {
    if (!runs.size || !this.list.includes(structure)) return this.notify();
    this.record(new DrawnStep(structure, runs, kind));
    this.changed(structure, runs.keys(), kind);
  }

  record(step) {
    this.done.push(step);
    if (this.done.length > MAX_UNDO_STEPS) this.done.shift();
    Object.assign(this, { undone: [], notice: "" });
  }

  // One undoable step: new masks by slice.
  edit(structure, masks, kind) {
    const differences = [...masks].map(([index, mask]) => [index, structure.difference(index, mask)]);
    const runs = new Map(differences.filter(([, difference]) => difference.length));
    structure.toggle(runs);
    this.commit(structure, runs, kind);
  }

  // One undoable step: the runs of all slices that are not empty.
  replace(structure, runs, kind) {
    const indices = new Set([...structure.slices.keys(), ...Object.keys(runs).map(Number)]);
    this.edit(structure, new Map([...indices].map((index) => [index, fromRuns(runs[index] ?? [], structure.sliceSize)])), kind);
  }

  undo() {
    return this.inTurn(() => this.step(this.done, this.undone));
  }

  redo() {
    return this.inTurn(() => this.step(this.undone, this.done));
  }

  // One step after the other: some wait for the server.
  inTurn(work) {
    const step = (this.turn ?? Promise.resolve()).then(work);
    this.turn = step.catch(() => {});
    return step;
  }

  // A step that the server refuses is dropped; without an answer it can be tried again.
  async step(from, to) {
    const { study } = this, change = from.pop();
    if (!change) return;
    try {
      await change.apply(this);
    } catch (error) {
      const isRefused = error.status >= REFUSED[0] && error.status <= REFUSED[1];
      if (this.study === study && !isRefused) from.push(change);
      if (isRefused) change.structures.filter((one) => !this.list.includes(one)).forEach((one) => this.discard(one));
      throw error;
    } finally {
      this.notify();
    }
    if (this.study !== study) return;
    this.notice = "";
    to.push(change);
    this.notify();
  }

  changed(structure, indices, kind) {
    const waiting = this.unsaved.get(structure) ?? unsavedOf([], []);
    for (const index of indices) waiting.indices.add(index);
    if (kind) waiting.steps.add(kind);
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
    const [name, runs] = [beginOf(structure.name, MAX_NAME_LENGTH - suffix.length) + suffix, structure.runs()];
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
