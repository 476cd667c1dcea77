/**
 * Refused uploads outlast a reload, until somebody dismisses them: else nobody would learn of a slide that was not
 * analysed. They are kept in this tab alone, and end with it or with logging out. Nobody else is shown them.
 */

import { owner, Problem, REFUSED, session } from "../api.js";
import { Upload } from "./upload.js";

let written = null;

export function keepRefused(uploads) {
  if (!session.authenticated) return;
  const refused = uploads.filter((upload) => upload.problem).map(({ file: { name, size }, fields, id, problem }) => {
    const { status, code, message, retryable } = problem;
    return { name, size, fields, id, problem: { status, code, message, retryable } };
  });
  const text = JSON.stringify({ owner: owner.text, refused });
  if (text === written) return;
  written = text;
  if (refused.length) sessionStorage.setItem(REFUSED, text);
  else sessionStorage.removeItem(REFUSED);
}

/**
 * Those of before the reload, once it is known who asks. Their files are out of reach; what the server kept of them can
 * be asked for again.
 */
export function refusedBefore(changed) {
  const kept = JSON.parse(sessionStorage.getItem(REFUSED) ?? "{}");
  if (kept.owner !== owner.text) return [];
  return kept.refused.map(({ name, size, fields, id, problem }) => {
    const upload = new Upload({ name, size }, fields, changed);
    const { status, code, message, retryable } = problem;
    return Object.assign(upload, { id, state: "failed", problem: new Problem(status, code, message, retryable) });
  });
}
