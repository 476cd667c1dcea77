/** The tiles with the highest attention, as the model saw them, loaded after the slide; each flies the slide there. */

import { byId, el } from "../dom.js";
import { words } from "../format.js";

export class TileStrip {
  /** `address`: where the tiles' pictures lie. */
  constructor(view, result, address) {
    this.view = view;
    this.side = result.tiling.tile_size0_px;
    this.tiles = result.top_tiles;
    const several = new Set(this.tiles.map((tile) => tile.task)).size > 1;
    this.buttons = this.tiles.map((tile, index) => this.button(tile, index, address, several));
    byId("tiles").replaceChildren(...(this.buttons.length ? this.buttons : [el("p", { class: "small" }, "This model gives no attention, and so no tiles.")]));
  }

  button(tile, index, address, several) {
    const picture = el("img", { alt: "", width: 224, height: 224 });
    this.view.seen.then(() => {
      picture.src = `${address}/${tile.rank}.jpg?task=${encodeURIComponent(tile.task)}`;
    });
    const what = [several ? tile.task : null, tile.label].filter(Boolean).map(words).join(", ");
    const share = `${(tile.attention * 100).toFixed(1)} %`;
    return el("button", {
      "aria-pressed": "false",
      "aria-label": `Tile ${tile.rank}${what ? ` of ${what}` : ""}, ${share} of the attention: show it on the slide`,
      title: what || `${share} of the attention`,
      onclick: () => this.go(index),
    }, picture, el("span", {}, `${tile.rank} · ${share}`));
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
