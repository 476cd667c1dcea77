/** Numbers and times as people read them. Pure functions. */

/** 45 s, 3 min, 2 h 5 min. */
export function duration(seconds) {
  if (seconds < 0.95) return "less than 1 s";
  if (seconds < 90) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 90) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export const timeLeft = (seconds) => (seconds < 0.95 ? "less than 1 s left" : `about ${duration(seconds)} left`);

/** Decimal units, as file managers and networks count. */
export function bytes(count) {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  let value = count;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 || value >= 99.5 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** 2026-11-27 07:55, as the report has it, in the time of whoever looks. (Swedish writes ISO 8601.) */
export const moment = (time) => time.toLocaleString("sv", { dateStyle: "short", timeStyle: "short" });

/** Just now, 5 min ago, else the day and the time. */
export function ago(then, now = new Date()) {
  const seconds = (now - then) / 1000;
  if (seconds < 60) return "just now";
  return seconds < 3600 ? `${Math.floor(seconds / 60)} min ago` : moment(then);
}

/** Three significant figures, without an exponent where it can be helped. */
export function figure(value) {
  const size = Math.abs(value);
  return size !== 0 && (size < 1e-4 || size >= 1e6) ? value.toExponential(2) : String(Number(value.toPrecision(3)));
}

export const plural = (count, word) => `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;

/** Underscores are for programs. */
export const words = (name) => name.replaceAll("_", " ");

/** The slide's own name where it has one, else the end of the job's id (its beginning is the time). */
export const nameOf = (job) => job.slide_id ?? `Job …${job.id.slice(-8)}`;

/** The µm/px that somebody typed, with or without its unit; null for nothing, NaN for what is no resolution. */
export function mppOf(text) {
  const number = text.trim().replace(",", ".").replace(/\s*[µμu]m(\s*\/\s*(px|pixel))?$/i, "");
  if (number === "") return null;
  return Number(number) > 0 ? Number(number) : NaN;
}

const MPP_RANGE = [0.08, 5];

/** What is wrong with what somebody typed as µm/px; empty where nothing is. An objective's power is the usual slip. */
export function mppWrong(text) {
  const mpp = mppOf(text);
  if (mpp === null) return "";
  if (Number.isNaN(mpp)) return "A number of µm/px, such as 0.25.";
  const [least, most] = MPP_RANGE;
  if (mpp > most) return `${mpp} µm/px is not possible; did you mean ${mpp}x (${figure(10 / mpp)})?`;
  return mpp < least ? `${mpp} µm/px is not possible; 40x is about 0.25.` : "";
}
