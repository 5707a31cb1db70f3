// Calls of the server's REST interface.

import { parseTranslated, translated } from "./sentences.js";
import { text } from "./text.js";
import { ROOT } from "./urls.js";

export class ApiError extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

async function request(method, path, body, signal) {
  const options = { method, headers: {}, signal };
  if (body instanceof FormData) options.body = body;
  else if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers["content-type"] = "application/json";
  }
  let response;
  try {
    response = await fetch(ROOT + path, options);
  } catch {
    throw new ApiError(text("job.no-response"), 0);
  }
  if (!response.ok) throw new ApiError(await messageOf(response), response.status);
  return response;
}

async function messageOf(response) {
  try {
    return parseTranslated(await response.text()).error;
  } catch {
    return text("job.server-failed", { status: response.status });
  }
}

async function requestJson(method, path, body) {
  const response = await request(method, path, body);
  return response.status === 204 ? null : parseTranslated(await response.text());
}

export const session = () => requestJson("GET", "/session");
export const signOut = () => requestJson("DELETE", "/session");
export const info = () => requestJson("GET", "/info");
export const studies = () => requestJson("GET", "/studies");
export const study = (id) => requestJson("GET", `/studies/${id}`);
export const create = (body) => requestJson("POST", "/studies", body);
export const createPhantom = () => requestJson("POST", "/phantom", {});
export const remove = (id) => requestJson("DELETE", `/studies/${id}`);
export const folders = (path) => requestJson("GET", `/folders${path === null ? "" : `?path=${encodeURIComponent(path)}`}`);
export const prepare = (id) => requestJson("POST", `/studies/${id}/prepare`);
export const fuse = (id, body) => requestJson("POST", `/studies/${id}/fuse`, body);
export const cancel = (id) => requestJson("POST", `/studies/${id}/cancel`);
export const sign = (id, signoff) => requestJson("PUT", `/studies/${id}/signoff`, signoff);
export const signSecond = (id, signature) => requestJson("PUT", `/studies/${id}/signoff/second`, signature);
export const results = (id, run) => requestJson("GET", `/studies/${id}/results?run=${run}`);
export const resultUrl = (id, name, run) => `${ROOT}/studies/${id}/results/${name}?run=${run}`;
export const destinations = () => requestJson("GET", "/destinations");
export const send = (id, body) => requestJson("POST", `/studies/${id}/send`, body);
export const retrieve = (body) => requestJson("POST", "/retrieve", body);
export const transfer = (id) => requestJson("GET", `/transfers/${id}`);
export const cancelTransfer = (id) => requestJson("POST", `/transfers/${id}/cancel`);
export const signoffForm = () => requestJson("GET", "/signoff-form");
export const view = (id, run) => requestJson("GET", `/studies/${id}/view?run=${run}`);
export const identities = (id) => requestJson("GET", `/studies/${id}/identities`);
export const acceptPatients = (id, reason) => requestJson("PUT", `/studies/${id}/patients`, { reason });
export const fitLandmarks = (id, pairs) => requestJson("POST", `/studies/${id}/landmarks/fit`, { pairs });
const landmarksPath = (id, image) => `/studies/${id}/landmarks?image=${encodeURIComponent(image)}`;
export const landmarks = (id, image) => requestJson("GET", landmarksPath(id, image));
export const saveLandmarks = (id, image, revision, pairs) => requestJson("PUT", landmarksPath(id, image), { revision, pairs });
export const region = (id) => requestJson("GET", `/studies/${id}/region`);
export const saveRegion = (id, revision, region) => requestJson("PUT", `/studies/${id}/region`, { revision, ...region });
export const alignments = (id) => requestJson("GET", `/studies/${id}/alignments`);
export const addAlignment = (id, body) => requestJson("POST", `/studies/${id}/alignments`, body);
export const changeAlignment = (id, aid, changes) => requestJson("PATCH", `/studies/${id}/alignments/${aid}`, changes);
export const removeAlignment = (id, aid) => requestJson("DELETE", `/studies/${id}/alignments/${aid}`);
export const compareAlignments = (id, body) => requestJson("POST", `/studies/${id}/alignments/compare`, body);
export const qaSheetUrl = (id, run) => `${ROOT}/studies/${id}/qa.html?run=${run}`;
export const furtherUrl = (id, number, run) => `${ROOT}/studies/${id}/further/${number}.nii?run=${run}`;

// `window` is width and level in HU.
export async function previewSlice(id, method, index, window) {
  const response = await request("POST", `/studies/${id}/slice-preview`, { method, index, window });
  return new Int16Array(await response.arrayBuffer());
}

// A small file of a result, and its name.
export async function resultFile(id, name, run) {
  const response = await request("GET", `/studies/${id}/results/${name}?run=${run}`);
  const [, filename] = /filename="([^"]+)"/.exec(response.headers.get("content-disposition")) ?? [];
  return { blob: await response.blob(), name: filename ?? name };
}

const structuresPath = (id, rest = "") => `/studies/${id}/structures${rest}`;
export const structures = (id) => requestJson("GET", structuresPath(id));
export const structure = (id, sid) => requestJson("GET", structuresPath(id, `/${sid}`));
export const addStructure = (id, body) => requestJson("POST", structuresPath(id), body);
export const changeStructure = (id, sid, changes) => requestJson("PATCH", structuresPath(id, `/${sid}`), changes);
export const removeStructure = (id, sid, revision) => requestJson("DELETE", structuresPath(id, `/${sid}?revision=${revision}`));
export const restoreStructure = (id, sid) => requestJson("POST", structuresPath(id, `/${sid}/restore`));
export const deletedStructures = (id) => requestJson("GET", `/studies/${id}/deleted-structures`);
export const importStructures = (id, body) => requestJson("POST", structuresPath(id, "/import"), body);
export const exportStructures = (id, body) => requestJson("POST", structuresPath(id, "/export"), body);
export const operate = (id, operation) => requestJson("POST", structuresPath(id, "/operate"), operation);
export const structureStatistics = (id, sid) => requestJson("GET", structuresPath(id, `/${sid}/statistics`));
export const compareStructures = (id, body) => requestJson("POST", structuresPath(id, "/compare"), body);
export const exportUrl = (id, name) => `${ROOT}/studies/${id}/exports/${name}`;
export const growRegion = (id, body) => requestJson("POST", `/studies/${id}/grow-region`, body);
export const interpolate = (id, runs, plane) => requestJson("POST", `/studies/${id}/interpolate`, { runs, plane });

// List the series of some paths: `onPart` gets each part, see the route, as it is read.
export async function listSeries(paths, onPart, signal) {
  const response = await request("POST", "/series", { paths }, signal);
  let rest = "";
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop();
    for (const line of lines) onPart(parseTranslated(line));
  }
}

// Upload files; `onProgress` gets the sent fraction. The request of `fetch` has no progress.
export function upload(files, { onProgress = () => {}, signal } = {}) {
  const form = new FormData(), sending = new XMLHttpRequest();
  for (const file of files) form.append("files", file);
  return new Promise((done, fail) => {
    sending.upload.addEventListener("progress", ({ loaded, total }) => onProgress(total ? loaded / total : 0));
    sending.addEventListener("load", () => (sending.status < 400 ? done(sending.response) : fail(new ApiError(translated(sending.response?.error) ?? text("job.server-failed", { status: sending.status }), sending.status))));
    sending.addEventListener("error", () => fail(new ApiError(text("job.no-response"), 0)));
    sending.addEventListener("abort", () => fail(new ApiError(text("open.upload-cancelled"), 0)));
    signal?.addEventListener("abort", () => sending.abort());
    sending.open("POST", `${ROOT}/uploads`);
    sending.responseType = "json";
    sending.send(form);
  });
}

// Follow a job: `onStage` gets each stage, `onEnd` the reason of a failure, or null.
export function watchEvents(id, onStage, onEnd) {
  const source = new EventSource(`${ROOT}/studies/${id}/events`);
  const end = (event) => {
    source.close();
    onEnd(event.type === "error" && event.data ? parseTranslated(event.data) : null); // without data, the connection failed
  };
  source.addEventListener("stage", (event) => onStage(parseTranslated(event.data)));
  source.addEventListener("done", end);
  source.addEventListener("error", end);
  return source;
}
