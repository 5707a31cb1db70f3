// Files and folders that are dropped onto the window.

import { byId } from "../dom.js";

// Call `onFiles` with all files of what is dropped, those of folders included.
export function acceptDrops(onFiles) {
  let depth = 0; // of the elements that the pointer is in, each of which sends events
  const show = (change) => {
    depth = change ? Math.max(0, depth + change) : 0;
    byId("drop-hint").togglePopover(depth > 0); // above an open dialog
  };
  const isFiles = (event) => event.dataTransfer?.types.includes("Files");
  addEventListener("dragenter", (event) => isFiles(event) && show(1));
  addEventListener("dragleave", (event) => isFiles(event) && show(-1));
  addEventListener("dragover", (event) => isFiles(event) && event.preventDefault());
  addEventListener("drop", (event) => {
    if (!isFiles(event)) return;
    event.preventDefault();
    show(0);
    onFiles(filesOf(event.dataTransfer));
  });
}

// All files of a drop; the items are only valid during the event.
async function filesOf(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return [...transfer.files];
  return (await Promise.all(entries.map(filesIn))).flat();
}

async function filesIn(entry) {
  if (entry.isFile) return [await new Promise((done, fail) => entry.file(done, fail))];
  const reader = entry.createReader(), found = [];
  for (;;) {
    const part = await new Promise((done, fail) => reader.readEntries(done, fail)); // some at a time
    if (!part.length) return (await Promise.all(found.map(filesIn))).flat();
    found.push(...part);
  }
}
