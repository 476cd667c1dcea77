/** Actions on a job, with a question before work is lost and a message on failure. */

import { getJson } from "./api.js";
import { ask } from "./dom.js";
import { moment, nameOf } from "./format.js";
import { explain } from "./words.js";

/** Names the job in a question. */
export const which = (job) => `${job.case_id ? `Case ${job.case_id}` : "No case"}, received ${moment(new Date(job.created_at))}.`;

/** The job after cancelling; null if it is to continue. */
export async function cancel(job) {
  const what = "The analysis stops. The slide is kept, so that you can run it again.";
  if (!(await ask(`Cancel ${nameOf(job)}?`, `${which(job)} ${what}`, "Cancel the analysis", "Let it run"))) return null;
  return getJson(`${job.links.self}/cancel`, { method: "POST" });
}

/** A new job for the same slide. */
export const rerun = (job) => getJson(`${job.links.self}/rerun`, { method: "POST" });

/** Say what went wrong, and what to do. */
export function tellProblem(problem) {
  const { title, next } = explain(problem.code);
  return ask(title, `${problem.message} ${next}`, null, "Close");
}

/** A button that is disabled while its action runs, so that a double click acts once. */
export function waiting(button, deed) {
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      await deed();
    } finally {
      button.disabled = false;
    }
  });
  return button;
}
