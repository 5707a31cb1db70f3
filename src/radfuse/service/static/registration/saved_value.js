// A value of a study on the server, with a revision: loaded once, saved soon after each change of it.

const SAVE_DELAY_MS = 600; // after a change
const RETRY_MS = 3000;
const CONFLICT = 409;
const all = new Set(); // also those of studies that were left, until they are saved
const pause = () => new Promise((done) => setTimeout(done, RETRY_MS));

addEventListener("beforeunload", (event) => [...all].every((one) => one.isSaved) || event.preventDefault());

// Event: `status` after a change of `isLoaded`, `isSaved`, `problem` or `stored`, the last response of the server.
export class SavedValue extends EventTarget {
  // `read()` and `write(revision, value)` are requests and `valueOf(response)` is the value in their response; `get()` is the value of
  // this window, `load(value)` shows the stored one, and `replace(value)` that of another window, which can be undone.
  constructor(calls) {
    super();
    Object.assign(this, { calls, revision: null, saved: null, saving: null, stored: null, problem: "", timer: null, isClosed: false });
    all.add(this);
  }

  get isLoaded() {
    return this.revision !== null;
  }

  get isSaved() {
    return !this.isLoaded || this.saved === this.calls.get();
  }

  notify() {
    this.dispatchEvent(new Event("status"));
  }

  // Load the value; throws the error of a server that refuses it.
  async open() {
    let response = null;
    while (!response && !this.isClosed) {
      try {
        response = await this.calls.read();
      } catch (error) {
        if (error.status) throw error;
        this.problem = error.message;
        this.notify();
        await pause();
      }
    }
    if (this.isClosed) return;
    Object.assign(this, { revision: response.revision, saved: this.calls.valueOf(response), stored: response, problem: "" });
    this.calls.load(this.saved);
    this.saveSoon();
  }

  // Leave the study: what is not saved yet is saved as it is now.
  close() {
    let value = this.calls.get();
    this.calls = { ...this.calls, get: () => value, replace: (other) => (value = other) };
    this.isClosed = true;
    this.saveSoon(0);
  }

  saveSoon(delay = SAVE_DELAY_MS) {
    clearTimeout(this.timer);
    if (!this.isClosed) this.notify();
    if (!this.isSaved) this.timer = setTimeout(() => this.save(), delay);
    else if (this.isClosed && !this.saving) all.delete(this);
  }

  // One request at a time: each names the revision that it changes.
  async save() {
    if (this.saving) return;
    this.saving = this.send();
    const isDone = await this.saving;
    this.saving = null;
    this.saveSoon(isDone ? SAVE_DELAY_MS : RETRY_MS); // again, or what was changed meanwhile
  }

  async send() {
    const value = this.calls.get();
    try {
      const stored = await this.calls.write(this.revision, value);
      Object.assign(this, { revision: stored.revision, saved: value, stored, problem: "" });
      return true;
    } catch (error) {
      if (error.status === CONFLICT) return this.takeOther();
      if (this.isClosed && error.status) this.saved = value; // the study was deleted
      this.problem = error.message;
      return false;
    }
  }

  // Another window has changed the value: show its version; undo shows that of this window.
  async takeOther() {
    const stored = await this.calls.read().catch(() => null);
    if (!stored) return false;
    Object.assign(this, { revision: stored.revision, saved: this.calls.valueOf(stored), stored, problem: "conflict" });
    this.calls.replace(this.saved);
    return true;
  }
}
