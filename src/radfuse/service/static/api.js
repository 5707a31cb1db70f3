// The server's interface.

const ROOT = "/api/v1";

export class Refusal extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

async function send(method, path, body) {
  const asked = { method, headers: {} };
  if (body instanceof FormData) asked.body = body;
  else if (body !== undefined) {
    asked.body = JSON.stringify(body);
    asked.headers["content-type"] = "application/json";
  }
  let answer;
  try {
    answer = await fetch(ROOT + path, asked);
  } catch {
    throw new Refusal("the server does not answer; is `radfuse view` still running?", 0);
  }
  if (!answer.ok) throw new Refusal(await reason(answer), answer.status);
  return answer;
}

async function reason(answer) {
  try {
    return (await answer.json()).error;
  } catch {
    return `the server failed (${answer.status}); its terminal has the details`;
  }
}

async function ask(method, path, body) {
  const answer = await send(method, path, body);
  return answer.status === 204 ? null : answer.json();
}

export const info = () => ask("GET", "/info");
export const studies = () => ask("GET", "/studies");
export const study = (id) => ask("GET", `/studies/${id}`);
export const create = (asked) => ask("POST", "/studies", asked);
export const remove = (id) => ask("DELETE", `/studies/${id}`);
export const inspect = (path) => ask("POST", "/inspect", { path });
export const prepare = (id) => ask("POST", `/studies/${id}/prepare`);
export const run = (id, asked) => ask("POST", `/studies/${id}/run`, asked);
export const cancel = (id) => ask("POST", `/studies/${id}/cancel`);
export const sign = (id, verdict) => ask("PUT", `/studies/${id}/signoff`, verdict);
export const view = (id) => ask("GET", `/studies/${id}/view`);
export const landmarks = (id, pairs) => ask("POST", `/studies/${id}/landmarks`, { pairs });
export const sheetOf = (id) => `${ROOT}/studies/${id}/qa.html`;
export const volumeOf = (id, name) => `${ROOT}/studies/${id}/volumes/${name}.nii`;

export async function slice(id, method, index) {
  const answer = await send("POST", `/studies/${id}/slice`, { method, index });
  return new Int16Array(await answer.arrayBuffer());
}

const drawn = (id, rest = "") => `/studies/${id}/structures${rest}`;
export const structures = (id) => ask("GET", drawn(id));
export const structure = (id, sid) => ask("GET", drawn(id, `/${sid}`));
export const addStructure = (id, asked) => ask("POST", drawn(id), asked);
export const changeStructure = (id, sid, changes) => ask("PATCH", drawn(id, `/${sid}`), changes);
export const removeStructure = (id, sid) => ask("DELETE", drawn(id, `/${sid}`));
export const importStructures = (id, asked) => ask("POST", drawn(id, "/import"), asked);
export const exportStructures = (id, format) => ask("POST", drawn(id, "/export"), { format });
export const compareStructures = (id, asked) => ask("POST", drawn(id, "/compare"), asked);
export const exportOf = (id, name) => `${ROOT}/studies/${id}/exports/${name}`;
export const grow = (id, asked) => ask("POST", `/studies/${id}/grow`, asked);
export const interpolate = (id, runs) => ask("POST", `/studies/${id}/interpolate`, { runs });

export function upload(files) {
  const form = new FormData();
  for (const file of files) form.append("files", file);
  return ask("POST", "/uploads", form);
}

// Told each stage, and at the end why it came to nothing, or null.
export function watch(id, onStage, onEnd) {
  const source = new EventSource(`${ROOT}/studies/${id}/events`);
  const end = (event) => {
    source.close();
    onEnd(event.type === "error" && event.data ? JSON.parse(event.data) : null); // without data it is the connection's own
  };
  source.addEventListener("stage", (event) => onStage(JSON.parse(event.data)));
  source.addEventListener("done", end);
  source.addEventListener("error", end);
  return source;
}
