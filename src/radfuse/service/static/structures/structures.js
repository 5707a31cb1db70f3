// Drawn structures: what is on the page, every change with its way back, and all of it saved.

import * as api from "../api.js";
import { borders, count, fromRuns, isEmpty, toRuns } from "./masks.js";

const QUIET_MS = 1000; // after a change, until it is saved
const RETRY_MS = 3000;
const MOST_STEPS = 200;
const LONGEST_NAME = 64;
const CONFLICT = 409, GONE = 404;

class Structure {
  constructor({ id, name, colour, revision, runs = {} }, volume) {
    Object.assign(this, { id, name, colour, revision, volume, isVisible: true, paths: new Map() });
    this.counts = new Map();
    this.slices = new Map();
    const size = volume.size[0] * volume.size[1];
    for (const [index, of] of Object.entries(runs)) this.put(Number(index), fromRuns(of, size));
  }

  put(index, mask) {
    if (isEmpty(mask)) this.slices.delete(index), this.counts.delete(index);
    else this.slices.set(index, mask), this.counts.set(index, count(mask));
    this.paths.clear();
  }

  get cm3() {
    const voxels = [...this.counts.values()].reduce((sum, one) => sum + one, 0);
    return (voxels * this.volume.spacing.reduce((product, mm) => product * mm, 1)) / 1000;
  }

  runs(indices = this.slices.keys()) {
    return Object.fromEntries([...indices].map((index) => [index, this.slices.has(index) ? toRuns(this.slices.get(index)) : []]));
  }

  // Borders in one plane, in voxels of that plane, row 0 at the top of the screen.
  path(viewport, index) {
    const key = `${viewport.plane} ${index}`;
    if (!this.paths.has(key)) this.paths.set(key, this.traced(viewport, index));
    return this.paths.get(key);
  }

  traced(viewport, index) {
    const path = new Path2D();
    const mask = this.plane(viewport, index);
    if (mask) for (const [x, y, toX, toY] of borders(mask, [viewport.columns, viewport.rows])) path.moveTo(x, y), path.lineTo(toX, toY);
    return path;
  }

  plane(viewport, index) {
    if (viewport.plane === "axial") return this.slices.get(index);
    const mask = new Uint8Array(viewport.columns * viewport.rows);
    const width = this.volume.size[0];
    for (const [slice, drawn] of this.slices) {
      const row = (viewport.rows - 1 - slice) * viewport.columns;
      if (viewport.plane === "coronal") mask.set(drawn.subarray(index * width, (index + 1) * width), row);
      else for (let column = 0; column < viewport.columns; column++) mask[row + column] = drawn[column * width + index];
    }
    return mask;
  }
}

// Masks by slice as a way back keeps them: a fiftieth of the memory.
const packed = (masks) => [...masks].map(([index, mask]) => [index, mask ? toRuns(mask) : []]);

// Events: `change` when something looks different, `saving` when the state of saving does.
export class Structures extends EventTarget {
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

  // The structures of a study; returns what is wrong with those that cannot be read.
  async open(study, volume) {
    this.close();
    const opening = (this.opening = {});
    const summaries = await api.structures(study);
    const found = await Promise.all(summaries.filter((one) => !one.problem).map((one) => api.structure(study, one.id)));
    if (this.opening !== opening) return [];
    Object.assign(this, { study, volume, list: found.map((one) => new Structure(one, volume)) });
    this.active = this.list[0] ?? null;
    this.changed();
    return summaries.map((one) => one.problem).filter(Boolean);
  }

  changed() {
    this.dispatchEvent(new Event("change"));
    this.dispatchEvent(new Event("saving"));
  }

  async add(name) {
    const { study } = this;
    const made = await api.addStructure(study, { name });
    if (this.study === study) this.show([new Structure(made, this.volume)]);
  }

  // Structures that the server has read from a file.
  async take(study, summaries) {
    const found = await Promise.all(summaries.map(({ id }) => api.structure(study, id)));
    if (this.study === study) this.show(found.map((one) => new Structure(one, this.volume)));
  }

  show(structures) {
    this.list.push(...structures);
    this.active = this.list.at(-1) ?? null;
    this.changed();
  }

  async remove(structure) {
    await this.settle();
    await api.removeStructure(this.study, structure.id);
    this.unsaved.delete(structure);
    this.drop(structure);
  }

  drop(structure) {
    this.list = this.list.filter((one) => one !== structure);
    for (const steps of [this.done, this.undone]) steps.splice(0, steps.length, ...steps.filter((step) => step.structure !== structure));
    if (this.active === structure) this.active = this.list.at(-1) ?? null;
    this.changed();
  }

  // Another name or colour; in turn with what is being saved.
  async describe(structure, changes) {
    const { study } = this;
    await this.inTurn(async () => {
      await this.save();
      const told = await api.changeStructure(study, structure.id, { revision: structure.revision, ...changes });
      Object.assign(structure, { name: told.name, colour: told.colour, revision: told.revision });
    });
    this.changed();
  }

  // One step of drawing: new masks by slice; `before` is what they were, where it is no longer there.
  edit(structure, after, before = new Map([...after.keys()].map((index) => [index, structure.slices.get(index)]))) {
    this.done.push({ structure, before: packed(before), after: packed(after) });
    if (this.done.length > MOST_STEPS) this.done.shift();
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
    this.changed();
  }

  saveSoon(wait = QUIET_MS) {
    this.timer ??= setTimeout(() => {
      this.timer = null;
      this.settle();
    }, wait);
  }

  // One request after the other: each needs the revision that the last one made.
  inTurn(work) {
    const turn = (this.turn ?? Promise.resolve()).then(work);
    this.turn = turn.catch(() => {});
    return turn;
  }

  // Save what is not saved; later again while the server is away.
  settle() {
    return this.inTurn(() => this.save());
  }

  // For what needs the server to have it all: raises where something is not saved.
  async settled() {
    await this.settle();
    if (!this.isSaved) throw new Error(`The drawings are not saved yet: ${this.problem}.`);
  }

  async save() {
    const { study } = this;
    for (const [structure, indices] of [...this.unsaved]) {
      this.unsaved.delete(structure);
      try {
        const told = await api.changeStructure(study, structure.id, { revision: structure.revision, runs: structure.runs(indices) });
        structure.revision = told.revision;
        Object.assign(this, { saved: new Date(), problem: "" });
      } catch (error) {
        await this.failed(structure, indices, error);
      }
      this.dispatchEvent(new Event("saving"));
    }
  }

  // What could not be saved stays to be saved; changed or deleted in another window, it becomes a copy.
  async failed(structure, indices, error) {
    let told = error;
    if (error.status === CONFLICT || error.status === GONE) {
      try {
        return await this.keepAsCopy(structure, error.status === CONFLICT);
      } catch (another) {
        told = another;
      }
    }
    for (const index of this.unsaved.get(structure) ?? []) indices.add(index);
    this.unsaved.set(structure, indices);
    this.problem = told.message;
    this.saveSoon(RETRY_MS);
  }

  // Both are kept, ours under a name of its own.
  async keepAsCopy(structure, isThere) {
    const mark = ` (copy ${new Date().toISOString().slice(11, 19)})`;
    const [name, runs] = [structure.name.slice(0, LONGEST_NAME - mark.length) + mark, structure.runs()];
    const theirs = isThere ? [new Structure(await api.structure(this.study, structure.id), this.volume)] : [];
    const ours = await api.addStructure(this.study, { name, runs });
    const copy = new Structure({ ...ours, runs: structure.runs() }, this.volume);
    const later = this.unsaved.get(structure); // drawn while both were asked for
    this.unsaved.delete(structure);
    if (later) this.unsaved.set(copy, later), this.saveSoon();
    this.drop(structure);
    this.show([...theirs, copy]);
    const what = isThere ? "changed" : "deleted";
    Object.assign(this, { saved: new Date(), problem: `${structure.name} was ${what} in another window; what was drawn here is kept as ${name}` });
    this.changed();
  }
}

// The layer that draws the borders.
export class StructureLayer {
  constructor(structures) {
    this.structures = structures;
  }

  draw(context, viewport, index) {
    for (const structure of this.structures.list) {
      if (!structure.isVisible) continue;
      const path = new Path2D();
      path.addPath(structure.path(viewport, index), new DOMMatrix([viewport.scale[0], 0, 0, viewport.scale[1], viewport.corner[0], viewport.corner[1]]));
      context.lineWidth = (structure === this.structures.active ? 2 : 1.2) * viewport.ratio;
      context.strokeStyle = structure.colour;
      context.stroke(path);
    }
    context.lineWidth = viewport.ratio;
  }
}
