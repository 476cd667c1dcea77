/** The service, as the pages ask it: the session's cookie goes along by itself, the CSRF token is added here. */

import { login } from "./login.js";

/** A problem document (RFC 9457): `code` is what to branch on, `message` the server's sentence, `retryable` as it says. */
export class Problem extends Error {
  constructor(status, code, message, retryable) {
    super(message);
    Object.assign(this, { status, code, retryable });
  }
}

export const session = { authenticated: false, required: true, name: null, scopes: [], csrf: "" };

/** What a failed answer says; a body that is no problem document (a proxy's page) keeps its status at least. */
export function problemOf(status, text) {
  try {
    const { code, detail, retryable } = JSON.parse(text);
    if (code) return new Problem(status, code, detail ?? "", retryable ?? false);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  const code = status === 413 ? "too_large" : status === 502 || status === 504 ? "unreachable" : "internal_error";
  return new Problem(status, code, `The answer was ${status}.`, status >= 500);
}

/** Where this page was opened: a proxy may have put a prefix before it. Scripts lie in static/js/ below. */
const ROOT = new URL("../../", import.meta.url).href;

/** The address of a path of the service, or of a link that it gave, below the name that this page was opened by. */
export const here = (link) => ROOT + link.replace(/^.*(?=\/(jobs|uploads)\/)/, "").slice(1);

async function ask(path, { method = "GET", json = null, signal = null, idempotencyKey = null } = {}) {
  const headers = {};
  if (idempotencyKey !== null) headers["Idempotency-Key"] = idempotencyKey;
  if (json !== null) headers["Content-Type"] = "application/json";
  if (method !== "GET" && session.csrf) headers["X-CSRF-Token"] = session.csrf;
  try {
    return await fetch(here(path), { method, headers, signal, body: json === null ? null : JSON.stringify(json), cache: "no-store" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, "unreachable", "The server does not answer.", true);
  }
}

/** The answer to a request; asks for a key once where one is missing. Throws Problem. */
export async function request(path, options = {}) {
  let answer = await ask(path, options);
  if (answer.status === 401 && path !== "/session") {
    await ensureSession();
    answer = await ask(path, options);
  }
  if (!answer.ok) throw problemOf(answer.status, await answer.text());
  return answer;
}

export const getJson = async (path, options = {}) => (await request(path, options)).json();

/** Session-storage key of refused uploads. */
export const REFUSED = "xmag.refused";

/** Whose this page is, by tenant and name; null until somebody is logged in. */
export const owner = { text: null };

async function look() {
  const now = await getJson("/session");
  const name = now.authenticated ? JSON.stringify([now.tenant, now.name]) : null;
  if (name !== null && owner.text !== null && name !== owner.text) await startAnew();
  owner.text = name ?? owner.text;
  Object.assign(session, now);
}

/** Somebody else logged in: rows, file names and uploads of the one before stay behind. Never resolves. */
function startAnew() {
  sessionStorage.removeItem(REFUSED);
  dispatchEvent(new Event("anew"));
  location.reload();
  return new Promise(() => {});
}

let asking = null;

/** Somebody is logged in, or nobody needs to be, when this resolves. One prompt for all who wait. */
export function ensureSession() {
  asking ??= (async () => {
    await look();
    while (session.required && !session.authenticated) {
      await login((key) => request("/session", { method: "POST", json: { key } }));
      await look();
    }
  })().finally(() => {
    asking = null;
  });
  return asking;
}

export async function logOut() {
  sessionStorage.removeItem(REFUSED);
  await request("/session", { method: "DELETE" });
  location.reload();
}

export const may = (scope) => session.scopes.includes(scope) || session.scopes.includes("admin");
