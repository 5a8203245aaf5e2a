// Films come in: each to the study that its file names, or to the one that the reader says.

import { Fault } from "./api.js";
import { $, bench, fault } from "./bench.js";
import { ask } from "./dialogs.js";
import { readFilm } from "./films.js";
import { ready } from "./start.js";

const FAULTS_SHOWN = 5;
let typed = -1; // when a key was last pressed in a text
document.addEventListener("keydown", (event) => {
  if (event.target.matches("textarea, input[type=text]")) typed = performance.now();
});
let queue = Promise.resolve(); // one choice after another, so that none comes between another's films

// `beside`: the study whose views they are, by the reader's word.
export function takeFiles(files, beside = null) {
  const list = [...files];
  if (!list.length) return Promise.resolve();
  const chosen = performance.now();
  const taken = queue.then(() => take(list, beside, chosen));
  queue = taken.catch((error) => fault("film-faults", error));
  return queue;
}

async function take(files, beside, chosen) {
  fault("film-faults");
  await ready(); // films may be chosen before the server has said what it takes
  const faults = [];
  const films = [];
  for (const [place, file] of files.entries()) {
    if (files.length > 1) $("film-status").textContent = `Reading film ${place + 1} of ${files.length}.`;
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
  for (const film of films) {
    const word = beside ?? (together && !film.study ? joined : null);
    const { study, again, fault: why } = bench.list.place(film, word);
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
  // who types by now goes on typing in the same study
  if (first && (typed < chosen || first.study === bench.list.current)) {
    await bench.show(first.study, first.study.films.indexOf(first.film));
  }
  if (shown.length) fault("film-faults", new Fault(shown.join("\n")));
  $("film-status").textContent = count > 1 ? `${count} films came in.`
    : first && first.study !== bench.list.current ? `${first.study.name} came in.` : "";
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
