/** What made the result, of what, and when: enough to tell years later whether two results are comparable. */

import { el } from "../dom.js";
import { bytes, duration, figure, moment, plural, words } from "../format.js";

const SOURCES = { file: "from the file", request: "given with the request", objective_power: "from objective power" };

function table(rows) {
  return el("dl", {}, ...rows.filter(([, value]) => value !== null).flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
}

export function provenance(job, result) {
  const { slide, tiling, model, versions, timings_s: timings } = result;
  const time = (text) => moment(new Date(text));
  return el("section", { "aria-labelledby": "provenance-title" },
    el("h2", { id: "provenance-title" }, "Provenance"),
    table([
      ["Model", `${model.name} ${model.version}`],
      ["Resolution", `${figure(slide.mpp)} µm/px, ${SOURCES[slide.mpp_source]}`],
      ["Slide", `${slide.width_px.toLocaleString("en")} × ${slide.height_px.toLocaleString("en")} px, ${slide.vendor}, ${bytes(slide.size_bytes)}`],
      ["Analysed", `${plural(tiling.tissue_tiles, "tile")} of ${tiling.tile_px} px at ${figure(tiling.tile_mpp)} µm/px, ${figure(tiling.tissue_area_mm2)} mm² of tissue`],
      ["Received", time(job.created_at)],
      ["Finished", time(job.finished_at)],
    ]),
    el("details", {}, el("summary", {}, "Technical details"),
      table([
        ["Job", job.id],
        ["Slide", slide.sha256],
        ["Manifest", model.manifest_sha256],
        ["Student", model.student_sha256],
        ...Object.entries(model.head_sha256).map(([task, hash]) => [`Head ${words(task)}`, hash]),
        ["Computed", `${model.precision} on ${model.provider.replace("ExecutionProvider", "")}`],
        ["Waited", job.started_at ? duration((new Date(job.started_at) - new Date(job.created_at)) / 1000) : null],
        ["Time", Object.entries(timings).map(([step, seconds]) => `${words(step)} ${seconds < 0.1 ? "< 0.1" : seconds.toFixed(1)} s`).join(", ")],
        ...Object.entries(versions),
      ])));
}
