/** What a filter finds: among the jobs that the page holds, and on the server by names given in full. */

import { getJson } from "../api.js";
import { plural } from "../format.js";

const FIELDS = ["case_id", "slide_id"];
const PARTS_MAX = 5;
const JOB_ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * Put the jobs of the case or slide `text` into the store, however old they are: as typed, and in capitals, as accession
 * numbers are written. The server looks through 2000 jobs at a time: on it goes, a few times, while nothing is found.
 */
export async function searchServer(store, text, isWanted) {
  if (JOB_ID.test(text)) return findJob(store, text);
  const names = [...new Set([text, text.toUpperCase()])];
  for (const [field, name] of FIELDS.flatMap((field) => names.map((name) => [field, name]))) {
    const query = new URLSearchParams({ [field]: name, limit: "50" });
    for (let part = 0; part < PARTS_MAX; part += 1) {
      const page = await getJson(`/jobs?${query}`);
      page.jobs.forEach((job) => store.putFound(job));
      query.set("cursor", page.next_cursor);
      if (!isWanted() || page.jobs.length > 0 || page.next_cursor === null) break;
    }
  }
}

async function findJob(store, id) {
  try {
    store.putFound(await getJson(`/jobs/${id}`));
  } catch (problem) {
    if (problem.status !== 404 && problem.status !== 410) throw problem;
  }
}

/** How many are shown, and of how many. Says so if these are only the newest jobs. */
export function countText(store, shown, isFiltered) {
  const all = store.entries().length;
  if (store.cursor === null) return all === 0 ? "" : `${shown.length} of ${plural(all, "job")}`;
  const newest = plural(store.newestCount(), "newest job");
  if (!isFiltered) return newest;
  const isOlderFound = shown.some((entry) => store.jobs.has(entry.id) && entry.id < store.oldest);
  return isOlderFound ? `${shown.length} found` : `${shown.length} found in the ${newest}`;
}

/** What was not looked at; nothing where all was, or where the server, which looks at all jobs, found one of `shown`. */
export function beyondText(store, text, shown) {
  if (store.cursor === null || shown.some((entry) => store.found.has(entry.id))) return "";
  return `Searched the ${plural(store.newestCount(), "newest job")}. ${text ? "Enter a full case number or slide ID, or show older jobs." : "Show older jobs to search further."}`;
}
