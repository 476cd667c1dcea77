/** Who is logged in, in the page's head. */

import { logOut, session } from "./api.js";
import { byId, el } from "./dom.js";

export function showAccount() {
  if (!session.required) return;
  byId("account").replaceChildren(
    el("span", { class: "soft" }, session.name ?? ""), " ",
    el("button", { onclick: logOut }, "Log out"));
}
