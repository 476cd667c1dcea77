/** Rows of the worklist. A row is made once and then changed in place, so that focus and reading position stay. */

import { here, may } from "../api.js";
import { waiting } from "../deeds.js";
import { complain, el } from "../dom.js";
import { ago, bytes, duration, moment, mppOf, mppWrong, nameOf, plural, timeLeft } from "../format.js";
import { explain, NOT_VALIDATED, PRIORITIES, STAGES, STATES, WARNINGS } from "../words.js";

const FRACTION_TO_JUDGE = 0.12;
const MENDED_BY_MPP = new Set(["mpp_missing", "mpp_implausible"]);

/** Seconds to go, from what a job has done so far; null while too little is done to tell. */
export function secondsLeft(job, now = Date.now()) {
  const fraction = job.progress?.fraction ?? 0;
  if (!job.started_at || fraction < FRACTION_TO_JUDGE) return null;
  return ((now - new Date(job.started_at)) / 1000) * ((1 - fraction) / fraction);
}

/** What a running job is doing, in one line. */
export function doing(job) {
  const { stage, done, total } = job.progress ?? {};
  const parts = [STAGES[stage] ?? "starting"];
  if (stage === "tiles" && total) parts.push(`${done.toLocaleString("en")} of ${plural(total, "tile")}`);
  if (stage === "fetch" && total) parts.push(`${bytes(done)} of ${bytes(total)}`);
  const left = secondsLeft(job);
  if (left !== null) parts.push(timeLeft(left));
  if (job.attempt > 1) parts.push(`attempt ${job.attempt}`);
  return parts.join(" · ");
}

const badge = (state) => el("span", { class: `state ${state}` }, STATES[state]);

const urgency = (priority) => el("span", { class: priority === "routine" ? "soft" : "urgent" }, PRIORITIES[priority]);

function bar(value, label) {
  return el("progress", { max: 1, value, "aria-label": label });
}

function trouble(code, message) {
  const { title, next } = explain(code);
  return [el("strong", {}, title), el("div", { class: "next soft", title: message }, next || message)];
}

function jobStory(job) {
  if (job.state === "queued") return [job.attempt > 0 ? "in queue for another attempt" : "in queue"];
  if (job.state === "running") return [doing(job), bar(job.progress?.fraction ?? 0, `Progress of ${nameOf(job)}`)];
  if (job.state === "succeeded") {
    const took = (new Date(job.finished_at) - new Date(job.started_at)) / 1000;
    const chips = (job.warnings ?? []).filter((code) => code in WARNINGS).map((code) => WARNINGS[code]);
    if (job.validated === false) chips.unshift(NOT_VALIDATED);
    return [`result ready · analysed in ${duration(took)}`, ...chips.flatMap((text) => [" ", el("span", { class: "chip warn" }, text)])];
  }
  return trouble(job.error?.code ?? "cancelled", job.error?.message ?? "");
}

function uploadStory(upload, again) {
  const label = `Upload of ${upload.file.name}`;
  if (upload.state === "waiting") return ["waiting to upload", bar(0, label)];
  if (upload.state === "submitting") return ["checking the file", bar(1, label)];
  if (upload.problem) return [...trouble(upload.problem.code, upload.problem.message), upload.id !== null && MENDED_BY_MPP.has(upload.problem.code) ? mend(upload, again) : null];
  const { size } = upload.file;
  if (upload.state === "lost") return [`connection lost, waiting · ${bytes(upload.sent)} of ${bytes(size)} sent`, bar(size ? upload.sent / size : 0, label)];
  const left = upload.speed > 0 ? ` · ${bytes(upload.speed)}/s · ${timeLeft((size - upload.sent) / upload.speed)}` : "";
  return [`${bytes(upload.sent)} of ${bytes(size)}${left}`, bar(size ? upload.sent / size : 0, label)];
}

/** Where the file lacks its resolution, it is asked for on the spot; who knows the objective alone fills it in by that. */
function mend(upload, again) {
  const value = el("input", { inputmode: "decimal", required: true, "aria-label": `Resolution of ${upload.file.name} in µm/px`, placeholder: "µm/px" });
  const fill = (mpp) => () => {
    value.value = mpp;
    value.setCustomValidity("");
  };
  return el("form", { class: "mend", onsubmit: (event) => {
    event.preventDefault();
    const wrong = mppWrong(value.value);
    if (wrong) return complain(value, wrong);
    upload.fields.mpp = mppOf(value.value);
    return again(upload);
  } }, value, el("button", {}, "Analyse"),
  el("button", { type: "button", onclick: fill("0.5") }, "20x = 0.5"), el("button", { type: "button", onclick: fill("0.25") }, "40x = 0.25"));
}

function row(key) {
  const cells = Array.from({ length: 6 }, () => el("td"));
  cells[5].className = "actions";
  const element = el("tr", { "data-key": key }, ...cells);
  element.shown = [];
  return element;
}

/** Put new contents into a cell only when they differ: `mark` tells. */
function set(element, index, mark, contents) {
  if (element.shown[index] === mark) return;
  element.shown[index] = mark;
  element.children[index].replaceChildren(...contents().filter((part) => part !== null));
}

export function jobRow(element, job, on) {
  const found = element ?? row(job.id);
  const name = nameOf(job), view = here(`/jobs/${job.id}/view`);
  set(found, 0, name + job.case_id, () => [
    el("a", { href: view, title: name }, name),
    el("span", { class: "soft" }, job.case_id ? `case ${job.case_id}` : "no case")]);
  set(found, 1, job.state, () => [badge(job.state)]);
  set(found, 2, JSON.stringify([job.state, job.progress, job.attempt, job.error]), () => jobStory(job));
  set(found, 3, job.priority, () => [urgency(job.priority)]);
  const received = new Date(job.created_at);
  set(found, 4, ago(received), () => [el("time", { class: "soft", datetime: job.created_at, title: moment(received) }, ago(received))]);
  const over = job.finished_at !== null;
  set(found, 5, `${over}${job.state}${may("submit")}${may("erase")}`, () => {
    const button = (text, deed) => waiting(el("button", { "aria-label": `${text} ${name}` }, text), deed);
    // The last place is that of Cancel: Erase never comes under a pointer that was there.
    return [
      over && may("erase") ? button("Erase", () => on.erase(job)) : null,
      over && may("submit") ? button("Run again", () => on.rerun(job)) : null,
      !over && may("submit") ? button("Cancel", () => on.cancel(job)) : null,
      job.state === "succeeded" ? el("a", { class: "button", href: view, "aria-label": `View ${name}` }, "View") : null];
  });
  return found;
}

export function uploadRow(element, upload, on) {
  const found = element ?? row("");
  const { case_id: caseId, priority } = upload.fields;
  const { name } = upload.file;
  set(found, 0, name, () => [
    el("span", { title: name }, name),
    el("span", { class: "soft" }, [...(caseId ? [`case ${caseId}`] : []), bytes(upload.file.size)].join(" · "))]);
  const state = upload.badge;
  set(found, 1, state, () => [badge(state)]);
  set(found, 2, `${upload.state}${upload.sent}${upload.problem?.code}`, () => uploadStory(upload, on.again));
  set(found, 3, priority ?? "", () => (priority ? [urgency(priority)] : []));
  set(found, 4, "", () => []);
  set(found, 5, `${state}${upload.problem?.code}`, () => [
    upload.problem && upload.mayTryAgain ? el("button", { onclick: () => on.again(upload), "aria-label": `Try ${name} again` }, "Try again") : null,
    el("button", { onclick: () => on.giveUp(upload), "aria-label": `${upload.problem ? "Dismiss" : "Stop"} ${name}` }, upload.problem ? "Dismiss" : "Stop")]);
  return found;
}
