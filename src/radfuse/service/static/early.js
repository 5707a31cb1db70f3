// CT and MR of the study in the link, requested while the viewer's other modules are loaded. It needs none of them.

import { studyUrl, volumeUrl } from "./urls.js";

const requested = new Map(); // by URL: the response and its body

async function load(url) {
  const response = await fetch(url);
  return { response, bytes: response.ok ? await response.arrayBuffer() : null };
}

async function request(id) {
  const response = await fetch(studyUrl(id));
  if (!response.ok) return; // the viewer requests it again, and reports the error
  const { current } = await response.json();
  for (const name of ["ct", "mr"]) {
    const url = volumeUrl(id, name, current);
    requested.set(url, load(url));
    requested.get(url).catch(() => requested.delete(url));
  }
}

// The bytes of a volume, and the response with the error if it has none. It may have been prepared since the early request.
export async function loadVolume(url) {
  const early = await requested.get(url);
  requested.delete(url);
  return early?.bytes ? early : load(url);
}

const id = location.hash.slice(1);
if (id) request(id).catch(() => {}); // likewise
