// The form by which a user signs in; then the viewer opens with what the URL names.

import * as api from "./api.js";
import { byId, showErrors } from "./dom.js";
import { offerLanguages } from "./text.js";

const openViewer = () => location.replace(`./${location.search}${location.hash}`);

async function signIn() {
  await api.signIn(byId("token").value.trim());
  openViewer();
}

byId("sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  showErrors(signIn, "sign-in-error")();
});
offerLanguages(byId("language"));
byId("token").focus();
api.session().then(openViewer, () => null); // a link of another site comes without the cookie of the session
