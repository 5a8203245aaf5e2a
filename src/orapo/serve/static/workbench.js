// The workbench: films in, draft out, and what is read from it while it is edited; study by study.

import { Fault, post } from "./api.js";
import { $, bench, fault } from "./bench.js";
import { agreed, ask } from "./dialogs.js";
import { write } from "./draft.js";
import { EditLog } from "./edits.js";
import { forgetFilms } from "./films.js";
import { droppedFiles, names, takeFiles } from "./intake.js";
import { forget, forgetAll, keep, onKeptElsewhere } from "./kept.js";
import { make, showFields, showLabels, showMarks, showScore, showSentences } from "./reading.js";
import { look, openShared, share } from "./shared.js";
import { ready } from "./start.js";
import { showFilm, showPrior, shownPlace } from "./viewing.js";
import { showWorklist } from "./worklist.js";
import "./theme.js";

const READ_AFTER = 250; // milliseconds without a key
const { list } = bench;

// --- the study that is shown ------------------------------------------------------------------

bench.show = async (study, film = 0) => {
  if (study !== list.current) {
    logOf(list.current)?.send(list.current.text);
    logOf(list.current)?.clock.run(false);
    list.current = study;
    logOf(study)?.clock.run(true);
    // what was said and read of another study goes with it
    for (const id of ["film-faults", "report-faults", "export-faults"]) fault(id);
    $("exported").textContent = "";
    $("film-status").textContent = "";
    stopReading();
    look();
  }
  $("reference").value = study.reference;
  $("log-study").value = study.logName;
  const films = showFilm(film); // no other film is in sight from here on
  showText(study);
  await films;
};

bench.follow = (study) => {
  if (!list.studies.includes(study)) return; // taken off the list while something was on its way
  if (!keep(study)) fault("film-faults", new Fault("This browser has no room to keep what you type."));
  share(study);
  showText(list.current); // of another it shows the state in the list, and whether one can be written
};

function showText(study) {
  const report = $("report");
  const busy = study.growing !== null;
  const text = study.growing ?? study.text;
  if (report.value !== text) report.value = text;
  report.readOnly = busy;
  if (busy) report.setAttribute("aria-busy", "true");
  else report.removeAttribute("aria-busy");
  if (document.activeElement !== $("name")) $("name").value = study.name;
  $("of-study").textContent = `Of ${study.name}.`;
  const said = study.isStale && !busy ? "" : study.said;
  if ($("status").textContent !== said) $("status").textContent = said;
  $("write").disabled = !study.films.length || !bench.about?.model || Boolean(bench.writing);
  $("stop").hidden = bench.writing?.study !== study;
  $("undo").disabled = busy || !study.past.length;
  $("redo").disabled = busy || !study.future.length;
  $("restore").hidden = busy || !study.isEdited;
  $("origin").textContent = busy || !study.answer ? ""
    : study.isEdited ? "Edited by hand." : "As the model wrote it.";
  showStale(study, busy);
  showPrior(study);
  showSamples(study);
  showWorklist();
  readSoon(study);
}

function showStale(study, busy) {
  const stale = !busy && study.isStale;
  const missing = !busy && study.text && study.isAwaitingFilms;
  $("report-part").classList.toggle("stale", stale);
  const said = stale
    ? "Stale: the films have changed since this text was written. Write a new draft, bring the films "
      + "back, undo, or clear the text."
    : missing ? "The films of this text are not here: choose them again to see them beside it." : "";
  if ($("stale").textContent !== said) $("stale").textContent = said;
  $("stale-row").hidden = !(stale && study.canBeAffirmed);
  $("export-why").hidden = !stale;
  for (const button of $("formats").children) button.disabled = stale || busy;
}

function showSamples({ answer }) {
  const samples = answer?.samples ?? [];
  $("all-samples").hidden = samples.length < 2;
  $("sample-list").replaceChildren(...samples.map((sample, place) =>
    make("li", {}, place === answer.chosen ? make("strong", {}, "chosen: ") : "", sample.report)));
}

// --- films -------------------------------------------------------------------------------------

const shown = (work) => work.catch((error) => fault("film-faults", error));

for (const [id, beside] of [["files", () => null], ["folder", () => null], ["more", () => list.current]]) {
  $(id).addEventListener("change", () => {
    const files = [...$(id).files];
    // a folder's come as they lie on the disk
    if (id === "folder") files.sort((one, other) => names.compare(one.webkitRelativePath, other.webkitRelativePath));
    $(id).value = "";
    shown(takeFiles(files, beside()));
  });
}
for (const name of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(name, (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    $("worklist-part").classList.toggle("over", name === "dragover");
    if (name === "drop") shown(takeFiles(droppedFiles(event.dataTransfer)));
  });
}

function filmsRemoved(study) {
  logOf(study)?.send(study.text);
  fault("film-faults");
  bench.follow(study);
}
$("remove").addEventListener("click", () => {
  const study = list.current;
  while (study.films.length) study.removeFilm(0);
  filmsRemoved(study);
  showFilm(0);
  $("files").focus();
});
$("remove-view").addEventListener("click", () => {
  const study = list.current;
  const place = shownPlace();
  study.removeFilm(place);
  filmsRemoved(study);
  showFilm(place);
  $("canvas").focus();
});
$("new-text").addEventListener("click", () => {
  bench.show(list.studies.find((study) => study.isBlank) ?? list.open());
  $("report").focus();
});
$("close-study").addEventListener("click", async () => {
  const study = list.current;
  if (study.text && study.text !== study.exported) {
    const answer = await ask(`The text of ${study.name} was not exported and will be lost.`,
      [["keep", "Keep"], ["discard", "Discard text"]], "keep"); // the first is what Enter takes
    if (answer !== "discard") return;
  }
  leave(study);
  list.remove(study);
  bench.show(list.current);
  $("previous").focus();
});

function leave(study) {
  if (bench.writing?.study === study) bench.writing.stopper.abort();
  logOf(study)?.send(study.text);
  forget(study);
  forgetFilms(study.films);
}

$("example").addEventListener("click", async () => {
  fault("film-faults");
  try {
    const [film, told] = await Promise.all(["example.jpg", "example.json"].map((name) =>
      fetch(`/static/${name}`)));
    if (!film.ok || !told.ok) throw new Fault("The example is not here.");
    const example = await told.json();
    const study = await takeFiles([new File([await film.blob()], "phantom.jpg", { type: "image/jpeg" })]);
    if (!study || study.text || study.reference) return;
    study.name = "phantom-example";
    study.named = true;
    study.reference = example.report;
    if (!bench.about.model) {
      study.step(true);
      study.type(example.text);
    }
    study.said = "A phantom, drawn by orapo, with its own report as reference. No patient.";
    bench.follow(study);
    if (study === list.current) bench.show(study);
  } catch (error) {
    fault("film-faults", error);
  }
});

// --- the text ------------------------------------------------------------------------------------

function logOf(study) {
  if (!bench.about?.logs_edits || !study.log) return null;
  if (!(study.log instanceof EditLog)) study.log = newLog(study, "", study.log);
  return study.log;
}

const newLog = (study, draft, kept) =>
  new EditLog(() => study.logName.trim(), (error) => fault("log-faults", error), draft, kept);

$("write").addEventListener("click", async () => {
  const study = list.current;
  const before = study.text;
  const answer = await write(study);
  if (!answer || !bench.about.logs_edits) return;
  logOf(study)?.send(before);
  study.log = newLog(study, answer.report);
  study.log.clock.run(study === list.current);
  if (list.studies.includes(study)) keep(study);
});
$("stop").addEventListener("click", () => {
  bench.writing?.stopper.abort();
  $("write").focus();
});

function edited(study) {
  logOf(study)?.edit();
  fault("report-faults");
  $("exported").textContent = "";
  bench.follow(study);
}
$("report").addEventListener("input", (event) => {
  const study = list.current;
  if (study.growing !== null) return;
  study.step(["insertFromPaste", "insertFromDrop", "deleteByCut"].includes(event.inputType));
  study.type($("report").value);
  edited(study);
});

function stepBack(go) {
  const study = list.current;
  if (study.growing !== null || !go(study)) return;
  edited(study);
}
const undo = () => stepBack((study) => study.undo());
const redo = () => stepBack((study) => study.redo());
$("undo").addEventListener("click", undo);
$("redo").addEventListener("click", redo);
// the field's own undo knows one text alone, and would bring another study's back
$("report").addEventListener("beforeinput", (event) => {
  if (!event.inputType.startsWith("history")) return;
  event.preventDefault();
  if (event.inputType === "historyUndo") undo();
  else redo();
});
$("report").addEventListener("keydown", (event) => {
  const key = event.key.toLowerCase();
  if (!(event.ctrlKey || event.metaKey) || event.altKey || (key !== "z" && key !== "y")) return;
  event.preventDefault();
  if (key === "y" || event.shiftKey) redo();
  else undo();
});
$("restore").addEventListener("click", () => {
  list.current.restore();
  edited(list.current);
  $("report").focus();
});
$("affirm").addEventListener("click", async () => {
  const study = list.current;
  if (!(await agreed(`Is the text of ${study.name} about all of these films, as one study of one patient?`,
    "It is"))) return;
  study.affirm();
  bench.follow(study);
  $("report").focus();
});
$("reference").addEventListener("input", () => {
  list.current.reference = $("reference").value;
  list.current.noted = true;
  bench.follow(list.current);
});
$("name").addEventListener("input", () => {
  list.current.name = $("name").value;
  list.current.named = true;
  list.current.noted = true;
  bench.follow(list.current);
});
$("log-study").addEventListener("input", () => {
  list.current.logName = $("log-study").value;
  keep(list.current);
});
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "hidden") logOf(list.current)?.send(list.current.text);
});

// --- reading it ------------------------------------------------------------------------------------

let reading = null; // { study, text, reference, stopper }
let timer = 0;
let last = null; // what is shown as read
let unread = false; // whether the fault that is shown is that a text could not be read

function stopReading() {
  clearTimeout(timer);
  reading?.stopper.abort();
  reading = null;
  if (last) show({ sentences: [], facts: [], labels: {}, fields: [] }, null, "", null);
  last = null;
}

const same = (one, other) => one && ["study", "text", "reference", "answer"]
  .every((name) => one[name] === other[name]);

function readSoon(study) {
  if (!bench.about) return;
  const wanted = { study, text: study.growing ?? study.text, reference: study.reference.trim(),
    answer: study.answer };
  if (same(reading, wanted) || (!reading && same(last, wanted))) return;
  clearTimeout(timer);
  if (study.growing === null || !reading) {
    timer = setTimeout(() => read(wanted), study.growing === null ? READ_AFTER : 0);
  }
}

async function read(wanted) {
  const { study, text, reference } = wanted;
  reading?.stopper.abort();
  const mine = { ...wanted, stopper: new AbortController() };
  const options = { signal: mine.stopper.signal };
  reading = mine;
  try {
    const [facts, score] = await Promise.all([
      post("/v1/facts", { text }, options).then((answer) => answer.json()),
      reference && text.trim() // what is not written yet has missed nothing
        ? post("/v1/score", { report: text, reference }, options).then((answer) => answer.json())
        : null,
    ]);
    if (reading !== mine || study !== list.current) return;
    // a fault of the writing stays, until that is tried again
    if (unread) fault("report-faults");
    unread = false;
    last = wanted;
    show(facts, score, text, study.answer);
  } catch (error) {
    if (reading === mine) {
      unread ||= error.name !== "AbortError";
      fault("report-faults", error);
    }
  } finally {
    if (reading === mine) reading = null;
  }
  // the text went on while this was read
  const gone = last === wanted || (study.growing ?? study.text) !== text;
  if (study === list.current && gone) readSoon(study);
}

function show(facts, score, text, answer) {
  const { labels } = bench.about;
  showSentences($("sentences"), text, facts, labels, score, answer?.invented_comparisons);
  $("no-sentences").hidden = facts.sentences.length > 0;
  const why = facts.english === false
    ? "This text is not English; FactS reads English only." : "Nothing to read yet.";
  if ($("no-sentences").textContent !== why) $("no-sentences").textContent = why;
  showMarks($("counts"), $("missed"), score?.graded);
  showFields($("fields"), $("field-list"), facts.fields);
  showLabels($("labels"), facts, labels, answer?.votes, answer?.samples.length ?? 1);
  showScore($("score"), score);
}

// --- export ----------------------------------------------------------------------------------

const FORMATS = { text: "Text", json: "JSON", csv: "CSV", "dicom-sr": "DICOM SR", fhir: "FHIR" };

async function exportAs(format) {
  const study = list.current;
  if (study.isStale || study.growing !== null) return; // its button is off; none may get by
  $("exported").textContent = "";
  fault("export-faults");
  logOf(study)?.send(study.text);
  const { text, name: named, reference } = study;
  const body = {
    report: text,
    format,
    study_id: study.name || "report",
    source: !study.answer ? "own" : study.isEdited ? "edited" : "model",
    films: study.ownBound,
  };
  try {
    const answer = await post("/v1/export", body);
    const name = /filename="([^"]+)"/.exec(answer.headers.get("Content-Disposition"))[1];
    const link = make("a", { download: name });
    link.href = URL.createObjectURL(await answer.blob());
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    study.exported = text;
    study.noted = study.name !== named || study.reference !== reference;
    bench.follow(study);
    if (study !== list.current) return;
    const note = answer.headers.get("Orapo-Note");
    $("exported").textContent = `Saved as ${name}.${note ? ` ${note}.` : ""}`;
  } catch (error) {
    fault("export-faults", error);
  }
}

// --- what is kept in this browser ------------------------------------------------------------

$("forget").addEventListener("click", async () => {
  const typed = list.studies.filter((study) => study.text && study.text !== study.exported).length;
  const here = list.studies.filter((study) => !study.isBlank).length;
  const lost = typed ? ` ${typed === 1 ? "1 text was" : `${typed} texts were`} not exported and will be lost.` : "";
  const stays = bench.about?.store ? "What the server keeps stays there, and is listed again after a reload."
    : "Files that you exported stay.";
  if (!(await agreed(`${here === 1 ? "1 study goes" : `${here} studies go`} off the list, and all texts, `
    + `references and names that this browser keeps of this page are deleted.${lost} ${stays} Go on?`,
    "Clear list and texts"))) return;
  for (const study of [...list.studies]) {
    leave(study);
    list.remove(study);
  }
  forgetAll();
  bench.show(list.current);
  $("film-status").textContent = "The list is empty, and this browser keeps no text of it.";
  $("files").focus();
});
// another tab of this browser: both show the same text
onKeptElsewhere((id, kept) => {
  const study = list.studies.find((each) => each.id === id);
  if (!kept) {
    if (study && study !== list.current && !study.films.length) {
      list.remove(study);
      showWorklist();
    }
    return;
  }
  if (!study) list.open(kept);
  else {
    study.step(true);
    const { text, reference, answer, bound, beside, name, named, noted } = kept;
    const known = [...new Set([...(kept.known ?? []), ...study.digests])];
    Object.assign(study, { text, reference, answer, bound, beside, name, named, noted, known });
  }
  if (study === list.current) bench.show(study);
  else showWorklist();
});

// --- start -------------------------------------------------------------------------------------

async function start() {
  const about = await ready();
  $("model").textContent = about.model ? `Model: ${about.model}` : "No model";
  for (const id of ["logged", "log-row"]) $(id).hidden = !about.logs_edits;
  $("nothing-stays").hidden = about.logs_edits || about.store;
  $("stored").hidden = !about.store;
  $("logged").hidden ||= about.store;
  $("judge-link").hidden = !about.judging;
  $("no-model").hidden = Boolean(about.model);
  for (const option of [...$("samples").options]) {
    if (+option.value > about.samples) option.remove();
  }
  $("formats").replaceChildren(...about.formats.map((format) => {
    const button = make("button", { type: "button" }, FORMATS[format] ?? format);
    button.addEventListener("click", () => exportAs(format));
    return button;
  }));
  showLabels($("labels"), null, about.labels, null, 1);
  if (about.store) await openShared();
}

bench.arrived = start();
bench.arrived.then(async () => {
  await bench.show(list.current);
  look();
}).catch((error) => fault("report-faults", error));
