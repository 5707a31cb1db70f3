// The form by which a user signs in; then the viewer opens with what the URL names.

import { byId, showErrors } from "./dom.js";
import { offerLanguages, text } from "./text.js";

const SESSION = "/api/v1/session";
const UNAUTHORIZED = 401;

const openViewer = () => location.replace(`./${location.search}${location.hash}`);

async function signIn() {
  const body = JSON.stringify({ token: byId("token").value.trim() });
  const response = await fetch(SESSION, { method: "POST", headers: { "content-type": "application/json" }, body }).catch(() => null);
  if (!response) throw new Error(text("job.no-response"));
  if (response.status === UNAUTHORIZED) throw new Error(text("session.wrong-token"));
  if (!response.ok) throw new Error(text("job.server-failed", { status: response.status }));
  openViewer();
}

byId("sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  showErrors(signIn, "sign-in-error")();
});
offerLanguages(byId("language"));
byId("token").focus();
fetch(SESSION).then(({ ok }) => ok && openViewer(), () => null); // a link of another site comes without the cookie of the session
