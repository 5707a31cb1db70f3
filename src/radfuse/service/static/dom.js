// Helpers for the elements of index.html.

export const byId = (id) => document.getElementById(id);

// Show a text in an element, or hide the element where there is none.
export function showText(id, text) {
  byId(id).textContent = text;
  byId(id).hidden = !text;
}

// A function that runs an action and shows the message of its error in an element.
export function showErrors(action, id) {
  return async (...args) => {
    showText(id, "");
    try {
      return await action(...args);
    } catch (error) {
      showText(id, error.message);
    }
  };
}

export function setOptions(select, names, chosen) {
  select.replaceChildren(...names.map((name) => new Option(name, name, false, name === chosen)));
}

export function createElement(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

export function selectNext(select) {
  select.selectedIndex = (select.selectedIndex + 1) % select.options.length;
  select.dispatchEvent(new Event("change"));
}

export function setPressed(button, isPressed) {
  button.setAttribute("aria-pressed", String(isPressed));
}
