/** The worklist: drop slides, watch them, open, cancel, run again, erase. */

import { showAccount } from "../account.js";
import { ensureSession, may, Problem, request } from "../api.js";
import { cancel, rerun, tellProblem, which } from "../deeds.js";
import { ask, byId, el } from "../dom.js";
import { nameOf } from "../format.js";
import { STATES } from "../words.js";
import { acceptDrops } from "./drop.js";
import { takeFields, watchFields } from "./fields.js";
import { follow, older } from "./live.js";
import { keepRefused, refusedBefore } from "./refused.js";
import { jobRow, uploadRow } from "./rows.js";
import { beyondText, countText, searchServer } from "./search.js";
import { matches, Store } from "./store.js";
import { Line, Upload } from "./upload.js";

const CLOCK_MS = 15000;
const SEARCH_AFTER_MS = 400;
const rowOf = new Map();
let loaded = false;
let drawing = false;

const store = new Store((job, before) => {
  if (job && before && before.state !== job.state) tell(`${nameOf(job)}: ${STATES[job.state]}`);
  draw();
});
const line = new Line((upload, job) => {
  store.uploads = store.uploads.filter((other) => other !== upload);
  store.put(job);
});

function tell(text) {
  byId("news").append(el("span", {}, `${text}. `));
  while (byId("news").childElementCount > 5) byId("news").firstElementChild.remove();
}

/** A deed on a job; a failure is said where the eye is. */
async function deed(job, doIt) {
  try {
    await doIt();
  } catch (problem) {
    if (problem.code === "job_not_found" || problem.code === "job_erased") store.drop(job.id);
    else await tellProblem(problem);
  }
}

const on = {
  cancel: (job) => deed(job, async () => {
    const now = await cancel(job);
    if (now === null) return;
    store.put(now);
    rowOf.get(job.id).querySelector("a").focus(); // not where the button was: another is there now
  }),
  rerun: (job) => deed(job, async () => {
    store.put(await rerun(job));
    tell(`${nameOf(job)} runs again`);
  }),
  erase: (job) => deed(job, async () => {
    const what = "Its upload and results are deleted for good. A slide given by path or in an object store is not touched.";
    if (!(await ask(`Erase ${nameOf(job)}?`, `${which(job)} ${what}`, "Erase"))) return;
    await request(job.links.self, { method: "DELETE" });
    const row = rowOf.get(job.id);
    (row.nextElementSibling ?? row.previousElementSibling)?.querySelector("a, button")?.focus();
    store.drop(job.id);
    tell(`${nameOf(job)} erased`);
  }),
  again: (upload) => line.add(upload),
  giveUp: async (upload) => {
    store.uploads = store.uploads.filter((other) => other !== upload);
    draw();
    await upload.giveUp();
  },
};

function draw() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    drawNow();
  });
}

function drawNow() {
  const group = document.querySelector("input[name=state]:checked").value;
  const text = byId("search").value.trim();
  const entries = store.entries();
  const shown = entries.filter((entry) => matches(entry, group, text));
  const wanted = shown.map((entry) => {
    const key = entry instanceof Upload ? entry : entry.id;
    const element = entry instanceof Upload ? uploadRow(rowOf.get(key), entry, on) : jobRow(rowOf.get(key), entry, on);
    rowOf.set(key, element);
    return element;
  });
  place(byId("rows"), wanted);
  keepRefused(store.uploads);
  const isFiltered = group !== "all" || text !== "";
  byId("count").textContent = loaded ? countText(store, shown, isFiltered) : "";
  byId("beyond").textContent = isFiltered ? beyondText(store, text, shown) : "";
  byId("older").hidden = store.cursor === null;
  const empty = byId("empty");
  empty.hidden = wanted.length > 0 || !loaded;
  empty.textContent = entries.length ? "Nothing matches the filter." : "No slides yet. Drop one above.";
}

/** Bring the rows into this order, moving as few as possible. */
function place(body, wanted) {
  const keep = new Set(wanted);
  for (const element of [...body.children]) {
    if (!keep.has(element)) element.remove();
  }
  wanted.forEach((element, index) => {
    if (body.children[index] !== element) body.insertBefore(element, body.children[index] ?? null);
  });
}

async function send(files) {
  const fields = await takeFields(files);
  if (fields === null) return; // said at the field
  files.forEach((file, index) => {
    const upload = new Upload(file, fields[index], draw);
    store.uploads.push(upload);
    line.add(upload);
  });
}

function listen() {
  let timer = 0;
  byId("search").addEventListener("input", (event) => {
    store.found.clear();
    draw();
    clearTimeout(timer);
    const text = event.target.value.trim();
    const isWanted = () => text === event.target.value.trim();
    if (text) timer = setTimeout(() => searchServer(store, text, isWanted).catch(() => tell("The search did not reach the server")), SEARCH_AFTER_MS);
  });
  byId("states").addEventListener("change", draw);
  byId("older").addEventListener("click", () => older(store).catch(() => tell("Older jobs could not be loaded")));
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.target.matches("input, select") || document.querySelector("dialog[open]")) return;
    event.preventDefault();
    byId("search").focus();
  });
  const askBeforeLeaving = (event) => {
    if (store.uploads.some((upload) => !upload.problem)) event.preventDefault();
  };
  addEventListener("beforeunload", askBeforeLeaving);
  addEventListener("anew", () => removeEventListener("beforeunload", askBeforeLeaving));
  setInterval(draw, CLOCK_MS);
}

dispatchEvent(new Event("started")); // for watch.js
listen();
watchFields();
acceptDrops((files, folders) => {
  for (const folder of folders) {
    const refused = new Upload(folder, {}, draw);
    store.uploads.push(refused);
    refused.fail(new Problem(0, "folder", "", false));
  }
  if (files.length > 0) send(files);
});
await ensureSession();
store.uploads.unshift(...refusedBefore(draw));
showAccount();
byId("drop").hidden = !may("submit");
follow(store, () => {
  loaded = true;
  draw();
});
