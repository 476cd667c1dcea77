/** What the model said, and what that is worth. The server's own sentences: nothing is rounded up into a diagnosis. */

import { el } from "../dom.js";
import { words } from "../format.js";

const percent = (value) => (value ? `${(value * 100).toFixed(1)} %` : "0 %");

function score(prediction, label) {
  const value = prediction.probabilities[label];
  const text = prediction.kind === "probability" ? percent(value) : value.toFixed(3);
  return el("div", { class: `score${prediction.top_label === label ? " top" : ""}` },
    el("span", {}, words(label)), el("span", {}, text),
    el("meter", { min: 0, max: 1, value, "aria-label": `${words(label)}: ${text}` }));
}

/** This warning is part of the prediction's own statement. */
const SAID_OF_PREDICTIONS = "bag_size_out_of_range";

function answer(prediction) {
  const { is_meaningful: isMeaningful } = prediction;
  return el("div", { class: isMeaningful ? "answer" : "answer void", "data-task": prediction.task },
    el("h3", {}, words(prediction.task)),
    el("p", { class: isMeaningful ? "caution" : "wrong" }, prediction.statement),
    ...prediction.labels.map((label) => score(prediction, label)),
    prediction.validated ? null : el("p", { class: "small" }, `Intended use: ${prediction.intended_use}`)); // else in the statement
}

/** One section for all heads. */
export function answers(result) {
  return [el("section", { "aria-labelledby": "answers-title" }, el("h2", { id: "answers-title" }, "Prediction"), ...result.predictions.map(answer))];
}

/** Warnings of slide and prediction; that there are none is said too. Of how many tiles focus speaks, its layer says. */
export function quality(result, layers) {
  const warnings = [...new Set(result.warnings)].filter((warning) => !warning.startsWith(`${SAID_OF_PREDICTIONS}:`));
  const sentence = (warning) => warning.replace(/^[a-z_0-9]+: /, "").replace(/^./u, (letter) => letter.toUpperCase());
  const { pen_fraction: pen, out_of_focus_fraction: blur, dark_fraction: dark } = result.qc;
  const looked = layers.find((layer) => layer.kind === "qc");
  const figures = [`Ink ${percent(pen)}`, `dark or folded ${percent(dark)} of the slide`, blur === null ? "focus not judged" : `out of focus ${percent(blur)} of the tissue checked`];
  return el("section", { "aria-labelledby": "quality-title" },
    el("h2", { id: "quality-title" }, "Quality"),
    warnings.length ? el("ul", { class: "caution" }, ...warnings.map((warning) => el("li", {}, sentence(warning)))) : el("p", {}, "No warnings."),
    el("p", { class: "small" }, figures.join(" · ")),
    el("p", { class: "small" }, looked.note));
}
