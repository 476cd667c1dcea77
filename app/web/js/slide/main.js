/** The slide page: the slide itself, what the model said of it, and the map behind that. */

import { showAccount } from "../account.js";
import { ensureSession, getJson, here } from "../api.js";
import { byId, el } from "../dom.js";
import { nameOf } from "../format.js";
import { explain, STATES } from "../words.js";
import { failurePart, progressPart } from "./before_result.js";
import { files } from "./files.js";
import { listenToKeys } from "./keys.js";
import { LayerControls } from "./layer_controls.js";
import { answers, quality } from "./prediction.js";
import { provenance } from "./provenance.js";
import { TileStrip } from "./strip.js";
import { SlideView } from "./view.js";

const id = location.pathname.split("/").at(-2);
const panel = byId("panel");

function say(code, message) {
  const { title, next } = explain(code);
  byId("note").replaceChildren(el("strong", {}, title), el("br"), next || message);
}

function showHead(job) {
  const name = nameOf(job);
  document.title = `${name} · xmag`;
  byId("name").textContent = name;
  byId("case").textContent = job.case_id ? `case ${job.case_id}` : "";
  byId("state").className = `state ${job.state}`;
  byId("state").textContent = STATES[job.state];
}

/** Follow the job until it is over; resolves with it as it then is. */
function untilOver(job, changed) {
  if (job.finished_at !== null) return Promise.resolve(job);
  return new Promise((resolve, reject) => {
    const source = new EventSource(here(job.links.events));
    source.addEventListener("job", (event) => {
      const now = JSON.parse(event.data);
      changed(now);
      if (now.finished_at === null) return;
      source.close();
      resolve(now);
    });
    source.addEventListener("erased", () => {
      source.close();
      reject(Object.assign(new Error("The job was erased."), { code: "job_erased" }));
    });
    source.addEventListener("error", async () => {
      if (source.readyState !== EventSource.CLOSED) return;
      try {
        await ensureSession();
        resolve(await untilOver(await getJson(`/jobs/${id}`), changed));
      } catch (problem) {
        reject(problem);
      }
    });
  });
}

async function showResult(job, view) {
  const [result, layers] = await Promise.all([getJson(job.links.result), getJson(job.links.layers)]);
  const controls = new LayerControls(view, layers);
  const strip = new TileStrip(view, result, here(`/jobs/${id}/top_tiles`), controls.maps.length > 0);
  view.setScale(result.slide.mpp_x);
  panel.replaceChildren(...answers(result), controls.element, quality(result, layers), files(job), provenance(job, result));
  listenToKeys(view, controls, strip);
}

async function main() {
  await ensureSession();
  showAccount();
  let job = await getJson(`/jobs/${id}`);
  showHead(job);
  const view = new SlideView(byId("viewer"), say);
  if ("thumbnail" in job.links) view.underlay.show(here(job.links.thumbnail));
  view.open(here(`/jobs/${id}/slide.dzi`));
  if (job.finished_at === null) {
    listenToKeys(view, null, null);
    const progress = progressPart(job);
    panel.replaceChildren(progress.element);
    job = await untilOver(job, (now) => {
      showHead(now);
      progress.show(now);
    });
  }
  showHead(job);
  if (job.state === "succeeded") {
    await showResult(job, view);
  } else {
    listenToKeys(view, null, null);
    panel.replaceChildren(failurePart(job));
  }
}

dispatchEvent(new Event("started")); // for watch.js
try {
  await main();
} catch (problem) {
  if (!problem.code) throw problem;
  say(problem.code, problem.message);
}
