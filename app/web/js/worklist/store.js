/** What the worklist knows: jobs by id, and uploads that are not jobs yet. Rows are drawn from here alone. */

import { Upload } from "./upload.js";

export class Store {
  constructor(changed) {
    this.jobs = new Map();
    this.uploads = [];
    /** Ids of the jobs that the server found by the text that is searched now. */
    this.found = new Set();
    this.cursor = null;
    /** The oldest job of the pages that were fetched: all newer ones are here too. */
    this.oldest = null;
    this.changed = changed;
  }

  /** A job that is over stays so: an answer that says otherwise was under way for longer than the news. */
  put(job) {
    const before = this.jobs.get(job.id);
    if (before?.finished_at && !job.finished_at) return;
    this.jobs.set(job.id, job);
    this.changed(job, before);
  }

  putFound(job) {
    this.found.add(job.id);
    this.put(job);
  }

  drop(id) {
    this.jobs.delete(id);
    this.changed(null, null);
  }

  /** Uploads, then jobs; newest first: ids begin with the time. */
  entries() {
    const jobs = [...this.jobs.values()].sort((a, b) => (a.id < b.id ? 1 : -1));
    return [...[...this.uploads].reverse(), ...jobs];
  }

  /** Of how many jobs all newer ones are here too. */
  newestCount() {
    return [...this.jobs.keys()].filter((id) => this.cursor === null || (this.oldest !== null && id >= this.oldest)).length;
  }
}

const GROUPS = {
  all: () => true,
  active: (state) => ["uploading", "queued", "running"].includes(state),
  succeeded: (state) => state === "succeeded",
  trouble: (state) => state === "failed" || state === "cancelled",
};

/** Whether an entry is shown: its state is of the group, and every word of the text is in its names. */
export function matches(entry, group, text) {
  const [state, ...names] = entry instanceof Upload
    ? [entry.badge, entry.file.name, entry.fields.case_id]
    : [entry.state, entry.slide_id, entry.case_id, entry.id, entry.model];
  const all = names.join(" ").toLowerCase();
  return GROUPS[group](state) && text.toLowerCase().split(/\s+/).every((word) => all.includes(word));
}
