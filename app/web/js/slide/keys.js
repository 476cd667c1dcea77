/** The slide page by keyboard. OpenSeadragon itself has arrows, + and − when the slide has the focus. */

import { byId, el } from "../dom.js";
import { ZOOM_STEP } from "./view.js";

const PAN_PX = 80;

/** Keys → what they do, and in which words the help says so. `controls` and `strip` are null before there is a result. */
function actions(view, controls, strip) {
  const pan = (x, y) => () => view.osd.viewport.panBy(view.osd.viewport.deltaPointsFromPixels({ x, y })).applyConstraints();
  const always = [
    [["+", "="], "zoom in", () => view.zoom(ZOOM_STEP)],
    [["-", "_"], "zoom out", () => view.zoom(1 / ZOOM_STEP)],
    [["0"], "whole slide", () => view.home()],
    [["ArrowLeft"], "move left", pan(-PAN_PX, 0)],
    [["ArrowRight"], "move right", pan(PAN_PX, 0)],
    [["ArrowUp"], "move up", pan(0, -PAN_PX)],
    [["ArrowDown"], "move down", pan(0, PAN_PX)],
  ];
  if (!controls) return always;
  return [
    ...always,
    [["o"], "map on or off", () => controls.toggle()],
    [["["], "map fainter", () => controls.fade(-10)],
    [["]"], "map stronger", () => controls.fade(10)],
    [["v"], "ranks or raw values", () => controls.switchScale()],
    [["p"], "next colours", () => controls.nextPalette()],
    [["c"], "next class or task", () => controls.nextMap()],
    [["t"], "tissue", () => controls.toggleKind("tissue")],
    [["q"], "quality", () => controls.toggleKind("qc")],
    ...Array.from({ length: Math.min(9, strip.tiles.length) }, (_, i) => [[String(i + 1)], `top tile ${i + 1}`, () => strip.go(i)]),
    [["Escape"], "take the tile's frame away", () => strip.unmark()],
  ];
}

function help(all) {
  const names = { ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓", "-": "−", Escape: "Esc" };
  const tiles = all.filter(([, text]) => text.startsWith("top tile"));
  const others = all.filter(([, text]) => !text.startsWith("top tile"));
  const rows = others.map(([[key], text]) => [names[key] ?? key, text]);
  if (tiles.length) rows.splice(-1, 0, [`1 to ${tiles.length}`, "fly to a top tile"]);
  const dialog = el("dialog", { "aria-labelledby": "help-title" }, el("div", {}, el("h2", { id: "help-title" }, "Keys"),
    el("dl", { class: "keys" }, ...rows.flatMap(([key, text]) => [el("dt", {}, el("kbd", {}, key)), el("dd", {}, text)])),
    el("div", { class: "buttons" }, el("button", { autofocus: true, onclick: () => dialog.close() }, "Close"))));
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

let current = null;

/** Listen once; later calls change what the keys do. */
export function listenToKeys(view, controls, strip) {
  const first = current === null;
  current = actions(view, controls, strip);
  if (!first) return;
  byId("help-button").addEventListener("click", () => help(current));
  document.addEventListener("keydown", (event) => {
    const busy = event.target.matches("input:not([type=checkbox]), select, textarea") || document.querySelector("dialog[open]");
    if (busy || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "?") return help(current);
    const scrolls = event.key.startsWith("Arrow") && !event.target.matches("body, #viewer *");
    const found = current.find(([keys]) => keys.includes(event.key));
    if (!found || scrolls) return;
    event.preventDefault();
    event.stopPropagation(); // OpenSeadragon has keys of its own
    found[2]();
  }, true);
}
