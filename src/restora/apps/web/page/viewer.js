/** The picture before and after, laid over the same box: slider or side by side, zoomed and moved together. */

import { byId, element } from "./dom.js";
import { drag } from "./pointers.js";
import { box, clamp, fit, halves, zoomTo } from "./view.js";

const STEP = 1.25;

export class Viewer {
  #stage = byId("stage");
  #slider = byId("slider");
  #line = byId("line");
  #panes = { before: byId("pane-before"), after: byId("pane-after") };
  #images = { before: null, after: null };
  #urls = { before: null, after: null };
  #size = { width: 1, height: 1 };
  #view = { scale: 1, x: 0, y: 0 };
  #fits = true; // follows the size of the stage
  #side = false;

  constructor() {
    byId("zoom-fit").onclick = () => this.#fit();
    byId("zoom-1").onclick = () => this.#zoom(1 / devicePixelRatio);
    byId("zoom-4").onclick = () => this.#zoom(4 / devicePixelRatio);
    byId("view-slider").onclick = () => this.#beside(false);
    byId("view-side").onclick = () => this.#beside(true);
    const full = byId("full");
    full.hidden = !document.fullscreenEnabled;
    full.onclick = () =>
      document.fullscreenElement ? document.exitFullscreen() : byId("viewer").requestFullscreen();
    document.addEventListener("fullscreenchange", () => {
      full.textContent = document.fullscreenElement ? "Leave full screen" : "Full screen";
    });
    this.#slider.oninput = () => this.#draw();
    this.#stage.onkeydown = (event) => this.#key(event);
    this.#stage.ondblclick = (event) => {
      if (event.target.closest("button, #line")) return;
      const { px, py } = this.#inPane(event.clientX, event.clientY);
      if (this.#fits) this.#zoom(1 / devicePixelRatio, px, py);
      else this.#fit();
    };
    this.#stage.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    drag(this.#stage, {
      start: (event) => this.#grab(event),
      slide: (x) => this.#slideTo(x),
      move: (dx, dy) => this.#move(dx, dy),
      pinch: (factor, x, y, dx, dy) => {
        this.#move(dx, dy);
        const { px, py } = this.#inPane(x, y);
        this.#zoom(this.#view.scale * factor, px, py);
      },
    });
    new ResizeObserver(() => this.#draw()).observe(this.#stage);
  }

  /** Forget the picture that was looked at. */
  clear() {
    this.#put("before", null);
    this.#put("after", null);
    this.#fits = true;
    this.#draw();
  }

  /** The size of the picture in pixels: of the result where there is one. */
  resize(width, height) {
    if (width === this.#size.width && height === this.#size.height) return;
    const grown = width / this.#size.width; // what was looked at stays in sight
    const { scale, x, y } = this.#view;
    this.#size = { width, height };
    this.#view = { scale: scale / grown, x: x * grown, y: y * grown };
    this.#draw();
  }

  /**
   * Draw an image, once the browser has decoded it; until then the one before it stays.
   * Returns its own {width, height}; null where another was asked for in the meantime.
   * Throws where the browser cannot show it.
   */
  async show(which, url, alt) {
    if (this.#urls[which] === url) return null;
    this.#urls[which] = url;
    const image = element("img", { alt, draggable: "false", "data-testid": `image-${which}` });
    image.src = url;
    try {
      await image.decode();
    } catch (error) {
      if (this.#urls[which] !== url) return null;
      this.#urls[which] = null;
      throw error;
    }
    if (this.#urls[which] !== url) return null;
    image.className = "drawn";
    this.#put(which, image, url);
    this.#draw();
    return { width: image.naturalWidth, height: image.naturalHeight };
  }

  /** Take the result away, until there is another. */
  hideAfter() {
    this.#put("after", null);
    this.#draw();
  }

  #put(which, image, url = null) {
    this.#images[which] = image;
    this.#urls[which] = url;
    this.#panes[which].replaceChildren(...(image ? [image] : []));
  }

  get #both() {
    return Boolean(this.#images.before && this.#images.after);
  }

  get #layout() {
    const stage = { width: this.#stage.clientWidth || 1, height: this.#stage.clientHeight || 1 };
    return this.#side && this.#both ? halves(stage, this.#size) : { pane: stage, dx: 0, dy: 0 };
  }

  #fit() {
    this.#fits = true;
    this.#draw();
  }

  #zoom(scale, px, py) {
    this.#fits = false;
    this.#view = zoomTo(this.#view, this.#layout.pane, this.#size, devicePixelRatio, scale, px, py);
    this.#draw();
  }

  #move(dx, dy) {
    if (this.#fits) return;
    this.#view.x -= dx / this.#view.scale;
    this.#view.y -= dy / this.#view.scale;
    this.#draw();
  }

  #beside(side) {
    this.#side = side;
    this.#draw();
  }

  /** A point of the window, in the pane it lies in. */
  #inPane(clientX, clientY) {
    const stage = this.#stage.getBoundingClientRect();
    const { pane, dx, dy } = this.#layout;
    let px = clientX - stage.left;
    let py = clientY - stage.top;
    if (dx && px > pane.width) px -= dx;
    if (dy && py > pane.height) py -= dy;
    return { px, py };
  }

  #wheel(event) {
    event.preventDefault();
    const { px, py } = this.#inPane(event.clientX, event.clientY);
    const lines = event.deltaMode === 1 ? 33 : 1; // Firefox counts lines
    const turn = Math.max(-240, Math.min(240, event.deltaY * lines));
    const speed = event.ctrlKey ? 0.01 : 0.002; // a pinch on a touch pad is a wheel with Ctrl
    this.#zoom(this.#view.scale * Math.exp(-turn * speed), px, py);
  }

  #key(event) {
    if (event.target !== this.#stage || event.ctrlKey || event.metaKey || event.altKey) return;
    if (this.#stage.classList.contains("fits") && !this.#line.hidden && /^Arrow(Left|Right)$/.test(event.key)) {
      event.preventDefault();
      this.#slider.value = Number(this.#slider.value) + (event.key === "ArrowLeft" ? -2 : 2);
      this.#draw();
      return;
    }
    const far = 60;
    const keys = {
      ArrowLeft: () => this.#move(far, 0),
      ArrowRight: () => this.#move(-far, 0),
      ArrowUp: () => this.#move(0, far),
      ArrowDown: () => this.#move(0, -far),
      "+": () => this.#zoom(this.#view.scale * STEP),
      "=": () => this.#zoom(this.#view.scale * STEP),
      "-": () => this.#zoom(this.#view.scale / STEP),
      0: () => this.#fit(),
      1: () => this.#zoom(1 / devicePixelRatio),
      4: () => this.#zoom(4 / devicePixelRatio),
    };
    if (!keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  }

  /** What a press means: the line is taken; where nothing can be moved, it comes to the finger. */
  #grab(event) {
    if (event.target.closest("button, .failed")) return null;
    if (this.#line.hidden) return "move";
    return event.target.closest("#line") || this.#stage.classList.contains("fits") ? "slide" : "move";
  }

  /** The visible part of the picture from left to right, in CSS pixels of the stage. */
  #span(place, pane) {
    return [Math.max(0, place.left), Math.min(pane.width, place.left + place.width)];
  }

  #slideTo(clientX) {
    const { pane } = this.#layout;
    const corner = this.#stage.getBoundingClientRect();
    const [from, to] = this.#span(box(this.#view, pane, this.#size, devicePixelRatio, corner), pane);
    const x = clientX - corner.left;
    this.#slider.value = Math.max(0, Math.min(100, ((x - from) / (to - from)) * 100));
    this.#draw();
  }

  #draw() {
    const dpr = devicePixelRatio;
    const { pane, dx, dy } = this.#layout;
    if (this.#fits) this.#view = fit(pane, this.#size, dpr);
    this.#view = clamp(this.#view, pane, this.#size);
    const corner = this.#stage.getBoundingClientRect();
    const place = box(this.#view, pane, this.#size, dpr, corner);
    const beside = box(this.#view, pane, this.#size, dpr, { left: corner.left + dx, top: corner.top + dy });
    this.#lay(this.#images.before, place);
    this.#lay(this.#images.after, beside);
    const side = dx > 0 || dy > 0;
    const slides = this.#both && !side;
    this.#lay(this.#panes.before, { left: 0, top: 0, ...pane });
    this.#lay(this.#panes.after, { left: dx, top: dy, ...pane });
    this.#cut(slides, place, pane);
    this.#stage.classList.toggle("side", side);
    this.#stage.classList.toggle("large", this.#view.scale * dpr > 2.5);
    this.#stage.classList.toggle("fits", place.width <= pane.width + 1 && place.height <= pane.height + 1);
    byId("chip-before").hidden = !this.#both;
    byId("chip-after").hidden = !this.#both;
    byId("chip-after").style.top = dy ? `${dy + 10}px` : "";
    this.#tell(dpr);
  }

  #lay(node, { left, top, width, height }) {
    if (!node) return;
    Object.assign(node.style, { left: `${left}px`, top: `${top}px`, width: `${width}px`, height: `${height}px` });
  }

  /** Before on the left of the line, after on the right: both cut, so that neither shines through. */
  #cut(slides, place, pane) {
    this.#line.hidden = !slides;
    const [from, to] = this.#span(place, pane);
    const x = from + ((to - from) * this.#slider.value) / 100;
    const top = Math.max(0, place.top);
    const height = Math.max(44, Math.min(pane.height, place.top + place.height) - top);
    Object.assign(this.#line.style, { left: `${x}px`, top: `${top}px`, height: `${height}px` });
    this.#slider.setAttribute("aria-valuetext", `${Math.round(this.#slider.value)} % before`);
    this.#panes.before.style.clipPath = slides ? `inset(0 ${pane.width - x}px 0 0)` : "";
    this.#panes.after.style.clipPath = slides ? `inset(0 0 0 ${x}px)` : "";
  }

  #tell(dpr) {
    const press = (id, pressed) => byId(id).setAttribute("aria-pressed", String(pressed));
    const near = (zoom) => !this.#fits && Math.abs(this.#view.scale * dpr - zoom) < 1e-3;
    press("zoom-fit", this.#fits);
    press("zoom-1", near(1));
    press("zoom-4", near(4));
    press("view-slider", !this.#side);
    press("view-side", this.#side);
    byId("zoom").value = `${Math.round(this.#view.scale * dpr * 100)} %`;
  }
}
