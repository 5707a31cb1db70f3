// Texts of the viewer in the user's language: `text("area.name", { value })`, and in HTML `data-text="area.name"`.
// Sentences of the server, such as errors, are translated by sentences.js.

const LANGUAGES = ["en", "de"];
const STORED_KEY = "radfuse-language";
const ATTRIBUTES = { label: "aria-label", title: "title", placeholder: "placeholder" };

// The language of `?lang=`, else the last choice, else that of the browser, else English.
export const language = chosenLanguage();
export const locale = language === "en" ? undefined : language; // of dates: with English, that of the browser
const catalogue = await load(language);
document.documentElement.lang = language;
translate(document);

function chosenLanguage() {
  const wanted = [new URLSearchParams(location.search).get("lang"), localStorage.getItem(STORED_KEY), ...navigator.languages];
  return wanted.map((one) => one?.slice(0, 2).toLowerCase()).find((one) => LANGUAGES.includes(one)) ?? "en";
}

async function load(name) {
  const response = await fetch(new URL(`locale/${name}.json`, import.meta.url));
  if (!response.ok) throw new Error(`locale/${name}.json: ${response.status}`);
  return response.json();
}

// The text of a key with its {placeholders} filled; an unknown key is returned itself.
export function text(key, values = {}) {
  return (catalogue[key] ?? key).replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

// Nodes of a text: what is in backquotes is a key of the keyboard.
export function textNodes(key, values) {
  return text(key, values).split("`").map((part, i) => {
    if (i % 2 === 0) return part;
    return Object.assign(document.createElement("kbd"), { textContent: part });
  });
}

// Fill elements with data-text (their content), data-label (aria-label), data-title and data-placeholder.
export function translate(root) {
  for (const element of root.querySelectorAll("[data-text]")) element.replaceChildren(...textNodes(element.dataset.text));
  for (const [name, attribute] of Object.entries(ATTRIBUTES))
    for (const element of root.querySelectorAll(`[data-${name}]`)) element.setAttribute(attribute, text(element.dataset[name]));
}

// Let a <select> of languages choose; the viewer is loaded again in the chosen language.
export function offerLanguages(select) {
  select.value = language;
  select.addEventListener("change", () => {
    localStorage.setItem(STORED_KEY, select.value);
    const url = new URL(location);
    url.searchParams.delete("lang");
    if (url.href === location.href) location.reload();
    else location.replace(url);
  });
}
