// A film on a canvas: through window and level, zoomed and moved, by mouse, keys and fingers.

const MOST = 16; // times the fitted film, or the film's own pixels
const looks = new WeakMap(); // film to how it was looked at last

export class FilmViewer {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.changed = () => {}; // called when something that controls show has changed
    this.film = null;
    this.pixels = null;
    this.turn = 0;
    this.part = new OffscreenCanvas(1, 1);
    this.level = this.window = 0;
    this.inverted = false;
    this.#centre();
    const sizes = new ResizeObserver(([entry]) => this.#resize(entry));
    try {
      sizes.observe(canvas, { box: "device-pixel-content-box" });
    } catch {
      sizes.observe(canvas); // Safari
    }
    this.#listen();
  }

  // `load` gives the film's pixels; the same film once more stays as it is.
  async show(film, load) {
    if (film === this.film) return;
    this.#leave();
    this.film = film;
    const { turn } = this;
    this.canvas.setAttribute("aria-busy", "true");
    try {
      const pixels = await load(film);
      // no film comes in after another that was wanted later
      if (turn !== this.turn) return;
      this.pixels = pixels;
      this.set(looks.get(film) ?? pixels.presets[0]);
    } catch (error) {
      if (turn !== this.turn) return;
      this.film = null;
      throw error;
    } finally {
      if (turn === this.turn) this.canvas.removeAttribute("aria-busy");
    }
  }

  clear() {
    this.#leave();
    this.canvas.removeAttribute("aria-busy");
  }

  // At once: no other film stays in sight, and who zooms before the next is there keeps that zoom.
  #leave() {
    if (this.film && this.pixels) {
      const { level, window, inverted } = this;
      looks.set(this.film, { level, window, inverted });
    }
    this.turn += 1;
    this.film = this.pixels = null;
    this.inverted = false;
    this.#centre();
    this.draw();
  }

  #centre() {
    this.zoom = 1; // times the fitted film
    this.isNative = false; // a pixel of the film on each of the screen
    this.x = this.y = 0;
  }


  reset() {
    this.#centre();
    this.set({ ...this.pixels?.presets[0], inverted: false });
  }

  set({ level = this.level, window = this.window, inverted = this.inverted }) {
    const { pixels } = this;
    this.inverted = inverted;
    if (pixels) {
      const first = pixels.presets[0].window;
      this.window = clamp(window, 2, Math.max(first, 2 * pixels.span));
      this.level = clamp(level, pixels.lowest - pixels.span, pixels.highest + pixels.span);
      this.table = pixels.table(this.level, this.window, inverted);
    }
    this.draw();
  }

  // What a drag or a step of a slider changes: less where the window is narrow.
  get step() {
    return this.pixels ? Math.max(this.window, this.pixels.span / 32) / 256 : 1;
  }

  fit() {
    this.#centre();
    this.draw();
  }

  // `x` and `y`: a place of the canvas, from its centre, which stays where it is.
  native(x = 0, y = 0) {
    if (!this.pixels) return;
    this.zoomBy(1 / this.scale, x, y);
    this.isNative = true;
    this.draw();
  }

  zoomBy(factor, x = 0, y = 0) {
    const fitted = this.#fitted();
    const before = this.isNative ? 1 / fitted : this.zoom;
    const zoom = clamp(before * factor, Math.min(1, 1 / fitted), MOST * Math.max(1, 1 / fitted));
    this.x = x - (x - this.x) * (zoom / before);
    this.y = y - (y - this.y) * (zoom / before);
    this.zoom = zoom;
    this.isNative = false;
    this.draw();
    return zoom !== before;
  }

  move(x, y) {
    this.x += x;
    this.y += y;
    this.draw();
  }

  #fitted() {
    const { canvas, pixels } = this;
    return pixels ? Math.min(canvas.width / pixels.columns, canvas.height / pixels.rows) : 1;
  }

  // Pixels of the screen to one of the film.
  get scale() {
    return this.isNative ? 1 : this.#fitted() * this.zoom;
  }

  #resize({ devicePixelContentBoxSize: exact, contentRect }) {
    const ratio = devicePixelRatio || 1;
    // the screen's own pixels where the browser knows them, not rounded: 1:1 must not be blurred
    const pixels = (css, known) => (Math.abs(known - css * ratio) < 1 ? known : Math.round(css * ratio));
    const width = pixels(contentRect.width, exact?.[0].inlineSize);
    const height = pixels(contentRect.height, exact?.[0].blockSize);
    if (this.canvas.width !== width) this.canvas.width = width;
    if (this.canvas.height !== height) this.canvas.height = height;
    this.draw();
  }

  draw() {
    const { canvas, context, pixels } = this;
    const { width, height } = canvas;
    context.fillStyle = "#000";
    context.fillRect(0, 0, width, height);
    if (pixels && width && height) {
      const { scale } = this;
      const ratio = devicePixelRatio || 1;
      const [w, h] = [pixels.columns * scale, pixels.rows * scale];
      // at least a part of it stays in sight
      this.x = clamp(this.x, -w / ratio / 2, w / ratio / 2);
      this.y = clamp(this.y, -h / ratio / 2, h / ratio / 2);
      const left = Math.round((width - w) / 2 + this.x * ratio);
      const upper = Math.round((height - h) / 2 + this.y * ratio);
      this.#paint(left, upper, scale);
    }
    this.changed(this);
  }

  // Only what is in sight is looked up, in the halving that has hardly more pixels than the screen.
  #paint(left, upper, scale) {
    const { canvas, context, pixels, part } = this;
    const number = pixels.levelAt(scale);
    const own = scale * 2 ** number; // of that halving
    const { columns, rows } = pixels.levels[number];
    const first = Math.max(0, Math.floor(-left / own));
    const top = Math.max(0, Math.floor(-upper / own));
    const width = Math.min(columns, Math.ceil((canvas.width - left) / own) + 1) - first;
    const height = Math.min(rows, Math.ceil((canvas.height - upper) / own) + 1) - top;
    if (width < 1 || height < 1) return;
    if (part.width !== width || part.height !== height) Object.assign(part, { width, height });
    const image = new ImageData(width, height);
    pixels.paint(new Uint32Array(image.data.buffer), number, this.table, first, top, width, height);
    part.getContext("2d").putImageData(image, 0, 0);
    context.imageSmoothingEnabled = own !== 1;
    context.imageSmoothingQuality = "high";
    context.drawImage(part, left + first * own, upper + top * own, width * own, height * own);
  }

  #listen() {
    const { canvas } = this;
    const pointers = new Map();
    const at = ({ clientX, clientY }) => {
      const box = canvas.getBoundingClientRect();
      return [clientX - box.left - box.width / 2, clientY - box.top - box.height / 2];
    };
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      pointers.set(event.pointerId, event);
    });
    canvas.addEventListener("pointermove", (event) => {
      const before = pointers.get(event.pointerId);
      if (!before) return;
      const [other] = [...pointers.values()].filter((one) => one.pointerId !== event.pointerId);
      pointers.set(event.pointerId, event);
      const [dx, dy] = [event.clientX - before.clientX, event.clientY - before.clientY];
      if (other) {
        const apart = (one) => Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);
        const [[x, y], [otherX, otherY]] = [at(event), at(other)];
        this.move(dx / 2, dy / 2);
        this.zoomBy(apart(event) / Math.max(1, apart(before)), (x + otherX) / 2, (y + otherY) / 2);
      } else if (event.pointerType === "touch" && !document.fullscreenElement) {
        return; // one finger scrolls the page
      } else if (event.buttons & 2 || event.shiftKey) {
        this.set({ window: this.window + dx * this.step, level: this.level + dy * this.step });
      } else {
        this.move(dx, dy);
      }
    });
    for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) {
      canvas.addEventListener(end, (event) => pointers.delete(event.pointerId));
    }
    // two fingers are the film's, before the page takes them for scrolling
    for (const name of ["touchstart", "touchmove"]) {
      canvas.addEventListener(name, (event) => {
        if (event.touches.length > 1 && event.cancelable) event.preventDefault();
      }, { passive: false });
    }
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("dblclick", (event) => {
      if (this.isNative) this.fit();
      else this.native(...at(event));
    });
    canvas.addEventListener("wheel", (event) => {
      // where it can't become smaller the page scrolls on
      if (this.zoomBy(event.deltaY < 0 ? 1.15 : 1 / 1.15, ...at(event))) event.preventDefault();
    }, { passive: false });
    const keys = {
      ArrowLeft: () => this.move(30, 0),
      ArrowRight: () => this.move(-30, 0),
      ArrowUp: () => this.move(0, 30),
      ArrowDown: () => this.move(0, -30),
      "+": () => this.zoomBy(1.25),
      "=": () => this.zoomBy(1.25),
      "-": () => this.zoomBy(0.8),
      i: () => this.set({ inverted: !this.inverted }),
      0: () => this.reset(),
      1: () => (this.isNative ? this.fit() : this.native()),
    };
    canvas.addEventListener("keydown", (event) => {
      const act = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
      if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      act();
    });
  }
}

function clamp(value, low, high) {
  return Math.min(high, Math.max(low, value));
}
