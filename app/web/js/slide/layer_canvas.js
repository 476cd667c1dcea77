/** Transparent pictures over the slide's whole extent, drawn without smoothing: a tile is a square, not a cloud. */

/* global OpenSeadragon */
import { el } from "../dom.js";

const MARK = "#ffffff";
const MARK_EDGE = "#000000";

export class LayerCanvas {
  constructor(osd) {
    this.osd = osd;
    this.canvas = el("canvas", { class: "layer", "aria-hidden": "true" });
    this.context = this.canvas.getContext("2d");
    /** What is drawn, from below: {image, opacity}. */
    this.shown = [];
    /** The square that was flown to, in level-0 pixels: {x0, y0, side}, or null. */
    this.mark = null;
    osd.canvas.after(this.canvas); // below the overview
  }

  open(width, height) {
    this.width = width;
    this.height = height;
  }

  /** Element coordinates of a level-0 rectangle. */
  place(x0, y0, width, height) {
    const item = this.osd.world.getItemAt(0);
    const from = item.imageToViewerElementCoordinates(new OpenSeadragon.Point(x0, y0));
    const to = item.imageToViewerElementCoordinates(new OpenSeadragon.Point(x0 + width, y0 + height));
    return [from.x, from.y, to.x - from.x, to.y - from.y];
  }

  wholeSlide() {
    return this.place(0, 0, this.width, this.height);
  }

  draw() {
    const { canvas, context } = this;
    const ratio = devicePixelRatio;
    const [width, height] = [Math.round(canvas.clientWidth * ratio), Math.round(canvas.clientHeight * ratio)];
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, width, height);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.imageSmoothingEnabled = false;
    for (const { image, opacity } of this.shown) {
      context.globalAlpha = opacity;
      context.drawImage(image, ...this.wholeSlide());
    }
    context.globalAlpha = 1;
    if (this.mark) this.drawMark();
  }

  drawMark() {
    const rectangle = this.place(this.mark.x0, this.mark.y0, this.mark.side, this.mark.side);
    for (const [colour, width] of [[MARK_EDGE, 5], [MARK, 2]]) {
      this.context.strokeStyle = colour;
      this.context.lineWidth = width;
      this.context.strokeRect(...rectangle);
    }
  }
}
