// The form of TG-132: grade, checks, region and comment.

import { byId, createElement } from "../dom.js";
import { text } from "../text.js";

const DEFAULT_ANSWER = "not checked";
const slug = (name) => name.toLowerCase().replaceAll(" ", "-");

export class SigningForm {
  constructor({ grades, checks, answers }) {
    Object.assign(this, { grades, checks, answers });
    const options = grades.map(({ name }, level) => new Option(`${level} ${text(`grade.${slug(name)}`)}`, level));
    byId("grade").replaceChildren(new Option(text("signoff.choose-grade"), ""), ...options);
    byId("grade").addEventListener("change", () => this.#explainGrade());
    const heads = ["", ...answers].map((one) => createElement("span", { textContent: one && text(`answer.${slug(one)}`) }));
    byId("checks").replaceChildren(createElement("div", { className: "check heads", ariaHidden: "true" }, ...heads), ...checks.map((one) => this.#row(one)));
  }

  #row({ name }) {
    const title = text(`check.${slug(name)}`);
    const what = createElement("div", {}, createElement("b", { textContent: title }), ` ${text(`check-text.${slug(name)}`)}`);
    const inputs = this.answers.map((answer) =>
      createElement("input", { type: "radio", name: `check-${slug(name)}`, value: answer, checked: answer === DEFAULT_ANSWER, ariaLabel: `${title}: ${text(`answer.${slug(answer)}`)}` }),
    );
    const row = createElement("div", { className: "check", role: "radiogroup", ariaLabel: title }, what, ...inputs);
    return row;
  }

  #explainGrade() {
    const grade = this.grades[byId("grade").value];
    byId("grade-text").textContent = grade && byId("grade").value ? text(`grade-text.${slug(grade.name)}`) : "";
  }

  // The answers, as the server takes them.
  values() {
    const checks = Object.fromEntries(this.checks.map(({ name }) => [name, this.#inputs(name).find((one) => one.checked).value]));
    return { grade: Number(byId("grade").value), checks, region: byId("region").value.trim(), comment: byId("comment").value.trim() };
  }

  // Show the answers of a sign-off, or the empty form.
  fill(signoff) {
    byId("grade").value = signoff?.grade ?? "";
    this.#explainGrade();
    byId("region").value = signoff?.region ?? "";
    byId("comment").value = signoff?.comment ?? "";
    for (const { name } of this.checks)
      for (const input of this.#inputs(name)) input.checked = input.value === (signoff?.checks[name] ?? DEFAULT_ANSWER);
  }

  #inputs(name) {
    return [...byId("checks").querySelectorAll(`[name="check-${slug(name)}"]`)];
  }
}
