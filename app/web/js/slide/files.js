/** Files to download: only those that the job has. */

import { here } from "../api.js";
import { el } from "../dom.js";
import { againButton } from "./again.js";

const NAMES = {
  report_pdf: "Report (PDF)",
  heatmap: "Heatmap (PNG)",
  attention: "For QuPath (GeoJSON)",
  tiles: "Tiles (CSV)",
  embeddings: "Embeddings (HDF5)",
  result: "Result (JSON)",
  results: "Everything (zip)",
};

/** The report in a window of its own, with the printer's dialog before it. */
function print(url) {
  const report = open(url);
  report?.addEventListener("load", () => report.print());
}

export function files(job) {
  const { links } = job;
  const given = Object.entries(NAMES).filter(([name]) => name in links);
  return el("section", { "aria-labelledby": "files-title" },
    el("h2", { id: "files-title" }, "Download"),
    el("div", { class: "files" },
      "report" in links ? el("a", { class: "button", href: here(links.report), target: "_blank", rel: "opener" }, "Report") : null,
      "report" in links ? el("button", { onclick: () => print(here(links.report)) }, "Print the report") : null,
      ...given.map(([name, text]) => el("a", { class: "button", href: here(links[name]), download: "" }, text))),
    el("p", {}, againButton(job)));
}
