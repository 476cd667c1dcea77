/** The slide page by keyboard. */

import { byId, el } from "../dom.js";
import { ZOOM_STEP } from "./view.js";

const PAN_PX = 80;
const PAGE = 0.75; // of the screen
const NAMES = { ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓", PageUp: "Page Up", PageDown: "Page Down", "-": "−", Escape: "Esc" };
/** Keys that a slider, a drop-down or a scrolling panel needs for itself while it has the focus. */
const MOVING = new Set(["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "PageUp", "PageDown", "Home"]);
const TYPED_INTO = "input:not([type=checkbox], [type=radio], [type=range]), textarea";
const MOVED_BY_KEYS = "input[type=range], select, .panel";

/** [keys, what they do in words, the deed]. `controls` and `strip` are null before there is a result. */
function actions(view, controls, strip) {
  const pan = (right, down) => () => view.pan(right, down);
  const always = [
    [["+"], "zoom in", () => view.zoom(ZOOM_STEP)],
    [["-"], "zoom out", () => view.zoom(1 / ZOOM_STEP)],
    [["0", "Home"], "whole slide", () => view.home()],
    [["ArrowLeft"], "move left", pan(-PAN_PX, 0)],
    [["ArrowRight"], "move right", pan(PAN_PX, 0)],
    [["ArrowUp"], "move up", pan(0, -PAN_PX)],
    [["ArrowDown"], "move down", pan(0, PAN_PX)],
    [["PageUp"], "one screen up", () => view.pan(0, -PAGE * view.heightPx)],
    [["PageDown"], "one screen down", () => view.pan(0, PAGE * view.heightPx)],
  ];
  if (!controls) return always;
  const tiles = strip.tiles.slice(0, 9);
  return [
    ...always,
    [["o"], "map on or off", () => controls.toggle()],
    [["["], "map less opaque", () => controls.fade(-10)],
    [["]"], "map more opaque", () => controls.fade(10)],
    [["v"], "ranks or raw values", () => controls.switchScale()],
    [["p"], "next colours", () => controls.nextPalette()],
    [["c"], "next map", () => controls.nextMap()],
    [["t"], "tissue", () => controls.toggleKind("tissue")],
    [["q"], "quality", () => controls.toggleKind("qc")],
    ...(tiles.length ? [[tiles.map((_, i) => String(i + 1)), "go to a top tile", (key) => strip.go(Number(key) - 1)]] : []),
    [["Escape"], "clear selection", () => strip.unmark()],
  ];
}

/** On most keyboards + and − share their keys with = and _: shift does not matter. */
const SHIFTED = { "=": "+", _: "-" };

function help(all) {
  const key = (name) => el("kbd", { "data-key": name }, NAMES[name] ?? name);
  const dialog = el("dialog", { "aria-labelledby": "help-title" }, el("div", {}, el("h2", { id: "help-title" }, "Shortcuts"),
    el("dl", { class: "keys" }, ...all.flatMap(([keys, text]) => [el("dt", {}, ...keys.flatMap((name) => [key(name), " "])), el("dd", {}, text)])),
    el("p", { class: "small" }, "Arrow keys move a slider or a drop-down that has the focus; Esc returns them to the slide."),
    el("div", { class: "buttons" }, el("button", { autofocus: true, onclick: () => dialog.close() }, "Close"))));
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

/** What is chosen with the mouse gives the arrow keys back to the slide; what is chosen by keyboard keeps them. */
function returnFocus(view, area) {
  let isByPointer = false;
  area.addEventListener("pointerdown", () => {
    isByPointer = true;
  }, true);
  area.addEventListener("keydown", () => {
    isByPointer = false;
  }, true);
  area.addEventListener("change", (event) => {
    if (isByPointer && event.target.matches(MOVED_BY_KEYS)) view.focus();
  });
}

let current = null;

/** Listen once; later calls change what the keys do. */
export function listenToKeys(view, controls, strip) {
  const first = current === null;
  current = actions(view, controls, strip);
  if (!first) return;
  byId("help-button").addEventListener("click", () => help(current));
  returnFocus(view, byId("panel"));
  document.addEventListener("keydown", (event) => {
    const { target } = event;
    if (target.matches(TYPED_INTO) || document.querySelector("dialog[open]") || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "?") return help(current);
    const key = SHIFTED[event.key] ?? event.key;
    const isOfTarget = target.matches(MOVED_BY_KEYS);
    if (isOfTarget && MOVING.has(key)) return;
    const found = current.find(([keys]) => keys.includes(key));
    if (!found) return;
    event.preventDefault();
    event.stopPropagation(); // OpenSeadragon has keys of its own
    if (target.matches("input, select") && key === "Escape") view.focus();
    else found[2](key);
  }, true);
}
