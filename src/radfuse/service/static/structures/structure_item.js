// One structure in the list: visibility, colour, name, volume, and below the active one its name and line.

import { byId, createElement, setPressed, showErrors } from "../dom.js";
import { text } from "../text.js";

const LINES = ["solid", "dashed", "dotted"];
const WIDTHS = [1, 2, 3, 4];

// A name as in the list of TG-263, where it differs in case only.
export const standardName = (name) => [...byId("structure-names").options].find(({ value }) => value.toLowerCase() === name.toLowerCase())?.value ?? name;

export function structureItem(structure, { store, isActive, choose, redraw }) {
  const { name } = structure;
  const change = (changes) => showErrors(() => store.setProperties(structure, changes), "structures-error")();
  const pick = createElement("button", { type: "button", className: "name", textContent: name, title: text("structures.pick") });
  setPressed(pick, isActive);
  pick.addEventListener("click", choose);
  const colour = createElement("input", { type: "color", value: structure.colour, ariaLabel: text("structures.colour", { name }) });
  colour.addEventListener("change", () => change({ colour: colour.value }));
  const visible = createElement("input", { type: "checkbox", checked: structure.isVisible, ariaLabel: text("structures.show", { name }) });
  visible.addEventListener("change", () => ((structure.isVisible = visible.checked), redraw()));
  const remove = createElement("button", { type: "button", textContent: "×", ariaLabel: text("structures.delete", { name }) });
  remove.addEventListener("click", showErrors(() => store.remove(structure), "structures-error"));
  const controls = { visible, colour, pick, remove, ...(isActive ? settingControls(structure, change) : {}) };
  for (const [key, control] of Object.entries(controls)) control.dataset.key = `${key} ${structure.id}`;
  const volume = createElement("span", { className: "cm3", textContent: `${structure.cm3.toFixed(2)} cm³` });
  const item = createElement("li", {}, visible, colour, pick, volume, remove);
  if (isActive) item.append(createElement("div", { className: "line-style" }, controls.rename, controls.line, controls.width));
  return item;
}

// Name, line style and line width.
function settingControls(structure, change) {
  const { name, line, lineWidth } = structure;
  const rename = createElement("input", { value: name, maxLength: 64, ariaLabel: text("structures.rename", { name }) });
  rename.setAttribute("list", "structure-names");
  rename.addEventListener("change", async () => {
    const wanted = standardName(rename.value.trim());
    if (wanted && wanted !== name) await change({ name: wanted });
    rename.value = structure.name;
  });
  const options = LINES.map((one) => new Option(text(`structures.line-${one}`), one, false, one === line));
  const style = createElement("select", { ariaLabel: text("structures.line-of", { name }) }, ...options);
  style.addEventListener("change", () => change({ line: style.value }));
  const widths = WIDTHS.map((one) => new Option(`${one} px`, one, false, one === lineWidth));
  const width = createElement("select", { ariaLabel: text("structures.width-of", { name }) }, ...widths);
  width.addEventListener("change", () => change({ line_width: Number(width.value) }));
  return { rename, line: style, width };
}
