// Studies: films, and the text that was written beside them. No text ever moves to other films.

const MOST_STEPS = 200; // of undo
const ONE_STEP = 800; // milliseconds between keys that are undone together

function randomName() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

const PRIOR = "prior ";
const filmName = (digest) => `film-${digest.slice(0, 32)}`;
const alike = (one, other) => one.length === other.length && one.every((each) => other.includes(each));

export class Study {
  constructor(number, kept = {}) {
    this.id = kept.id ?? randomName();
    this.number = number;
    this.name = kept.name ?? `study-${number}`; // in exports
    this.named = kept.named ?? false; // by the reader
    this.logName = kept.logName ?? "";
    this.key = kept.key ?? ""; // made of StudyInstanceUID, by the server
    this.patient = kept.patient ?? "";
    this.films = []; // as the server tells of them, and the file
    this.known = kept.known ?? []; // digests of its films, of those too that are not here now
    this.text = kept.text ?? "";
    this.reference = kept.reference ?? "";
    this.answer = kept.answer ?? null; // the model's
    this.bound = kept.bound ?? null; // digests of the films that the text is about
    this.beside = kept.beside ?? []; // digests of others beside which it was edited
    this.removed = kept.removed ?? false; // whether the reader took films away
    this.prior = null; // the study before, of the same patient
    this.log = kept.log ?? null;
    this.exported = kept.exported ?? null; // the text that was
    this.noted = kept.noted ?? false; // whether a reference or name was typed that was not exported
    this.of = kept.of ?? ""; // its name in a store
    this.past = [];
    this.future = [];
    this.stepped = -Infinity;
    this.growing = null; // the text of a draft that is being written
    this.said = ""; // of its draft
  }

  get digests() {
    return this.films.map((film) => film.digest);
  }

  // When it was taken, as its films say that are here.
  get date() {
    return this.films.find((film) => film.date)?.date ?? "";
  }

  // What the text is about: its films, and the earlier study that is shown beside them.
  get about() {
    const { prior } = this;
    if (!prior) return this.digests;
    const films = prior.digests.length ? prior.digests : [prior.id];
    return [...this.digests, ...films.map((one) => PRIOR + one)];
  }

  // Digests of its own films that the text is about, as exports name them.
  get ownBound() {
    return (this.bound ?? []).filter((one) => !one.startsWith(PRIOR));
  }

  // Nothing is lost by it if any film comes in. What had films, or stands in a store, is some patient's.
  get isBlank() {
    return !this.films.length && !this.known.length && !this.of
      && !this.text && !this.reference && this.growing === null;
  }

  // What is saved of it is about these.
  get savedFilms() {
    if (this.bound) return this.ownBound;
    return this.films.length ? this.digests : this.known;
  }

  // Its name in a store, the same for every reader: made of its UID, else of its first film. Never
  // that of a film which it is not about any more. `isTaken` says whether another study has a name.
  nameInStore(isTaken) {
    const films = this.savedFilms;
    const holds = this.of && (this.of === this.key || !films.length || films.some((one) => this.isOf(one)));
    if (!holds) {
      const name = this.key || (films.length ? filmName(films[0]) : "");
      this.of = isTaken(name) ? "" : name;
    }
    return this.of || `page-${this.id}`;
  }

  isOf(digest) {
    return this.of === filmName(digest);
  }

  // After a reload the films are not here: nothing is shown beside the text, so it is not stale.
  get isAwaitingFilms() {
    return this.ownBound.length > 0 && !this.films.length && !this.removed;
  }

  get isStale() {
    if (!this.text) return false;
    if (this.beside.length) return true;
    return !this.isAwaitingFilms && !alike(this.bound ?? [], this.about);
  }

  // Only where no film was taken away may the reader say that the text holds.
  get canBeAffirmed() {
    const about = [...(this.bound ?? []), ...this.beside];
    return this.isStale && about.every((digest) => this.about.includes(digest));
  }

  get isEdited() {
    return this.answer !== null && this.text !== this.answer.report;
  }

  get state() {
    if (this.growing !== null) return "being written";
    if (!this.text) return "no draft";
    if (this.isStale) return "films changed";
    if (this.text === this.exported) return "exported";
    if (!this.answer) return "own text";
    return this.isEdited ? "edited" : "draft";
  }

  // The text as the reader has it now.
  type(text) {
    this.text = text;
    this.#bind();
  }

  affirm() {
    if (!this.canBeAffirmed) return;
    this.bound = this.about;
    this.beside = [];
  }

  // What the model wrote about films, which may be others than those that are here by now.
  draft(answer, digests) {
    this.step(true);
    this.answer = { ...answer, films: digests };
    this.text = answer.report;
    this.bound = answer.report ? digests : null;
    this.beside = [];
    this.removed = false;
    if (!this.named && !this.key) this.name = answer.study_id;
  }

  // Back to the model's text, and to the films that it is about.
  restore() {
    this.step(true);
    this.text = this.answer.report;
    this.bound = this.answer.films;
    this.beside = [];
  }

  add(film) {
    this.films.push(film);
    if (!this.known.includes(film.digest)) this.known.push(film.digest);
    // as they were when the text was written: the model may be shown the first alone
    const place = ({ digest }) => {
      const at = (this.bound ?? []).indexOf(digest);
      return at < 0 ? Infinity : at;
    };
    this.films.sort((one, other) => (place(one) === place(other) ? 0 : place(one) - place(other)));
    this.key ||= film.study;
    this.patient ||= film.patient;
    if (!this.named && this.key) this.name = this.key;
  }

  removeFilm(index) {
    const [gone] = this.films.splice(index, 1);
    this.known = this.known.filter((digest) => digest !== gone.digest);
    this.removed = true;
  }

  // --- undo ---

  step(always = false) {
    const now = performance.now();
    if (!always && now - this.stepped < ONE_STEP) {
      this.stepped = now;
      return;
    }
    this.stepped = always ? -Infinity : now; // keys never join what was not typed
    this.past.push(this.#snapshot());
    if (this.past.length > MOST_STEPS) this.past.shift();
    this.future = [];
  }

  undo() {
    return this.#go(this.past, this.future);
  }

  redo() {
    return this.#go(this.future, this.past);
  }

  #go(from, to) {
    if (!from.length) return false;
    to.push(this.#snapshot());
    Object.assign(this, from.pop());
    this.stepped = -Infinity;
    return true;
  }

  #snapshot() {
    const { text, bound, beside, answer } = this;
    return { text, bound, beside, answer };
  }

  #bind() {
    if (!this.text) {
      this.bound = null;
      this.beside = [];
    } else if (this.bound !== null) {
      // what is typed now is about what is shown now
      const others = this.films.length && !alike(this.bound, this.about);
      if (others) this.beside = [...new Set([...this.beside, ...this.about])];
    } else {
      this.bound = this.about;
      // written anew about other films, it is not the model's text any more
      if (this.answer && !alike(this.answer.films, this.bound)) this.answer = null;
    }
  }

  toJSON() {
    const {
      id, name, named, logName, key, patient, known, text, reference, answer, bound, beside, removed, log,
      exported, noted, of,
    } = this;
    return {
      prior: this.prior?.id ?? null,
      id, name, named, logName, key, patient, known, text, reference, answer, bound, beside, removed, log,
      exported, noted, of,
    };
  }
}

export class Worklist {
  constructor(kept = []) {
    this.numbers = 0;
    this.studies = [];
    for (const each of kept) this.open(each);
    if (!this.studies.length) this.open();
    this.current = this.studies[0];
    this.link(kept);
  }

  link(kept) {
    for (const { id, prior } of kept) {
      const find = (wanted) => this.studies.find((study) => study.id === wanted);
      if (prior && find(id)) find(id).prior = find(prior) ?? null;
    }
  }

  // Another study as the one before; returns why not.
  setPrior(study, prior) {
    if (prior?.patient && study.patient && prior.patient !== study.patient) {
      return `${prior.name} is of another patient.`;
    }
    if (prior?.date && study.date && prior.date > study.date) return `${prior.name} was taken later.`;
    study.prior = prior;
    return "";
  }

  open(kept) {
    do this.numbers += 1;
    while (this.studies.some((study) => study.name === `study-${this.numbers}`));
    const study = new Study(this.numbers, kept);
    this.studies.push(study);
    return study;
  }

  remove(study) {
    const place = this.studies.indexOf(study);
    this.studies.splice(place, 1);
    for (const other of this.studies) if (other.prior === study) other.prior = null;
    if (!this.studies.length) this.open();
    if (this.current === study) {
      this.current = this.studies[Math.min(place, this.studies.length - 1)];
    }
  }

  neighbour(step) {
    const place = this.studies.indexOf(this.current) + step;
    return this.studies[place] ?? null;
  }

  // Where a film belongs by what its file says. `beside`: a study, by the reader's word.
  place(film, beside = null) {
    const there = this.studies.find((study) => study.digests.includes(film.digest));
    if (there) {
      return there === beside || !beside
        ? { study: there, again: true } : { fault: `is a film of ${there.name} already` };
    }
    const same = film.study ? this.studies.find((study) => study.key === film.study) : null;
    const other = (study) => study.patient && film.patient && study.patient !== film.patient;
    if (beside) {
      if (other(beside)) return { fault: "is of another patient, and was not added" };
      if (same && same !== beside) return { fault: `is a film of ${same.name}, and was not added` };
      if (beside.key && film.study && beside.key !== film.study) {
        return { fault: "is of another study (StudyInstanceUID), and was not added" };
      }
      return { study: beside };
    }
    if (same) {
      return other(same)
        ? { fault: "says another patient than the other films of its study" } : { study: same };
    }
    // a film that was here before a reload
    const had = (study) => !study.key && [study.bound, study.answer?.films, study.known]
      .some((digests) => digests?.includes(film.digest));
    const known = this.studies.find((study) => study.isOf(film.digest)) ?? this.studies.find(had);
    if (known && !other(known)) return { study: known };
    const blank = this.current.isBlank ? this.current
      : this.studies.find((study) => study.isBlank && !study.named);
    return { study: blank && !blank.key && !blank.patient ? blank : this.open() };
  }
}
