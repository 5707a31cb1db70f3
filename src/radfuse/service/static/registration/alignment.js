// The alignment of an image while it is edited, with the landmark pairs and all their changes: undo and redo.

export const MR = "mr";
const MAX_STATES = 200;
const SAME_CHANGE_MS = 800; // between two key presses that are undone together
const untouched = () => ({ states: [], position: -1, initial: null, fromCt: null });

// `fromCt` maps CT points to points of the edited image, LPS mm. Events: `change`; `leave` before another image is edited.
export class Alignment extends EventTarget {
  constructor(viewer) {
    super();
    Object.assign(this, { viewer, pairs: [], image: MR, others: new Map(), ...untouched() });
    viewer.addEventListener("further", () => this.forgetFurther());
  }

  // Start from an alignment of the MR; the changes of the same study can still be undone.
  open(fromCt, label, isOtherStudy) {
    this.edit(MR);
    if (isOtherStudy) Object.assign(this, { ...untouched(), pairs: [] });
    this.initial = fromCt;
    this.change({ fromCt }, label);
  }

  // Edit another image: the MR, or a further one by its name. Each has its own changes.
  edit(image) {
    if (image === this.image) return;
    this.dispatchEvent(new Event("leave")); // the image
    const { states, position, initial, fromCt } = this;
    this.others.set(this.image, { states, position, initial, fromCt });
    Object.assign(this, this.others.get(image) ?? untouched(), { image });
    if (!this.states.length) this.start(this.viewer.furtherNamed(image).fromCt);
    this.dispatchEvent(new Event("change"));
  }

  start(fromCt) {
    this.initial = fromCt;
    this.change({ fromCt }, "start");
  }

  // Further images of a new result have its alignments.
  forgetFurther() {
    this.edit(MR);
    this.others.clear();
    this.dispatchEvent(new Event("change"));
  }

  // Pairs that were stored earlier; there is no change to undo.
  load(pairs) {
    this.edit(MR);
    for (const state of this.states) state.pairs = pairs;
    if (this.states.length) this.apply(this.position);
    else this.pairs = pairs;
  }

  // Display an alignment without a record: a drag goes on.
  show(fromCt) {
    this.fromCt = fromCt;
    this.display(fromCt);
  }

  // Display another alignment than the edited one, to compare.
  display(fromCt) {
    const { viewer, image } = this;
    if (!viewer.isShowing) return;
    if (image === MR) return viewer.setAlignment(fromCt);
    viewer.furtherNamed(image).fromCt = fromCt;
    viewer.invalidate("further");
    viewer.notify("alignment");
  }

  // Change the alignment or the pairs; `label` is its kind. With `joins` the same one in quick succession is one change.
  change({ fromCt = this.fromCt, pairs = this.pairs }, label, { joins = false } = {}) {
    const { states, position } = this;
    const last = states[position];
    if (last?.pairs === pairs && JSON.stringify(last.fromCt) === JSON.stringify(fromCt)) return this.apply(position);
    const now = performance.now();
    const isSame = joins && position > 0 && last.label === label && now - last.time < SAME_CHANGE_MS;
    states.splice(isSame ? position : position + 1, Infinity, { fromCt, pairs, label, time: now });
    if (states.length > MAX_STATES) states.shift();
    this.apply(states.length - 1);
  }

  apply(position) {
    const { fromCt, pairs } = this.states[position];
    this.position = position;
    if (this.image === MR) this.pairs = pairs;
    this.show(fromCt);
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
