// Sign-off of the displayed run: only what is on the screen can be signed.

import * as api from "../api.js";
import { byId, showErrors } from "../dom.js";
import { language, text } from "../text.js";
import { fillSigners, mayChange, user } from "../user.js";
import { SigningForm } from "./signing_form.js";

const CONFLICT = 409;
const STATES = { accept: "accepted", reject: "rejected" };

export class SigningPanel {
  // `shownRun` returns the id of the displayed run, or an empty string; `onSigned` gets the study after a sign-off.
  constructor(viewer, form, { shownRun, isMoved, onSigned }) {
    Object.assign(this, { viewer, shownRun, isMoved, onSigned, study: null, filledFor: "" });
    this.form = new SigningForm(form);
    byId("signoff").addEventListener("submit", (event) => event.preventDefault()); // Enter signs nothing
    for (const [id, state] of Object.entries(STATES)) byId(id).addEventListener("click", showErrors(() => this.sign(state), "signoff-error"));
    byId("second-signoff").addEventListener("submit", (event) => (event.preventDefault(), showErrors(() => this.confirm(), "second-error")()));
  }

  show(study, isBusy) {
    Object.assign(this, { study, isBusy });
    const { outcome, signoff } = study;
    byId("signoff").hidden = !outcome;
    byId("second-signoff").hidden = !signoff || Boolean(signoff.second);
    const shown = `${study.id} ${outcome?.job} ${signoff?.time}`; // a typed form is kept while the result is the same
    if (this.filledFor !== shown) this.form.fill(signoff);
    this.filledFor = shown;
    byId("signoff-status").textContent = signoff ? summary(signoff) : text("signoff.none");
    this.update();
  }

  update() {
    const why = this.study ? this.blocker() : "";
    byId("signoff-blocked").textContent = why;
    for (const id of [...Object.keys(STATES), "confirm"]) byId(id).disabled = Boolean(why) || this.isBusy || this.study?.state !== "done";
  }

  // Why the displayed images are not the result to be signed off; empty if they are.
  blocker() {
    if (!mayChange()) return text("signoff.role", user);
    if (!this.shownRun() || this.shownRun() !== this.study.current) return text("signoff.not-displayed");
    if (this.isMoved()) return text("signoff.moved");
    return this.viewer.preview ? text("signoff.preview", { shown: this.viewer.preview.label }) : "";
  }

  async sign(state) {
    if (!byId("signoff").reportValidity()) return;
    const name = byId("signer").value.trim();
    if (!name) throw new Error(text("signoff.type-name"));
    await this.#send(api.sign, { state, name, ...this.form.values() });
  }

  async confirm() {
    const name = byId("second-signer").value.trim();
    if (!name) throw new Error(text("signoff.type-name"));
    await this.#send(api.signSecond, { name });
    byId("second-signer").value = "";
    fillSigners();
  }

  // Sign the run that is displayed, which the server refuses where it is not the current one.
  async #send(call, signature) {
    const { id } = this.study;
    const run = this.shownRun();
    if (this.blocker()) throw new Error(this.blocker());
    byId("signoff-status").textContent = text("signoff.signing");
    for (const button of [...Object.keys(STATES), "confirm"]) byId(button).disabled = true;
    try {
      await this.onSigned(await call(id, { ...signature, run }));
    } catch (error) {
      if (error.status === CONFLICT) await this.onSigned(await api.study(id)); // there is a newer result
      throw error;
    } finally {
      if (this.study?.id === id) this.show(this.study, this.isBusy);
    }
  }
}

function summary({ state, time, grade, second, ...first }) {
  const parts = [text(`signoff.${state}-by`, { name: named(first), time: shown(time) })];
  if (grade !== null) parts.push(text("signoff.graded", { grade }));
  if (second) parts.push(text("signoff.confirmed-by", { name: named(second), time: shown(second.time) }));
  return parts.join("; ");
}

const named = ({ name, is_authenticated }) => (is_authenticated ? text("signoff.authenticated", { name }) : name);

// A time whose month is not a number: dates in figures have other orders in other countries.
const shown = (time) => new Date(time).toLocaleString(language, { dateStyle: "medium", timeStyle: "short" });
