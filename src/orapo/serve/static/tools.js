// The tools of a film, in words: window and level with presets, zoom, 1:1, fit, full screen, invert.

import { make } from "./reading.js";

const BY_HAND = "Set by hand";
const HINT = "Drag with the right button, or with Shift, sets the window (sideways) and the level (up is "
  + "brighter). Drag or arrow keys move; wheel or + and − zoom; a double click or 1 shows one film pixel "
  + "on one pixel of the screen, and fits it again. On a touch screen two fingers move and zoom.";

const button = (id, name, key, attributes = {}) =>
  make("button", { type: "button", id, ...attributes }, name, ...(key ? [" ", make("kbd", {}, key)] : []));

export class FilmTools {
  // `screen`: what goes full screen. The tools act on the viewer that was touched last.
  constructor(box, screen, viewers) {
    this.viewers = viewers;
    this.viewer = viewers[0];
    this.screen = screen;
    this.#build(box);
    for (const viewer of viewers) {
      viewer.changed = () => this.#follow(viewer);
      viewer.canvas.addEventListener("focus", () => this.act(viewer));
    }
    this.#listen();
    this.#follow(this.viewer);
  }

  act(viewer) {
    this.viewer = viewer;
    for (const one of this.viewers) one.canvas.classList.toggle("acted-on", one === viewer);
    this.#follow(viewer);
  }

  #build(box) {
    box.setAttribute("role", "group");
    this.box = box;
    const range = (id, min, max, value) => make("input", { id, type: "range", min, max, value });
    const presets = make("select", { id: "preset" });
    box.replaceChildren(
      make("div", { class: "sliders" },
        make("label", { for: "window" }, "Window ", make("span", { class: "quiet" }, "(contrast)")),
        range("window", 2, 512, 256), make("output", { id: "window-value", for: "window" }),
        make("label", { for: "level" }, "Level ", make("span", { class: "quiet" }, "(brightness)")),
        range("level", 0, 256, 128), make("output", { id: "level-value", for: "level" })),
      make("div", { class: "row" }, make("label", { for: "preset" }, "Preset"), presets),
      make("div", { class: "row" },
        button("zoom-out", "−", "", { "aria-label": "Zoom out" }),
        make("output", { id: "zoom-value", "aria-label": "Zoom, of 1:1" }),
        button("zoom-in", "+", "", { "aria-label": "Zoom in" }),
        button("fit", "Fit", ""), button("native", "1:1", "1", { "aria-pressed": "false" }),
        button("invert", "Invert", "I", { "aria-pressed": "false" }),
        button("full-screen", "Full screen", "F", { "aria-pressed": "false" }),
        button("reset-view", "Reset", "0")),
      make("p", { id: "depth", class: "quiet" }),
    );
    this.at = (id) => box.querySelector(`#${id}`);
    for (const { canvas } of this.viewers) {
      const hint = document.getElementById(canvas.getAttribute("aria-describedby"));
      hint.textContent = HINT;
    }
  }

  #follow(viewer) {
    if (viewer !== this.viewer) return;
    const { at } = this;
    const { pixels } = viewer;
    this.box.setAttribute("aria-label", `Tools: ${viewer.canvas.getAttribute("aria-label") ?? "film"}`);
    for (const id of ["window", "level", "preset"]) at(id).disabled = !pixels;
    at("zoom-value").textContent = `${Math.round(viewer.scale * 100)} %`;
    at("fit").setAttribute("aria-pressed", String(viewer.zoom === 1 && !viewer.isNative));
    at("native").setAttribute("aria-pressed", String(viewer.isNative));
    at("invert").setAttribute("aria-pressed", String(viewer.inverted));
    if (!pixels) {
      for (const id of ["window-value", "level-value", "depth"]) at(id).textContent = "";
      return;
    }
    if (pixels !== this.pixels) this.#offer(pixels);
    at("window").value = viewer.window;
    at("level").value = viewer.level;
    at("window-value").textContent = Math.round(viewer.window);
    at("level-value").textContent = Math.round(viewer.level);
    const place = pixels.presets.findIndex(({ level, window }) =>
      level === viewer.level && window === viewer.window);
    at("preset").value = place < 0 ? BY_HAND : String(place);
  }

  // Controls for the depth of another film.
  #offer(pixels) {
    this.pixels = pixels;
    const { at } = this;
    const { lowest, highest, span, presets, top, smaller } = pixels;
    const step = Math.max(1, Math.round(span / 256));
    const first = presets[0];
    const ends = {
      window: [2, Math.max(2 * span + 2, Math.ceil(first.window))],
      level: [Math.min(lowest, Math.floor(first.level)), Math.max(highest + 1, Math.ceil(first.level))],
    };
    for (const [id, [min, max]] of Object.entries(ends)) Object.assign(at(id), { min, max, step });
    at("preset").replaceChildren(
      ...presets.map(({ name }, place) => make("option", { value: place }, name)),
      make("option", { value: BY_HAND, disabled: "" }, BY_HAND));
    const bits = Math.round(Math.log2(top + 1));
    at("depth").textContent = `${pixels.columns} × ${pixels.rows} pixels, values ${lowest} to ${highest} (${bits} bits).`
      + (smaller > 1 ? ` Each is the mean of ${smaller} × ${smaller} of the file.` : "");
  }

  #listen() {
    const { at } = this;
    const on = (id, name, act) => at(id).addEventListener(name, () => act(this.viewer));
    on("window", "input", (viewer) => viewer.set({ window: +at("window").value }));
    on("level", "input", (viewer) => viewer.set({ level: +at("level").value }));
    on("preset", "change", (viewer) => viewer.set(viewer.pixels.presets[at("preset").value]));
    on("zoom-in", "click", (viewer) => viewer.zoomBy(1.25));
    on("zoom-out", "click", (viewer) => viewer.zoomBy(0.8));
    on("fit", "click", (viewer) => viewer.fit());
    on("native", "click", (viewer) => (viewer.isNative ? viewer.fit() : viewer.native()));
    on("invert", "click", (viewer) => viewer.set({ inverted: !viewer.inverted }));
    on("reset-view", "click", (viewer) => viewer.reset());
    on("full-screen", "click", () => this.#turnFullScreen());
    at("full-screen").hidden = !document.fullscreenEnabled; // phones may have none
    for (const { canvas } of this.viewers) {
      canvas.addEventListener("keydown", (event) => {
        if (event.key.toLowerCase() !== "f" || event.ctrlKey || event.metaKey || event.altKey) return;
        event.preventDefault();
        this.#turnFullScreen();
      });
    }
    document.addEventListener("fullscreenchange", () =>
      at("full-screen").setAttribute("aria-pressed", String(document.fullscreenElement === this.screen)));
  }

  #turnFullScreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else if (document.fullscreenEnabled) this.screen.requestFullscreen();
  }
}
