/** What the model said, and what that is worth. The server's own sentences: nothing is rounded up into a diagnosis. */

import { el } from "../dom.js";
import { words } from "../format.js";

const OUTSIDE = new Set(["stain_not_he", "stain_out_of_domain", "organ_out_of_domain"]);
const percent = (value) => `${(value * 100).toFixed(1)} %`;

function score(prediction, label) {
  const value = prediction.probabilities[label];
  const text = prediction.kind === "probability" ? percent(value) : value.toFixed(3);
  return el("div", { class: `score${prediction.top_label === label ? " top" : ""}` },
    el("span", {}, words(label)), el("span", {}, text),
    el("meter", { min: 0, max: 1, value, "aria-label": `${words(label)}: ${text}` }));
}

/** Whether the score says anything: not of another stain or organ; of more or less tissue, less surely. */
function counts({ in_domain: isInside, outside }, warnings) {
  // Results of older versions do not say it of a prediction; their warnings do.
  const reasons = outside ?? warnings.map((warning) => warning.split(":")[0]).filter((code) => OUTSIDE.has(code));
  return isInside || reasons.every((code) => code === "bag_size_out_of_range");
}

function worth(prediction) {
  if (!prediction.trained) return "untrained · no meaning";
  if (!prediction.validated) return "research use · not validated";
  return "validated for its intended use only";
}

function answer(prediction, warnings) {
  const isCounted = counts(prediction, warnings);
  const kind = prediction.kind === "probability" ? "calibrated probability" : "score, uncalibrated: not a probability";
  return el("div", { class: isCounted ? "answer" : "answer void", "data-task": prediction.task },
    el("h3", {}, words(prediction.task)),
    el("p", {}, el("span", { class: "chip warn" }, worth(prediction))),
    isCounted ? null : el("p", { class: "wrong" }, "Outside the model's domain: the score does not count."),
    ...prediction.labels.map((label) => score(prediction, label)),
    el("p", { class: "small" }, kind),
    el("p", { class: "caution" }, prediction.statement),
    el("p", { class: "small" }, `Intended use: ${prediction.intended_use}`));
}

/** One section for all heads. */
export function answers(result) {
  return [el("section", { "aria-labelledby": "answers-title" }, el("h2", { id: "answers-title" }, "Prediction"), ...result.predictions.map((prediction) => answer(prediction, result.warnings)))];
}

/** Warnings of slide and prediction; that there are none is said too. Of how many tiles focus speaks, its layer says. */
export function quality(result, layers) {
  const warnings = [...new Set(result.warnings)];
  const sentence = (warning) => warning.replace(/^[a-z_0-9]+: /, "").replace(/^./u, (letter) => letter.toUpperCase());
  const { pen_fraction: pen, out_of_focus_fraction: blur, dark_fraction: dark } = result.qc;
  const figures = [`ink ${percent(pen)}`, `dark ${percent(dark)}`, blur === null ? "focus not judged" : `out of focus ${percent(blur)} of what was looked at`];
  const looked = layers.find((layer) => layer.kind === "qc");
  return el("section", { "aria-labelledby": "quality-title" },
    el("h2", { id: "quality-title" }, "Quality"),
    warnings.length ? el("ul", { class: "caution" }, ...warnings.map((warning) => el("li", {}, sentence(warning)))) : el("p", {}, "No warnings."),
    el("p", { class: "small" }, figures.join(" · ")),
    looked ? el("p", { class: "small" }, looked.note) : null);
}
