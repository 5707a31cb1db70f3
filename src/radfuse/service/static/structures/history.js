// Steps that can be undone and redone, each by `apply`: drawn voxels, structures that were added or deleted, settings.

// The runs that a step toggled by slice, and what it was.
export class DrawnStep {
  constructor(structure, runs, kind) {
    Object.assign(this, { structures: [structure], runs, kind });
  }

  apply(store) {
    const [structure] = this.structures;
    store.active = structure;
    structure.toggle(this.runs);
    store.changed(structure, this.runs.keys(), this.kind);
  }
}

// Structures that were added together, or one that was deleted: `isListed` after the step.
export class PresenceStep {
  constructor(structures, isListed) {
    Object.assign(this, { structures, isListed });
  }

  // Where the server refuses a part, the next call continues.
  async apply(store) {
    const isWanted = !this.isListed;
    for (const structure of this.structures) if (store.list.includes(structure) !== isWanted) await (isWanted ? store.bringBack(structure) : store.take(structure));
    this.isListed = isWanted;
  }
}

// Name, colour and line of a structure.
export class SettingsStep {
  constructor(structure, before, after) {
    Object.assign(this, { structures: [structure], before, after });
  }

  async apply(store) {
    await store.changeSettings(this.structures[0], this.before);
    [this.before, this.after] = [this.after, this.before];
  }
}
