/** Who is logged in, in the page's head. */

import { ensureSession, logOut, session } from "./api.js";
import { byId, el } from "./dom.js";

export function showAccount() {
  if (!session.required) return;
  byId("account").replaceChildren(
    el("span", { class: "soft" }, session.name ?? ""), " ",
    el("button", { onclick: logOut }, "Log out"));
  // Another tab may have logged out since, and somebody else in.
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) ensureSession().catch(() => {}); // an absent server is told of elsewhere
  });
}
