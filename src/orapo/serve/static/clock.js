// Counts the seconds in which the page can be seen: not those in another tab, or minimised.

export class VisibleClock {
  constructor() {
    this.before = 0;
    this.since = null;
    this.running = false;
    document.addEventListener("visibilitychange", () => this.#follow());
  }

  restart(before = 0) {
    this.before = before;
    this.since = null;
    this.run(true);
  }

  run(running) {
    this.running = running;
    this.#follow();
  }

  get seconds() {
    const now = this.since === null ? 0 : performance.now() - this.since;
    return (this.before + now) / 1000;
  }

  #follow() {
    const seen = this.running && document.visibilityState === "visible";
    if (seen) this.since ??= performance.now();
    else if (this.since !== null) {
      this.before += performance.now() - this.since;
      this.since = null;
    }
  }
}
