// Sentences of the server, which are English, in the language of the viewer: those of sentences/NAME.json, with {placeholders}
// for what varies. Of another sentence the parts between semicolons and after a name are translated where they are known.

import { language, text } from "./text.js";

const FIELDS = new Set(["blocked", "dicom_problem", "error", "message", "note", "notes", "quality", "stage"]); // of responses
const HIDDEN = /[.*+?^${}()|[\]\\]/g;
const END = /[.:;,…]*$/;
const known = (language === "en" ? [] : Object.entries(await load(language))).map(compile).sort((one, other) => other.length - one.length);

async function load(name) {
  const response = await fetch(new URL(`sentences/${name}.json`, import.meta.url));
  if (!response.ok) throw new Error(`sentences/${name}.json: ${response.status}`);
  return response.json();
}

function compile([english, translation]) {
  const parts = english.split(/\{(\w+)\}/); // constant parts, and between them names
  const constant = parts.filter((_, i) => i % 2 === 0);
  const pattern = new RegExp(`^${constant.map((part) => part.replace(HIDDEN, "\\$&")).join("(.+?)")}$`);
  return { pattern, names: parts.filter((_, i) => i % 2), translation, length: constant.join("").length };
}

// A sentence of the server in the user's language; unchanged where it is not known, and in English.
export function translated(sentence) {
  if (!known.length || typeof sentence !== "string") return sentence;
  const [end] = END.exec(sentence), whole = sentence.slice(0, sentence.length - end.length);
  return whole && `${translatedWhole(whole)}${end}`;
}

function translatedWhole(sentence) {
  for (const { pattern, names, translation } of known) {
    const found = pattern.exec(sentence);
    if (found) return translation.replace(/\{(\w+)\}/g, (_, name) => translated(found[names.indexOf(name) + 1]));
  }
  const region = `region.${sentence.replace(/,? /g, "-")}`;
  if (text(region) !== region) return text(region);
  if (sentence.includes("; ")) return sentence.split("; ").map(translated).join("; ");
  const [, name, rest] = /^([^:]+): (.+)$/.exec(sentence) ?? [];
  return rest ? `${name}: ${translated(rest)}` : sentence;
}

// The JSON of a response, with its sentences translated.
export function parseTranslated(json) {
  return JSON.parse(json, (field, value) => {
    if (!FIELDS.has(field)) return value;
    return Array.isArray(value) ? value.map(translated) : translated(value);
  });
}
