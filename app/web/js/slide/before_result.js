/** What the panel says while there is no result: how far the job is, or why there will be none. */

import { here } from "../api.js";
import { el } from "../dom.js";
import { explain } from "../words.js";
import { doing } from "../worklist/rows.js";
import { againButton, cancelButton } from "./again.js";

/** {element, show(job)}: changed in place, so that a click on Cancel is never lost. */
export function progressPart(job) {
  const title = el("h2"), text = el("p"), bar = el("progress", { max: 1, "aria-label": "Progress" });
  const show = (now) => {
    const waits = now.state === "queued";
    title.textContent = waits ? "In queue" : "Running";
    text.textContent = waits ? "You can view the slide now. The result will appear here." : doing(now);
    bar.value = now.progress?.fraction ?? 0;
  };
  show(job);
  return { element: el("section", {}, title, text, bar, el("p", {}, cancelButton(job))), show };
}

export function failurePart(job) {
  const code = job.error?.code ?? "cancelled";
  const { title, next } = explain(code);
  const message = job.error?.message ?? "";
  return el("section", {}, el("h2", {}, title), el("p", {}, next),
    message && !message.startsWith(title) ? el("p", { class: "small" }, message) : null,
    job.links.tissue_mask ? el("p", {}, el("a", { href: here(job.links.tissue_mask) }, "Tissue mask")) : null,
    el("p", {}, againButton(job)),
    el("p", { class: "small" }, `Code ${code} · job ${job.id}`));
}
