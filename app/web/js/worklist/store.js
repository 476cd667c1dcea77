/** What the worklist knows: jobs by id, and uploads that are not jobs yet. Rows are drawn from here alone. */

export class Store {
  constructor(changed) {
    this.jobs = new Map();
    this.uploads = [];
    this.cursor = null;
    this.changed = changed;
  }

  /** A job that is over stays so: an answer that says otherwise was under way for longer than the news. */
  put(job) {
    const before = this.jobs.get(job.id);
    if (before?.finished_at && !job.finished_at) return;
    this.jobs.set(job.id, job);
    this.changed(job, before);
  }

  drop(id) {
    this.jobs.delete(id);
    this.changed(null, null);
  }

  /** Newest first: ids begin with the time. */
  newestFirst() {
    return [...this.jobs.values()].sort((a, b) => (a.id < b.id ? 1 : -1));
  }
}

const GROUPS = {
  all: () => true,
  active: (job) => job.state === "queued" || job.state === "running",
  succeeded: (job) => job.state === "succeeded",
  trouble: (job) => job.state === "failed" || job.state === "cancelled",
};

/** Whether a job is shown: its state is of the group, and every word of the text is in its names. */
export function matches(job, group, text) {
  const names = [job.slide_id, job.case_id, job.id, job.model].join(" ").toLowerCase();
  return GROUPS[group](job) && text.toLowerCase().split(/\s+/).every((word) => names.includes(word));
}
