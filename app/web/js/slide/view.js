/** The slide in OpenSeadragon, with layers drawn over it, a scale bar and the magnification. */

/* global OpenSeadragon */
import { problemOf } from "../api.js";
import { byId } from "../dom.js";
import { figure } from "../format.js";
import { LayerCanvas } from "./layer_canvas.js";
import { magnification, scaleBar } from "./scale.js";
import { Underlay } from "./underlay.js";
import { Unread } from "./unread.js";

const BAR_PX = 160;
/** Less than this part of the scan's own µm/px is more than the scan shows. */
const BEYOND = 0.99;
export const ZOOM_STEP = 1.6;
const ROTATING_KEYS = new Set(["r", "R", "f", "F"]);

export class SlideView {
  /** `say(code, message)` shows a failure in the slide's place. */
  constructor(element, say) {
    this.say = say;
    this.mpp = null;
    this.underlay = new Underlay(element.parentElement);
    /** Resolves when something of the slide is on screen, or will not be. */
    this.seen = new Promise((resolve) => {
      this.isSeen = resolve;
    });
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.osd = OpenSeadragon({
      element,
      drawer: "canvas",
      showNavigationControl: false,
      showNavigator: true,
      navigatorAutoFade: false,
      navigatorSizeRatio: 0.16,
      navigatorOpacity: 1,
      navigatorBackground: "#1a1b1d",
      navigatorBorderColor: "#6d737a",
      navigatorDisplayRegionColor: "#7cc0ff",
      animationTime: calm ? 0 : 0.5,
      blendTime: 0,
      maxZoomPixelRatio: 4,
      minZoomImageRatio: 0.7,
      visibilityRatio: 0.3,
      gestureSettingsMouse: { clickToZoom: false, dblClickToZoom: true },
      imageLoaderLimit: 6,
      timeout: 60000,
      tileRetryMax: 2,
    });
    this.osd.canvas.setAttribute("role", "application");
    this.osd.canvas.setAttribute("aria-label", "Slide: arrow keys move, plus and minus zoom, 0 shows the whole slide");
    this.layers = new LayerCanvas(this.osd);
    this.unread = new Unread(this.osd, byId("unread"));
    this.osd.addHandler("open-failed", () => this.explainFailure());
    this.osd.addHandler("open", () => this.opened());
    this.osd.addHandler("update-viewport", () => this.draw());
    this.osd.addHandler("resize", () => this.draw());
    // Layers and scale bar know no rotation, so that the slide has none.
    this.osd.addHandler("canvas-key", (event) => {
      if (ROTATING_KEYS.has(event.originalEvent.key)) event.preventDefaultAction = true;
    });
    byId("zoom-in").addEventListener("click", () => this.zoom(ZOOM_STEP));
    byId("zoom-out").addEventListener("click", () => this.zoom(1 / ZOOM_STEP));
    byId("home").addEventListener("click", () => this.home());
  }

  open(address) {
    this.address = address;
    performance.mark("slide-asked");
    this.osd.addOnceHandler("tile-drawn", () => {
      performance.mark("first-tile");
      this.isSeen();
    });
    this.osd.addOnceHandler("tile-load-failed", () => this.isSeen());
    this.osd.open(address);
  }

  async explainFailure() {
    this.underlay.remove();
    this.isSeen();
    const answer = await fetch(this.address);
    const problem = problemOf(answer.status, await answer.text());
    const kept = problem.status === 410 || problem.status === 404 ? " The result is still here." : "";
    this.say(problem.code, problem.message + kept);
  }

  opened() {
    byId("note").replaceChildren();
    const item = this.osd.world.getItemAt(0);
    const { x, y } = item.getContentSize();
    this.layers.open(x, y);
    item.addOnceHandler("fully-loaded-change", () => this.underlay.remove());
    this.draw();
  }

  /** `mpp`: µm per level-0 pixel. */
  setScale(mpp) {
    this.mpp = mpp;
    this.draw();
  }

  zoom(factor) {
    this.osd.viewport.zoomBy(factor).applyConstraints();
  }

  home() {
    this.osd.viewport.goHome();
  }

  /** In screen pixels, to the right and downwards. */
  pan(right, down) {
    const { viewport } = this.osd;
    viewport.panBy(viewport.deltaPointsFromPixels(new OpenSeadragon.Point(right, down))).applyConstraints();
  }

  get heightPx() {
    return this.osd.viewport.getContainerSize().y;
  }

  focus() {
    this.osd.canvas.focus({ preventScroll: true });
  }

  /** Fly to a square of level-0 pixels, with as much around it on each side. */
  flyTo(x0, y0, side) {
    if (!this.osd.isOpen()) return;
    const square = new OpenSeadragon.Rect(x0 - side, y0 - side, 3 * side, 3 * side);
    this.osd.viewport.fitBounds(this.osd.viewport.imageToViewportRectangle(square));
    this.layers.mark = { x0, y0, side };
    this.draw();
  }

  unmark() {
    this.layers.mark = null;
    this.draw();
  }

  draw() {
    if (!this.osd.isOpen()) return;
    this.layers.draw();
    this.underlay.place(this.layers.wholeSlide());
    if (this.mpp === null) return;
    const item = this.osd.world.getItemAt(0);
    const mppOnScreen = this.mpp / item.viewportToImageZoom(this.osd.viewport.getZoom(true));
    const bar = scaleBar(mppOnScreen, BAR_PX);
    byId("scale-bar").hidden = false;
    byId("scale-length").textContent = bar.text;
    byId("scale-bar").lastElementChild.style.width = `${bar.px}px`;
    const isBeyond = mppOnScreen < this.mpp * BEYOND;
    byId("magnification").classList.toggle("beyond", isBeyond);
    byId("magnification").textContent = [
      magnification(mppOnScreen), `${figure(mppOnScreen)} µm/px`, ...(isBeyond ? [`beyond the scan's ${magnification(this.mpp)} (empty magnification)`] : []),
    ].join(" · ");
  }
}
