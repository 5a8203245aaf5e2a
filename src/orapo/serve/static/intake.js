// Films come in: each to the study that its file names, or to the one that the reader says.

import { Fault } from "./api.js";
import { $, bench, fault } from "./bench.js";
import { ask } from "./dialogs.js";
import { readFilm } from "./films.js";

const FAULTS_SHOWN = 5;
export const names = new Intl.Collator("en", { numeric: true }); // film 2 before film 10
let acted = -1; // when the reader last did something, answers to questions aside
for (const name of ["keydown", "pointerdown"]) {
  document.addEventListener(name, (event) => {
    if (!event.target.closest("dialog")) acted = performance.now();
  });
}
let queue = Promise.resolve(); // one choice after another, so that none comes between another's films

// `files`: or a promise of them. `beside`: the study whose views they are, by the reader's word.
// Resolves to the first film's study.
export function takeFiles(files, beside = null) {
  const chosen = performance.now();
  const taken = queue.then(async () => {
    const list = [...await files];
    return list.length ? take(list, beside, chosen) : null;
  });
  queue = taken.catch((error) => {
    $("film-status").textContent = "";
    fault("film-faults", error);
    return null;
  });
  return queue;
}

// What was dropped, with what lies in dropped folders. Called while the event lasts: later it tells nothing.
export function droppedFiles(transfer) {
  const dropped = [...transfer.items].filter(({ kind }) => kind === "file")
    .map((item) => ({ entry: item.webkitGetAsEntry?.(), file: item.getAsFile() }));
  const found = dropped.map(({ entry, file }) => (entry?.isDirectory ? filesIn(entry) : file));
  const files = Promise.all(found).then((each) => each.flat());
  return files.catch(() => {
    throw new Fault("The folder could not be read.");
  });
}

async function filesIn(folder) {
  const reader = folder.createReader();
  const entries = [];
  for (;;) {
    const some = await new Promise((done, failed) => reader.readEntries(done, failed)); // a hundred at most
    if (!some.length) break;
    entries.push(...some);
  }
  entries.sort((one, other) => names.compare(one.name, other.name));
  const files = [];
  for (const entry of entries) {
    if (entry.isDirectory) files.push(...await filesIn(entry));
    else files.push(await new Promise((done, failed) => entry.file(done, failed)));
  }
  return files;
}

async function take(files, beside, chosen) {
  fault("film-faults");
  await bench.arrived; // films may be chosen before it is known what the server takes, and has
  const faults = [];
  const films = [];
  for (const [place, file] of files.entries()) {
    $("film-status").textContent = files.length > 1
      ? `Reading film ${place + 1} of ${files.length}.` : "Reading the film.";
    try {
      films.push(await readFilm(file));
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      faults.push(`${file.name}: ${error.message.replace(/^image 1: /i, "")}`);
    }
  }
  const together = !beside && await areOneStudy(films);
  let first = null;
  let joined = null; // the study of pictures that are views of one
  let count = 0;
  const { list } = bench;
  if (beside && !list.studies.includes(beside)) {
    faults.push(`${beside.name} was taken off the list meanwhile; no view was added to it.`);
    films.length = 0;
  }
  for (const film of films) {
    const word = beside ?? (together && !film.study ? joined : null);
    const { study, again, fault: why } = list.place(film, word);
    if (why) faults.push(`${film.name} ${why}.`);
    else if (!again && study.films.length >= bench.about.films) {
      faults.push(`No more than ${bench.about.films} films of a study: ${film.name} was not added.`);
    } else {
      if (!again) {
        study.add(film);
        count += 1;
      }
      first ??= { study, film };
      if (!film.study) joined ??= study;
      bench.follow(study);
    }
  }
  const hidden = faults.length - FAULTS_SHOWN;
  const shown = hidden > 0 ? [...faults.slice(0, FAULTS_SHOWN), `And ${hidden} more.`] : faults;
  // who does something else by now goes on with it, in the same study
  if (first && (acted < chosen || list.current.isBlank || first.study === list.current)) {
    await bench.show(first.study, first.study.films.indexOf(first.film));
  }
  if (shown.length) fault("film-faults", new Fault(shown.join("\n")));
  $("film-status").textContent = count > 1 ? `${count} films came in.`
    : first && first.study !== list.current ? `${first.study.name} came in.` : "";
  return first?.study ?? null;
}

// Pictures say nothing of whose they are: then the reader's word decides.
async function areOneStudy(films) {
  const nameless = films.filter((film) => !film.study);
  if (nameless.length < 2) return false;
  const answer = await ask(
    `${nameless.length} of these films do not say which study they are of. Are they views of one `
      + "study of one patient, or is each a study of its own?",
    [["each", "A study each"], ["one", "Views of one study"]], "each");
  return answer === "one";
}
