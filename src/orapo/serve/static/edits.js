// The log of edits, where the server was started with it: what became of a draft, and when.

import { post } from "./api.js";
import { VisibleClock } from "./clock.js";

const WITHOUT_PAGE = 60_000; // bytes that a browser still sends for a page that is closed

const now = () => performance.now() / 1000;

export class EditLog {
  constructor(study, failed) {
    this.study = study; // returns its name, or nothing
    this.failed = failed;
    this.clock = new VisibleClock();
    this.open = null;
    this.sending = Promise.resolve();
  }

  begin(draft) {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    const log = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    this.open = { log, draft, edits: [], since: now() };
    this.clock.restart();
  }

  edit() {
    if (this.open && this.open.edits.length < 20_000) this.open.edits.push(now() - this.open.since);
  }

  // What the draft has become by now; whoever reads the log takes the last line of each.
  send(final) {
    if (!this.open) return;
    const { log, draft, edits, since } = this.open;
    const body = {
      log, study: this.study(), draft, final, edits: [...edits],
      age: now() - since, seconds: this.clock.seconds,
    };
    const options = { keepalive: JSON.stringify(body).length * 3 < WITHOUT_PAGE };
    const go = () => post("/v1/edits", body, options);
    // one after another, but a page that is closed has no time to wait
    const gone = document.visibilityState === "hidden" ? go() : this.sending.then(go);
    this.sending = gone.then(() => this.failed(), (error) => this.failed(error));
  }

  end(final) {
    this.send(final);
    this.open = null;
  }
}
