// The log of edits of one draft, where the server was started with it: what became of it, and when.

import { post } from "./api.js";
import { VisibleClock } from "./clock.js";

const WITHOUT_PAGE = 60_000; // bytes that a browser still sends for a page that is closed

const now = () => Date.now() / 1000; // goes on while the page is away

export class EditLog {
  constructor(study, failed, draft, kept = null) {
    this.study = study; // returns its name, or nothing
    this.failed = failed;
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    const log = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    this.open = kept?.open ?? { log, draft, edits: [], since: now() };
    this.sending = Promise.resolve();
    this.clock = new VisibleClock();
    this.clock.restart((kept?.seconds ?? 0) * 1000);
  }

  edit() {
    if (this.open.edits.length < 20_000) this.open.edits.push(Math.max(0, now() - this.open.since));
  }

  // What the draft has become by now; whoever reads the log takes the last line of each.
  send(final) {
    const { log, draft, edits, since } = this.open;
    const body = {
      log, study: this.study(), draft, final, edits: [...edits],
      age: Math.max(0, now() - since), seconds: this.clock.seconds,
    };
    const options = { keepalive: JSON.stringify(body).length * 3 < WITHOUT_PAGE };
    const go = () => post("/v1/edits", body, options);
    // one after another, but a page that is closed has no time to wait
    const gone = document.visibilityState === "hidden" ? go() : this.sending.then(go);
    this.sending = gone.then(() => this.failed(), (error) => this.failed(error));
  }

  toJSON() {
    return { open: this.open, seconds: this.clock.seconds };
  }
}
