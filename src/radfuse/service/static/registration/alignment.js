// The alignment of the MR while it is edited, with the landmark pairs and all their changes: undo and redo.

const MAX_STATES = 200;
const SAME_CHANGE_MS = 800; // between two key presses that are undone together

export class Alignment extends EventTarget {
  constructor(viewer) {
    super();
    Object.assign(this, { viewer, pairs: [], states: [], position: -1, initial: null, mrFromCt: null });
  }

  // Start from an alignment; the changes of the same study can still be undone.
  open(mrFromCt, label, isOtherStudy) {
    if (isOtherStudy) Object.assign(this, { states: [], position: -1, pairs: [] });
    this.initial = mrFromCt;
    this.change({ mrFromCt }, label);
  }

  // Pairs that were stored earlier; there is no change to undo.
  load(pairs) {
    for (const state of this.states) state.pairs = pairs;
    if (this.states.length) this.apply(this.position);
    else this.pairs = pairs;
  }

  // Display an alignment without a record: a drag goes on.
  show(mrFromCt) {
    this.mrFromCt = mrFromCt;
    this.display(mrFromCt);
  }

  // Display another alignment than the edited one, to compare.
  display(mrFromCt) {
    if (this.viewer.isShowing) this.viewer.setAlignment(mrFromCt);
  }

  // Change the alignment or the pairs; `label` is its kind. With `joins` the same one in quick succession is one change.
  change({ mrFromCt = this.mrFromCt, pairs = this.pairs }, label, { joins = false } = {}) {
    const { states, position } = this;
    const last = states[position];
    if (last?.pairs === pairs && JSON.stringify(last.mrFromCt) === JSON.stringify(mrFromCt)) return this.apply(position);
    const now = performance.now();
    const isSame = joins && position > 0 && last.label === label && now - last.time < SAME_CHANGE_MS;
    states.splice(isSame ? position : position + 1, Infinity, { mrFromCt, pairs, label, time: now });
    if (states.length > MAX_STATES) states.shift();
    this.apply(states.length - 1);
  }

  apply(position) {
    const { mrFromCt, pairs } = this.states[position];
    Object.assign(this, { position, pairs });
    this.show(mrFromCt);
    this.dispatchEvent(new Event("change"));
  }

  // Labels of the changes that can be undone and redone; empty for none.
  get undoLabel() {
    return this.position > 0 ? this.states[this.position].label : "";
  }

  get redoLabel() {
    return this.states[this.position + 1]?.label ?? "";
  }

  undo() {
    if (this.undoLabel) this.apply(this.position - 1);
  }

  redo() {
    if (this.redoLabel) this.apply(this.position + 1);
  }
}
