/** The list, kept up to date by server-sent events; missed changes are fetched when they come again. */

import { ensureSession, getJson, here } from "../api.js";
import { byId } from "../dom.js";

const PAGE = 100;
const AGAIN_MS = 5000;

function say(text, good) {
  const chip = byId("live");
  if (chip.textContent !== text) chip.textContent = text;
  chip.classList.toggle("warn", !good);
}

async function newest(store) {
  const page = await getJson(`/jobs?limit=${PAGE}`);
  page.jobs.forEach((job) => store.put(job));
  store.cursor ??= page.next_cursor;
  store.oldest ??= page.jobs.at(-1)?.id ?? null;
  const told = new Set(page.jobs.map((job) => job.id));
  for (const job of [...store.jobs.values()].filter((known) => !known.finished_at && !told.has(known.id))) await lookAgain(store, job);
}

/** An older job may have ended, or been erased, while nobody told us. */
async function lookAgain(store, job) {
  try {
    store.put(await getJson(job.links.self));
  } catch (problem) {
    if (problem.status !== 404 && problem.status !== 410) throw problem;
    store.drop(job.id);
  }
}

/** One more page of older jobs. */
export async function older(store) {
  const page = await getJson(`/jobs?limit=${PAGE}&cursor=${encodeURIComponent(store.cursor)}`);
  store.cursor = page.next_cursor;
  store.oldest = page.jobs.at(-1)?.id ?? store.oldest;
  page.jobs.forEach((job) => store.put(job));
}

async function catchUp(store, onLoaded, said) {
  try {
    await ensureSession(); // whoever logged in meanwhile must not find the list of the one before
    await newest(store);
    say(said, true);
    onLoaded();
  } catch (problem) {
    if (!problem.code) throw problem;
    say("list not loaded", false);
  }
}

/** Follow all jobs until the page is closed. Where a proxy lets no event stream through, the list is asked for anew. */
export function follow(store, onLoaded) {
  const source = new EventSource(here("/events"));
  source.addEventListener("open", () => catchUp(store, onLoaded, "live"));
  source.addEventListener("job", (event) => store.put(JSON.parse(event.data)));
  source.addEventListener("erased", (event) => store.drop(JSON.parse(event.data).id));
  source.addEventListener("error", async () => {
    if (source.readyState !== EventSource.CLOSED) {
      say("reconnecting", false); // the browser tries again by itself
      return;
    }
    // A refusal: a key is missing, or the server is away.
    await ensureSession().catch((problem) => say(problem.message, false));
    await catchUp(store, onLoaded, "every few seconds");
    setTimeout(() => follow(store, onLoaded), AGAIN_MS);
  });
}
