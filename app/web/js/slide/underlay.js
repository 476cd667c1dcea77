/** The job's thumbnail in the slide's place until its tiles are there: where OpenSeadragon will show it, and moving with it. */

import { el } from "../dom.js";

export class Underlay {
  constructor(stage) {
    this.image = el("img", { class: "underlay", alt: "", "aria-hidden": "true" });
    stage.prepend(this.image);
  }

  /** Shown as soon as it is decoded; a job without a thumbnail goes without. */
  async show(url) {
    this.image.src = url;
    try {
      await this.image.decode();
    } catch (error) {
      if (error.name !== "EncodingError") throw error;
      return this.remove();
    }
    if (this.image.isConnected) performance.mark("picture");
  }

  /** `[left, top, width, height]` of the whole slide, as it is on screen now. */
  place([left, top, width, height]) {
    Object.assign(this.image.style, { left: `${left}px`, top: `${top}px`, width: `${width}px`, height: `${height}px` });
  }

  remove() {
    this.image.remove();
  }
}
