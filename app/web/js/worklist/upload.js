/** A file's way to the server: tus 1.0, resumed after a lost connection, then POST /analyze. */

/* global tus */
import { ensureSession, here, Problem, problemOf, request, session } from "../api.js";

const CHUNK_BYTES = 64 * 1024 * 1024;
const RETRY_MS = [0, 1000, 3000, 5000, 10000, 20000, 30000, 60000];
/** What passes by itself: the page goes on then, as its words say. */
const WAITED_FOR = new Set(["unreachable", "draining"]);
const AT_ONCE = 2;
const SPEED_OVER_MS = 4000;

/** Sends to uploads below the name that this page was opened by, whatever name the service gives them. */
class HereStack extends tus.DefaultHttpStack {
  createRequest(method, url) {
    return super.createRequest(method, here(url));
  }
}

/** `fields`: what POST /analyze takes beside the source. `changed()` is called at every step. */
export class Upload {
  constructor(file, fields, changed) {
    Object.assign(this, { file, fields, changed, state: "waiting", sent: 0, speed: 0, problem: null, id: null, tus: null, goOn: null });
    this.samples = [];
  }

  /** As the list shows it. */
  get badge() {
    return this.problem ? "failed" : "uploading";
  }

  /** Whether the same may go well later, without being changed. */
  get mayTryAgain() {
    const isAtHand = this.id !== null || this.file instanceof File; // not after a reload
    return isAtHand && (this.problem.retryable || this.problem.code === "upload_not_found");
  }

  /** Resolves with the job, or with null when it failed or was given up (then `problem` or `state` says so). */
  async run() {
    for (let attempt = 0; this.state !== "given up"; attempt += 1) {
      try {
        if (this.id === null) await this.send();
        if (this.state !== "given up") return await this.submit();
      } catch (problem) {
        if (this.state === "given up") return null;
        if (!WAITED_FOR.has(problem.code)) return this.fail(problem);
        this.to("lost");
        await this.pause(RETRY_MS[Math.min(attempt, RETRY_MS.length - 1)]);
      }
    }
    return null;
  }

  /** The key makes one job of it, also where an answer was lost on the way and it is sent again. */
  async submit() {
    this.to("submitting");
    const json = { source: { type: "upload", id: this.id }, ...this.fields };
    const answer = await request("/analyze", { method: "POST", json, idempotencyKey: `upload-${this.id}` });
    const job = await answer.json();
    this.to("done");
    return job;
  }

  fail(problem) {
    if (problem.code === "upload_not_found") this.id = null;
    this.problem = problem;
    this.to("failed");
    return null;
  }

  pause(ms) {
    return new Promise((resolve) => {
      this.goOn = resolve;
      setTimeout(resolve, ms);
    });
  }

  async send() {
    this.to("uploading");
    await this.checkReadable();
    const upload = new tus.Upload(this.file, {
      endpoint: here("/uploads/"),
      httpStack: new HereStack(),
      metadata: { filename: this.file.name },
      chunkSize: CHUNK_BYTES,
      retryDelays: RETRY_MS,
      removeFingerprintOnSuccess: true,
      onBeforeRequest: (sending) => {
        if (session.csrf) sending.setHeader("X-CSRF-Token", session.csrf);
      },
      onShouldRetry: (error) => {
        const status = error.originalResponse?.getStatus() ?? 0;
        if (status === 0) this.to("lost");
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

  /** A file that is not there any more would look like a line that is cut. */
  async checkReadable() {
    try {
      await this.file.slice(0, 1).arrayBuffer();
    } catch (error) {
      throw new Problem(0, "file_unreadable", error.message, true);
    }
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
      this.goOn = resolve;
      upload.start();
    });
  }

  /** Stop sending, and have the server forget what it got. */
  async giveUp() {
    this.to("given up");
    this.goOn?.();
    await this.tus?.abort(true);
  }

  progress(sent) {
    const now = performance.now();
    this.samples = [...this.samples.filter(([at]) => now - at < SPEED_OVER_MS), [now, sent]];
    const [[since, from]] = this.samples;
    this.speed = now > since ? ((sent - from) * 1000) / (now - since) : this.speed;
    this.sent = sent;
    if (this.state === "lost") this.state = "uploading";
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
    upload.to("waiting");
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
