// The alignments of the images while they are edited, with landmark pairs and the region, and all their changes: undo and redo.

export const MR = "mr";
const MAX_STATES = 200;
const SAME_CHANGE_MS = 800; // between two key presses that are undone together
const NO_PAIRS = [];
export const WHOLE_HEAD = { box: null, roi: "", metric_mask: "" }; // the region: see the server's `RegionChoice`
const untouched = () => ({ states: [], position: -1, initial: null, fromCt: null });

// `fromCt` maps CT points to points of the edited image, LPS mm; `label` is that of a further image, empty for the MR. Each image has
// pairs and changes of its own; the region is that of the MR. Events: `change`; `leave` before another image is edited.
export class Alignment extends EventTarget {
  constructor(viewer) {
    super();
    Object.assign(this, { viewer, image: MR, label: "", others: new Map(), pairsByLabel: new Map(), region: WHOLE_HEAD, ...untouched() });
    viewer.addEventListener("further", () => this.forgetFurther());
  }

  // Start from an alignment of the MR; the changes of the same study can still be undone.
  open(fromCt, label, isOtherStudy) {
    if (isOtherStudy) this.forgetFurther();
    this.edit(MR);
    if (isOtherStudy) Object.assign(this, { ...untouched(), pairsByLabel: new Map(), region: WHOLE_HEAD });
    this.initial = fromCt;
    this.change({ fromCt }, label);
  }

  // Edit another image: the MR, or a further one by its name. Each has its own changes.
  edit(image) {
    if (image === this.image) return;
    this.dispatchEvent(new Event("leave")); // the image
    const { states, position, initial, fromCt, label } = this;
    this.others.set(this.image, { states, position, initial, fromCt, label });
    const edited = this.others.get(image) ?? { ...untouched(), label: this.viewer.furtherNamed(image).label };
    Object.assign(this, edited, { image });
    if (!this.states.length) this.start(this.viewer.furtherNamed(image).fromCt);
    this.dispatchEvent(new Event("change"));
  }

  // Edit an image by its label; whether there is one.
  editLabelled(label) {
    const image = label ? this.viewer.further.find((one) => one.label === label)?.name : MR;
    if (image) this.edit(image);
    return Boolean(image);
  }

  start(fromCt) {
    this.initial = fromCt;
    this.change({ fromCt }, "start");
  }

  // Further images of a new result have its alignments; their pairs stay, and the same image is edited.
  forgetFurther() {
    const { label } = this;
    this.edit(MR);
    this.others.clear();
    this.dispatchEvent(new Event("change"));
    this.editLabelled(label);
  }

  get pairs() {
    return this.pairsOf(this.label);
  }

  pairsOf(label) {
    return this.pairsByLabel.get(label) ?? NO_PAIRS;
  }

  // Pairs that were stored earlier, before those that were added meanwhile; there is no change to undo.
  load(label, stored) {
    const withStored = (pairs) => (pairs.length ? [...stored, ...pairs] : stored);
    const edited = [this, ...this.others.values()].find((one) => one.label === label);
    for (const state of edited?.states ?? []) state.pairs = withStored(state.pairs);
    this.pairsByLabel.set(label, edited?.states[edited.position]?.pairs ?? withStored(this.pairsOf(label)));
    this.dispatchEvent(new Event("change"));
  }

  // A region that was stored earlier, unless one was chosen meanwhile.
  loadRegion(stored) {
    const { states } = this.image === MR ? this : this.others.get(MR);
    for (const state of states) if (state.region === WHOLE_HEAD) state.region = stored;
    if (this.region === WHOLE_HEAD) this.region = stored;
    this.dispatchEvent(new Event("change"));
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
    const further = viewer.furtherNamed(image);
    if (!further) return; // a new result does not have it
    further.fromCt = fromCt;
    viewer.invalidate("further");
    viewer.notify("alignment");
  }

  // Change the alignment, the pairs or the region; `label` is its kind. With `joins` the same one in quick succession is one change.
  change({ fromCt = this.fromCt, pairs = this.pairs, region = this.region }, label, { joins = false } = {}) {
    const { states, position } = this, last = states[position];
    if (last?.pairs === pairs && last.region === region && JSON.stringify(last.fromCt) === JSON.stringify(fromCt)) return this.apply(position);
    const now = performance.now();
    const isSame = joins && position > 0 && last.label === label && now - last.time < SAME_CHANGE_MS;
    states.splice(isSame ? position : position + 1, Infinity, { fromCt, pairs, region, label, time: now });
    if (states.length > MAX_STATES) states.shift();
    this.apply(states.length - 1);
  }

  apply(position) {
    const { fromCt, pairs, region } = this.states[position];
    this.position = position;
    this.pairsByLabel.set(this.label, pairs);
    if (this.image === MR) this.region = region;
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
