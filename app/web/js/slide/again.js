/** Buttons of the slide page that cancel its job or run it again. */

import { here, may } from "../api.js";
import { cancel, rerun, tellProblem, waiting } from "../deeds.js";
import { el } from "../dom.js";

function button(text, deed) {
  return waiting(el("button", {}, text), async () => {
    try {
      await deed();
    } catch (problem) {
      if (!problem.code) throw problem;
      await tellProblem(problem);
    }
  });
}

/** The page learns of the cancellation like of any other change. */
export const cancelButton = (job) => (may("submit") ? button("Cancel", () => cancel(job)) : null);

/** Opens the new job's page. */
export const againButton = (job) => (may("submit") ? button("Run again", async () => {
  location.assign(here((await rerun(job)).links.view));
}) : null);
