// The user: name and role, both empty where the viewer's token gives access.

import * as api from "./api.js";
import { byId, showErrors, showText } from "./dom.js";
import { text } from "./text.js";

export const user = { name: "", role: "", signs_out: false };

export const mayChange = () => user.role !== "viewer";

// Name the user in the header and as the one who signs; `beforeSignOut` saves what is not saved yet.
export async function showUser(beforeSignOut) {
  Object.assign(user, await api.session());
  showText("user", user.name && text("session.user", user));
  byId("sign-out").hidden = !user.signs_out;
  byId("sign-out").addEventListener("click", showErrors(() => signOut(beforeSignOut), "error"));
  for (const id of ["signer", "second-signer"]) byId(id).readOnly = Boolean(user.name);
  fillSigners();
}

// The name of the user in both fields for names; nothing where names are typed.
export function fillSigners() {
  if (user.name) byId("signer").value = byId("second-signer").value = user.name;
}

async function signOut(beforeSignOut) {
  await beforeSignOut();
  await api.signOut();
  location.reload();
}
