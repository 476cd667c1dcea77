/** Which layers lie over the slide and how: one coloured map at a time, tissue and quality beside it. */

import { here } from "../api.js";
import { el } from "../dom.js";
import { figure, words } from "../format.js";
import { kept, keep } from "./choices.js";

const LATE_MS = 400;
const START = { shown: true, opacity: 50, scale: "percentile", palette: null };

function picture(url) {
  return new Promise((resolve, reject) => {
    const image = new Image();
    image.onload = () => resolve(image);
    image.onerror = () => reject(new Error(`not loaded: ${url}`));
    image.src = url;
  });
}

export class LayerControls {
  /** `layers`: the list of GET /jobs/{id}/layers. */
  constructor(view, layers) {
    this.view = view;
    this.maps = layers.filter((layer) => layer.kind === "attention" || layer.kind === "class");
    this.areas = layers.filter((layer) => layer.kind === "tissue" || layer.kind === "qc");
    this.choice = { ...START, ...kept(), map: this.maps[0]?.id ?? null, areas: new Set() };
    this.images = new Map();
    this.element = el("section", { "aria-labelledby": "layers-title" });
    this.build();
    this.update();
  }

  get map() {
    return this.maps.find((layer) => layer.id === this.choice.map);
  }

  palette() {
    const { palettes, palette } = this.map.legend;
    return this.choice.palette in palettes ? this.choice.palette : palette;
  }

  build() {
    const title = el("h2", { id: "layers-title" }, "Layers");
    this.wrong = el("p", { class: "wrong", role: "alert", hidden: true }, "A layer could not be loaded. Reload the page to try again.");
    this.element.replaceChildren(title, this.wrong, ...(this.maps.length ? this.mapControls() : [el("p", { class: "small" }, "This model gives no map.")]),
      ...this.areas.map((layer) => this.areaControls(layer)));
  }

  mapControls() {
    this.shown = el("input", { type: "checkbox", id: "map-shown", onchange: () => this.set({ shown: this.shown.checked }) });
    this.which = el("select", { id: "map-which", onchange: () => this.set({ map: this.which.value }) },
      ...this.maps.map((layer) => el("option", { value: layer.id }, words(layer.title))));
    this.opacity = el("input", { type: "range", id: "map-opacity", min: 5, max: 100, step: 5, oninput: () => this.set({ opacity: Number(this.opacity.value) }) });
    this.scale = el("select", { id: "map-scale", onchange: () => this.set({ scale: this.scale.value }) },
      el("option", { value: "percentile" }, "rank within the slide"), el("option", { value: "raw" }, "raw value"));
    this.colours = el("select", { id: "map-palette", onchange: () => this.set({ palette: this.colours.value }) });
    this.ramp = el("i");
    this.ticks = el("div", { class: "ticks" });
    this.note = el("p", { class: "small" });
    const line = (id, text, control) => [el("label", { for: id }, text), control];
    return [
      el("label", { class: "toggle" }, this.shown, "Map over the slide ", el("kbd", {}, "o")),
      el("div", { class: "controls" },
        ...(this.maps.length > 1 ? [el("label", { class: "sr", for: "map-which" }, "Map"), this.which] : []),
        ...line("map-opacity", "Opacity", this.opacity), ...line("map-scale", "Values", this.scale), ...line("map-palette", "Colours", this.colours)),
      el("div", { class: "legend" }, el("div", { class: "ramp" }, this.ramp), this.ticks), this.note];
  }

  areaControls(layer) {
    const box = el("input", { type: "checkbox", "data-layer": layer.id, onchange: () => this.toggleArea(layer.id) });
    const key = layer.kind === "tissue" ? "t" : "q";
    return el("div", {},
      el("label", { class: "toggle" }, box, `${words(layer.title)} `, el("kbd", {}, key)),
      el("div", { class: "entries" }, ...layer.legend.entries.map((entry) => {
        const swatch = el("i");
        swatch.style.background = entry.colour;
        return el("span", { title: layer.note }, swatch, words(entry.label));
      })));
  }

  toggleArea(id) {
    const { areas } = this.choice;
    if (!areas.delete(id)) areas.add(id);
    this.update();
  }

  toggleKind(kind) {
    const layer = this.areas.find((area) => area.kind === kind);
    if (layer) this.toggleArea(layer.id);
  }

  set(change) {
    Object.assign(this.choice, change);
    keep(this.choice);
    this.update();
  }

  toggle() {
    this.set({ shown: !this.choice.shown });
  }

  fade(by) {
    this.set({ opacity: Math.min(100, Math.max(5, this.choice.opacity + by)) });
  }

  nextMap() {
    const at = this.maps.indexOf(this.map);
    if (at >= 0) this.set({ map: this.maps[(at + 1) % this.maps.length].id });
  }

  switchScale() {
    this.set({ scale: this.choice.scale === "raw" ? "percentile" : "raw" });
  }

  nextPalette() {
    if (!this.map) return;
    const names = Object.keys(this.map.legend.palettes);
    this.set({ palette: names[(names.indexOf(this.palette()) + 1) % names.length] });
  }

  /**
   * The page and the slide, as chosen. The picture before is taken off when the wanted one is here, late or cannot be
   * loaded: one map must not be shown with the legend of another.
   */
  async update() {
    if (this.map) this.showChoice();
    for (const box of this.element.querySelectorAll("[data-layer]")) box.checked = this.choice.areas.has(box.dataset.layer);
    const wanted = this.areas.filter((layer) => this.choice.areas.has(layer.id)).map((layer) => ({ url: here(layer.url), opacity: 1 }));
    if (this.map && this.choice.shown) wanted.unshift({ url: this.mapUrl(), opacity: this.choice.opacity / 100 });
    const turn = (this.turn = (this.turn ?? 0) + 1);
    const images = wanted.map(() => null);
    const draw = () => this.draw(turn, wanted.map((layer, i) => ({ ...layer, image: images[i] })).filter(({ image }) => image !== null));
    const late = setTimeout(draw, LATE_MS);
    await Promise.all(wanted.map(async ({ url }, i) => {
      images[i] = await this.load(url).catch(() => null);
    }));
    clearTimeout(late);
    draw();
    if (turn === this.turn) this.wrong.hidden = !images.includes(null);
  }

  /** Does nothing once something else was chosen. */
  draw(turn, shown) {
    if (turn !== this.turn) return;
    this.view.layers.shown = shown;
    this.view.draw();
    this.element.dataset.drawn = shown.map(({ url }) => url).join(" ");
  }

  load(url) {
    if (!this.images.has(url)) this.images.set(url, picture(url).catch((error) => {
      this.images.delete(url);
      throw error;
    }));
    return this.images.get(url);
  }

  mapUrl() {
    const url = new URL(here(this.map.url));
    url.searchParams.set("scale", this.choice.scale);
    url.searchParams.set("palette", this.palette());
    return url.pathname + url.search;
  }

  showChoice() {
    const { legend, note } = this.map;
    this.shown.checked = this.choice.shown;
    this.which.value = this.choice.map;
    this.opacity.value = this.choice.opacity;
    this.scale.value = this.choice.scale;
    this.colours.replaceChildren(...Object.keys(legend.palettes).map((name) => el("option", { value: name }, name)));
    this.colours.value = this.palette();
    this.ramp.style.background = `linear-gradient(to right, ${legend.palettes[this.palette()].join(", ")})`;
    this.ramp.style.opacity = this.choice.opacity / 100;
    this.ticks.replaceChildren(...this.tickRows(legend).flatMap(([name, texts]) => [el("span", { class: "soft" }, name), ...texts.map((text) => el("b", {}, text))]));
    this.note.textContent = words(note);
  }

  /** Numbers along the scale, in rows: percentiles with their values, or values at even steps. */
  tickRows({ ticks, raw_low: low, raw_high: high }) {
    if (ticks.length === 0) return [];
    const isAttention = this.map.quantity === "attention";
    const isRaw = this.choice.scale === "raw";
    const number = (value) => (isAttention ? `${Number((value * 100).toPrecision(3))} %` : figure(value));
    const values = ticks.map(({ value }, i) => (isRaw ? low + ((high - low) * i) / (ticks.length - 1) : value));
    const row = [isAttention ? "share" : "score", values.map(number)];
    return isRaw ? [row] : [["percentile", ticks.map(({ percentile }) => String(percentile))], row];
  }
}
