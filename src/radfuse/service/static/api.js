// The server's interface.

const ROOT = "/api/v1";

async function ask(method, path, body) {
  const asked = { method, headers: {} };
  if (body instanceof FormData) asked.body = body;
  else if (body !== undefined) {
    asked.body = JSON.stringify(body);
    asked.headers["content-type"] = "application/json";
  }
  const answer = await fetch(ROOT + path, asked);
  const told = await answer.json();
  if (!answer.ok) throw new Error(told.error);
  return told;
}

export const info = () => ask("GET", "/info");
export const studies = () => ask("GET", "/studies");
export const study = (id) => ask("GET", `/studies/${id}`);
export const create = (asked) => ask("POST", "/studies", asked);
export const inspect = (path) => ask("POST", "/inspect", { path });
export const run = (id, asked) => ask("POST", `/studies/${id}/run`, asked);
export const cancel = (id) => ask("POST", `/studies/${id}/cancel`);
export const sign = (id, verdict) => ask("PUT", `/studies/${id}/signoff`, verdict);
export const sheetOf = (id) => `${ROOT}/studies/${id}/qa.html`;

export function volumesOf(id) {
  const url = (name) => `${ROOT}/studies/${id}/volumes/${name}.nii.gz`;
  return { ct: url("ct"), mr: url("mr"), fused: url("fused") };
}

export function upload(files) {
  const form = new FormData();
  for (const file of files) form.append("files", file);
  return ask("POST", "/uploads", form);
}

export function watch(id, onStage, onEnd) {
  const source = new EventSource(`${ROOT}/studies/${id}/events`);
  const end = () => {
    source.close();
    onEnd();
  };
  source.addEventListener("stage", (event) => onStage(JSON.parse(event.data)));
  source.addEventListener("done", end);
  source.addEventListener("error", end); // told by the server, or the connection's own
  return source;
}
