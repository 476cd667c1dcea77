/** A file's way to the server: tus 1.0, taken up again after a broken connection, then POST /analyze. */

/* global tus */
import { ensureSession, problemOf, request, session } from "../api.js";

const CHUNK_BYTES = 64 * 1024 * 1024;
const RETRY_MS = [0, 1000, 3000, 5000, 10000, 20000, 30000, 60000];
const AT_ONCE = 2;
const SPEED_OVER_MS = 4000;

/** `fields`: what POST /analyze takes beside the source. `changed()` is called at every step. */
export class Upload {
  constructor(file, fields, changed) {
    Object.assign(this, { file, fields, changed, state: "waiting", sent: 0, speed: 0, problem: null, id: null, tus: null });
    this.samples = [];
  }

  get name() {
    return this.fields.slide_id ?? this.file.name;
  }

  /** Resolves with the job, or with null when it failed or was given up (then `problem` or `state` says so). */
  async run() {
    try {
      if (this.id === null) await this.send();
      if (this.state === "given up") return null;
      this.to("submitting");
      const answer = await request("/analyze", { method: "POST", json: { source: { type: "upload", id: this.id }, ...this.fields } });
      const job = await answer.json();
      this.to("done");
      return job;
    } catch (problem) {
      if (this.state === "given up") return null;
      if (problem.code === "upload_not_found") this.id = null;
      this.problem = problem;
      this.to("failed");
      return null;
    }
  }

  async send() {
    this.to("uploading");
    const upload = new tus.Upload(this.file, {
      endpoint: "/uploads/",
      metadata: { filename: this.file.name },
      chunkSize: CHUNK_BYTES,
      retryDelays: RETRY_MS,
      removeFingerprintOnSuccess: true,
      onBeforeRequest: (sending) => {
        if (session.csrf) sending.setHeader("X-CSRF-Token", session.csrf);
      },
      onShouldRetry: (error) => {
        const status = error.originalResponse?.getStatus() ?? 0;
        return status === 0 || status === 409 || status === 423 || status === 429 || status >= 500;
      },
      onProgress: (sent) => this.progress(sent),
    });
    this.tus = upload;
    const [before] = await upload.findPreviousUploads();
    if (before) upload.resumeFromPreviousUpload(before);
    await this.finished(upload);
    this.id = new URL(upload.url, location.href).pathname.split("/").filter(Boolean).pop();
  }

  finished(upload) {
    return new Promise((resolve, reject) => {
      upload.options.onSuccess = resolve;
      upload.options.onError = async (error) => {
        const answer = error.originalResponse;
        if (answer?.getStatus() === 401) {
          await ensureSession().then(() => upload.start(), reject);
        } else {
          reject(problemOf(answer?.getStatus() ?? 502, answer?.getBody() ?? ""));
        }
      };
      this.giveUp = async () => {
        this.to("given up");
        await upload.abort(true);
        resolve();
      };
      upload.start();
    });
  }

  /** Stop sending, and have the server forget what it got. */
  async giveUp() {
    this.to("given up");
  }

  progress(sent) {
    const now = performance.now();
    this.samples = [...this.samples.filter(([at]) => now - at < SPEED_OVER_MS), [now, sent]];
    const [[since, from]] = this.samples;
    this.speed = now > since ? ((sent - from) * 1000) / (now - since) : this.speed;
    this.sent = sent;
    this.changed();
  }

  to(state) {
    this.state = state;
    this.changed();
  }
}

/** A few files at a time: the others wait their turn. */
export class Line {
  constructor(onJob) {
    this.waiting = [];
    this.busy = 0;
    this.onJob = onJob;
  }

  add(upload) {
    upload.problem = null;
    this.waiting.push(upload);
    this.next();
  }

  async next() {
    if (this.busy >= AT_ONCE || this.waiting.length === 0) return;
    const upload = this.waiting.shift();
    if (upload.state !== "given up") {
      this.busy += 1;
      const job = await upload.run();
      this.busy -= 1;
      if (job) this.onJob(upload, job);
    }
    this.next();
  }
}
