// The film: grey values through window and level, zoomed and moved, on a canvas.

const MOST = 16;

export class FilmViewer {
  constructor(canvas, controls) {
    this.canvas = canvas;
    this.controls = controls;
    this.context = canvas.getContext("2d");
    this.grey = null;
    this.turn = 0;
    this.seen = new OffscreenCanvas(1, 1);
    this.reset();
    new ResizeObserver(() => this.draw()).observe(canvas);
    this.#listen();
  }

  async show(blob) {
    // at once: who zooms before the film is there keeps that zoom
    this.zoom = 1;
    this.x = this.y = 0;
    // no film of another study stays in sight while this one is decoded, nor comes in after it
    const turn = ++this.turn;
    this.grey = null;
    this.draw();
    const bitmap = await createImageBitmap(blob);
    if (turn !== this.turn) return;
    const { width, height } = bitmap;
    const work = new OffscreenCanvas(width, height);
    const context = work.getContext("2d", { willReadFrequently: true });
    context.drawImage(bitmap, 0, 0);
    bitmap.close();
    const pixels = context.getImageData(0, 0, width, height).data;
    this.grey = new Uint8Array(width * height);
    for (let place = 0; place < this.grey.length; place++) this.grey[place] = pixels[4 * place];
    this.seen = new OffscreenCanvas(width, height);
    this.#look();
  }

  clear() {
    this.turn += 1;
    this.grey = null;
    this.reset();
  }

  reset() {
    this.window = 256;
    this.level = 128;
    this.zoom = 1;
    this.x = this.y = 0;
    this.inverted = false;
    this.#look();
  }

  set(changes) {
    Object.assign(this, changes);
    this.window = clamp(this.window, 2, 512);
    this.level = clamp(this.level, 0, 256);
    this.#look();
  }

  zoomBy(factor, x = 0, y = 0) {
    const zoom = clamp(this.zoom * factor, 1, MOST);
    // what lies under the pointer stays there
    this.x = x - (x - this.x) * (zoom / this.zoom);
    this.y = y - (y - this.y) * (zoom / this.zoom);
    this.zoom = zoom;
    this.draw();
  }

  move(x, y) {
    this.x += x;
    this.y += y;
    this.draw();
  }

  // Grey values of the window, worked out once for each change of it.
  #look() {
    if (this.grey) {
      const low = this.level - this.window / 2;
      const table = new Uint32Array(256);
      for (let value = 0; value < 256; value++) {
        let shown = clamp(Math.round(((value - low) / this.window) * 256), 0, 255);
        if (this.inverted) shown = 255 - shown;
        table[value] = 0xff000000 | (shown << 16) | (shown << 8) | shown;
      }
      const image = new ImageData(this.seen.width, this.seen.height);
      const pixels = new Uint32Array(image.data.buffer);
      for (let place = 0; place < pixels.length; place++) pixels[place] = table[this.grey[place]];
      this.seen.getContext("2d").putImageData(image, 0, 0);
    }
    this.draw();
  }

  draw() {
    const { canvas, context, controls } = this;
    const ratio = window.devicePixelRatio || 1;
    const width = Math.round(canvas.clientWidth * ratio);
    const height = Math.round(canvas.clientHeight * ratio);
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillStyle = "#000";
    context.fillRect(0, 0, width, height);
    if (this.grey) {
      const fit = Math.min(width / this.seen.width, height / this.seen.height) * this.zoom;
      const [w, h] = [this.seen.width * fit, this.seen.height * fit];
      // at least a part of it stays in sight
      this.x = clamp(this.x, -w / ratio / 2, w / ratio / 2);
      this.y = clamp(this.y, -h / ratio / 2, h / ratio / 2);
      context.imageSmoothingQuality = "high";
      context.drawImage(
        this.seen, (width - w) / 2 + this.x * ratio, (height - h) / 2 + this.y * ratio, w, h);
    }
    controls.window.value = this.window;
    controls.level.value = this.level;
    controls.windowValue.textContent = Math.round(this.window);
    controls.levelValue.textContent = Math.round(this.level);
    controls.zoomValue.textContent = `${Math.round(this.zoom * 100)} %`;
    controls.invert.setAttribute("aria-pressed", String(this.inverted));
  }

  #listen() {
    const { canvas, controls } = this;
    const pointers = new Map();
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      pointers.set(event.pointerId, event);
    });
    canvas.addEventListener("pointermove", (event) => {
      const before = pointers.get(event.pointerId);
      if (!before) return;
      const others = [...pointers.values()].filter((one) => one.pointerId !== event.pointerId);
      pointers.set(event.pointerId, event);
      const [dx, dy] = [event.clientX - before.clientX, event.clientY - before.clientY];
      if (others.length) {
        const other = others[0];
        const apart = (one) => Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);
        this.zoomBy(apart(event) / Math.max(1, apart(before)));
      } else if (event.shiftKey) {
        this.set({ window: this.window + dx, level: this.level - dy });
      } else {
        this.move(dx, dy);
      }
    });
    for (const end of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(end, (event) => pointers.delete(event.pointerId));
    }
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      const box = canvas.getBoundingClientRect();
      const x = event.clientX - box.left - box.width / 2;
      const y = event.clientY - box.top - box.height / 2;
      this.zoomBy(event.deltaY < 0 ? 1.15 : 1 / 1.15, x, y);
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
    };
    canvas.addEventListener("keydown", (event) => {
      const act = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
      if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      act();
    });
    controls.window.addEventListener("input", () => this.set({ window: +controls.window.value }));
    controls.level.addEventListener("input", () => this.set({ level: +controls.level.value }));
    controls.zoomIn.addEventListener("click", () => this.zoomBy(1.25));
    controls.zoomOut.addEventListener("click", () => this.zoomBy(0.8));
    controls.invert.addEventListener("click", () => this.set({ inverted: !this.inverted }));
    controls.reset.addEventListener("click", () => this.reset());
  }
}

// The viewer of a page that has its canvas and its controls, which `$` finds by name.
export function viewerOf($) {
  return new FilmViewer($("canvas"), {
    window: $("window"), windowValue: $("window-value"), level: $("level"),
    levelValue: $("level-value"), zoomIn: $("zoom-in"), zoomOut: $("zoom-out"),
    zoomValue: $("zoom-value"), invert: $("invert"), reset: $("reset-view"),
  });
}

function clamp(value, low, high) {
  return Math.min(high, Math.max(low, value));
}
