/** What the panel says while there is no result: how far the job is, or why there will be none. */

import { here } from "../api.js";
import { el } from "../dom.js";
import { explain } from "../words.js";
import { doing } from "../worklist/rows.js";

export function progressPart(job) {
  const waits = job.state === "queued";
  return el("section", {}, el("h2", {}, waits ? "In queue" : "Running"),
    el("p", {}, waits ? "You can look at the slide already. The result appears here by itself." : doing(job)),
    el("progress", { max: 1, value: job.progress?.fraction ?? 0, "aria-label": "Progress" }));
}

export function failurePart(job) {
  const code = job.error?.code ?? "cancelled";
  const { title, next } = explain(code);
  return el("section", {}, el("h2", {}, title), el("p", {}, next),
    job.error ? el("p", { class: "small" }, job.error.message) : null,
    job.links.tissue_mask ? el("p", {}, el("a", { href: here(job.links.tissue_mask) }, "Tissue mask")) : null,
    el("p", { class: "small" }, `Code ${code} · job ${job.id}`));
}
