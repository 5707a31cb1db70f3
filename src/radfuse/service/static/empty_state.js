// What the viewer offers where there is no study: to open images, or a synthetic phantom.

import * as api from "./api.js";
import { byId, showErrors, showText } from "./dom.js";
import { text } from "./text.js";

// `onOpened` gets the created study.
export function offerPhantom(onOpened) {
  byId("open-first").addEventListener("click", () => byId("open-study").click());
  byId("open-phantom").addEventListener("click", showErrors(() => openPhantom(onOpened), "phantom-error"));
}

async function openPhantom(onOpened) {
  byId("open-phantom").disabled = true;
  showText("phantom-status", text("empty.making"));
  try {
    await onOpened(await api.createPhantom());
  } finally {
    showText("phantom-status", "");
    byId("open-phantom").disabled = false;
  }
}
