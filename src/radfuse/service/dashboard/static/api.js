// Calls of the node's REST interface.

const ROOT = "/api/v1";

export class ApiError extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

async function request(method, path, body) {
  const options = { method, headers: {} };
  if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers["content-type"] = "application/json";
  }
  let response;
  try {
    response = await fetch(ROOT + path, options);
  } catch {
    throw new ApiError("the node does not respond; is `radfuse node run` still running?", 0);
  }
  if (!response.ok) throw new ApiError(await messageOf(response), response.status);
  return response;
}

async function messageOf(response) {
  try {
    return (await response.json()).error;
  } catch {
    return `the node failed (${response.status}); its log has the details`;
  }
}

async function requestJson(method, path, body) {
  const response = await request(method, path, body);
  return response.status === 204 ? null : response.json();
}

export const signIn = (token) => requestJson("POST", "/session", { token });
export const signOut = () => requestJson("DELETE", "/session");
export const session = () => requestJson("GET", "/session");
export const status = () => requestJson("GET", "/status");
export const suspend = (suspended) => requestJson("PUT", "/suspended", { suspended });
export const list = (path, after) => requestJson("GET", path + (after ? `${path.includes("?") ? "&" : "?"}after=${after}` : ""));
export const cancel = (number) => requestJson("POST", `/fusions/${number}/cancel`);
export const runAgain = (number) => requestJson("POST", `/fusions/${number}/run-again`);
export const fuse = (patient) => requestJson("POST", `/patients/${patient}/fuse`);
export const search = (patient) => requestJson("POST", "/patients/search", { patient });
export const sheetUrl = (number) => `${ROOT}/fusions/${number}/qa.html`;

export const viewerUrl = (patient) => `${ROOT}/patients/${patient}/viewer`;

export async function log(number) {
  return (await request("GET", `/fusions/${number}/log`)).text();
}

export function identities(patients) {
  return requestJson("GET", `/identities?${patients.map((one) => `patient=${one}`).join("&")}`);
}
