/** The highest tiles of the map that opens first, as the model saw them, loaded after the slide; each flies the slide there. */

import { byId, el } from "../dom.js";
import { figure, words } from "../format.js";

const NUMBERS = { attention: (value) => `${(value * 100).toFixed(1)} %`, tile_scores: figure };
const MEANINGS = { attention: "share of attention", tile_scores: "score" };

/** Heading of the strip; it never presents attention as evidence. */
function title({ quantity, label }) {
  if (label === null) return "Tiles with most attention (not evidence of tumour)";
  return `Highest ${quantity === "tile_scores" ? "scores" : "attention"} for ${words(label)}`;
}

export class TileStrip {
  /** `address`: where the tiles' pictures lie; `hasMap`: whether the model gives any number of a tile. */
  constructor(view, result, address, hasMap) {
    this.view = view;
    this.side = result.tiling.tile_size0_px;
    this.tiles = result.top_tiles;
    const several = new Set(this.tiles.map((tile) => tile.task)).size > 1;
    this.buttons = this.tiles.map((tile, index) => this.button(tile, index, address, several));
    const none = hasMap ? `No tile has ${result.tiling.tissue_min_shown * 100} % tissue, so none is ranked.` : "This model ranks no tiles.";
    byId("strip").hidden = false;
    byId("strip-title").textContent = several || !this.tiles.length ? "Highest tiles" : title(this.tiles[0]);
    byId("tiles").replaceChildren(...(this.buttons.length ? this.buttons : [el("p", { class: "small" }, none)]));
  }

  button(tile, index, address, several) {
    const picture = el("img", { alt: "", width: 224, height: 224 });
    this.view.seen.then(() => {
      picture.src = `${address}/${tile.rank}.jpg?task=${encodeURIComponent(tile.task)}`;
    });
    const what = [MEANINGS[tile.quantity], tile.label, several ? tile.task : null].filter(Boolean).map(words).join(" · ");
    const shown = `${tile.rank} · ${NUMBERS[tile.quantity](tile.value)}`;
    return el("button", {
      "aria-pressed": "false",
      "aria-label": `${shown}: ${what}. Show this tile on the slide`,
      title: what,
      onclick: () => this.go(index),
    }, picture, el("span", {}, shown));
  }

  go(index) {
    const tile = this.tiles[index];
    if (!tile) return;
    this.buttons.forEach((button, other) => button.setAttribute("aria-pressed", String(other === index)));
    this.buttons[index].scrollIntoView({ block: "nearest", inline: "nearest" });
    this.view.flyTo(tile.x0, tile.y0, this.side);
  }

  unmark() {
    this.buttons.forEach((button) => button.setAttribute("aria-pressed", "false"));
    this.view.unmark();
  }
}
