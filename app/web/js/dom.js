/** Elements are built, never parsed: text stays text, and the policy against inline code holds. */

/**
 * An element. `onclick` and its like are listeners, `class` is the class, true sets a bare attribute, null and false none.
 * Children: elements, text or null.
 */
export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export const byId = (id) => document.getElementById(id);

/** A question in a dialog: resolves to true when `yes` was chosen, to false when it was closed otherwise. `yes` may be null. */
export function ask(title, text, yes, no = "Keep") {
  return new Promise((resolve) => {
    const dialog = el(
      "dialog",
      { "aria-labelledby": "ask-title" },
      el("div", {}, el("h2", { id: "ask-title" }, title), el("p", {}, text),
        el("div", { class: "buttons" },
          el("button", { autofocus: true, onclick: () => dialog.close("no") }, no),
          yes === null ? null : el("button", { class: "danger", onclick: () => dialog.close("yes") }, yes))),
    );
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** Say at a field what is wrong with it, until it is changed. */
export function complain(field, message) {
  field.closest("details")?.setAttribute("open", ""); // what cannot be seen cannot be pointed at
  field.setCustomValidity(message);
  field.addEventListener("input", () => field.setCustomValidity(""), { once: true });
  field.reportValidity();
}
