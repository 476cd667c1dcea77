/** Says where the slide's own tiles do not come, and what is on screen is a coarser level, enlarged. */

export class Unread {
  /** `notice`: the element that says so, and is empty while all is well. */
  constructor(osd, notice) {
    this.osd = osd;
    this.notice = notice;
    this.failed = new Set();
    osd.addHandler("tile-load-failed", ({ tile }) => {
      this.failed.add(tile);
      this.show();
    });
    osd.addHandler("tile-loaded", ({ tile }) => {
      if (this.failed.delete(tile)) this.show();
    });
    osd.addHandler("update-viewport", () => this.show());
  }

  /** The level whose pixels are as large as the screen's, or the finest: OpenSeadragon asks for no finer one. */
  level() {
    const { viewport, world, minPixelRatio } = this.osd;
    const { source } = world.getItemAt(0);
    const size = viewport.deltaPixelsFromPointsNoRotate(source.getPixelRatio(0), true).x;
    return Math.min(source.maxLevel, Math.floor(Math.log2(size / minPixelRatio)));
  }

  show() {
    if (this.failed.size === 0 && this.notice.textContent === "") return;
    const level = this.level();
    const inSight = this.osd.viewport.getBounds(true);
    const isUnread = [...this.failed].some((tile) => tile.level === level && tile.bounds.intersection(inSight) !== null);
    const text = isUnread ? "Part of the slide cannot be read here" : "";
    if (this.notice.textContent !== text) this.notice.textContent = text;
  }
}
