/** The prompt for a key. It is sent once and not kept: the server answers with a cookie that scripts cannot read. */

import { el } from "./dom.js";
import { explain } from "./words.js";

/** Resolves when `send(key)` was accepted. The page behind it stays as it is. */
export function login(send) {
  return new Promise((resolve) => {
    const key = el("input", { type: "password", id: "key", autocomplete: "current-password", required: true, spellcheck: "false", "aria-describedby": "login-wrong" });
    const wrong = el("p", { class: "wrong", id: "login-wrong", role: "alert" });
    const button = el("button", { type: "submit" }, "Log in");
    const form = el("form", {},
      el("h2", { id: "login-title" }, "Log in to xmag"),
      el("p", { class: "soft" }, "Enter your API key, or a token from your hospital's login."),
      el("label", { for: "key" }, "Key"), key, wrong,
      el("div", { class: "buttons" }, button));
    const dialog = el("dialog", { "aria-labelledby": "login-title" }, form);
    let isDone = false;
    dialog.addEventListener("cancel", (event) => event.preventDefault());
    dialog.addEventListener("close", () => { // a browser may close it all the same: all that waits for it would stand still
      if (!isDone) dialog.showModal();
    });
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      button.disabled = true;
      wrong.textContent = "";
      try {
        await send(key.value.trim());
        isDone = true;
        dialog.close();
        dialog.remove();
        resolve();
      } catch (problem) {
        const said = explain(problem.code);
        wrong.textContent = problem.status === 401 ? "Unknown or revoked key." : `${said.title}. ${said.next}`;
        key.select();
      } finally {
        button.disabled = false;
      }
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
