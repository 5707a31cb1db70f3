// Helpers for elements of the document.

export const at = (id) => document.getElementById(id);

export function say(id, text) {
  at(id).textContent = text;
  at(id).hidden = !text;
}

// Do something; what is refused is told at a place of the page.
export function attempt(work, place) {
  return async (...given) => {
    say(place, "");
    try {
      return await work(...given);
    } catch (error) {
      say(place, error.message);
    }
  };
}

export function options(select, names, chosen) {
  select.replaceChildren(...names.map((name) => new Option(name, name, false, name === chosen)));
}

export function made(tag, facts = {}, ...children) {
  const element = Object.assign(document.createElement(tag), facts);
  element.append(...children);
  return element;
}

export function next(select) {
  select.selectedIndex = (select.selectedIndex + 1) % select.options.length;
  select.dispatchEvent(new Event("change"));
}

export function press(button, isPressed) {
  button.setAttribute("aria-pressed", String(isPressed));
}
