// The workbench: films in, draft out, and what is read from it while it is edited.

import { Fault, events, post, request } from "./api.js";
import { EditLog } from "./edits.js";
import { viewerOf } from "./film.js";
import { make, showLabels, showScore, showSentences } from "./reading.js";
import "./theme.js";

const $ = (id) => document.getElementById(id);
const READ_AFTER = 250; // milliseconds without a key

const state = { about: null, films: [], answer: null, facts: null, score: null, writing: null };
const viewer = viewerOf($);
const log = new EditLog(() => $("log-study").value.trim(), (error) => say("log-faults", error));

function say(id, error) {
  if (error?.name === "AbortError") return;
  if (error && !(error instanceof Fault)) console.error(error.name);
  $(id).textContent = !error ? "" : error instanceof Fault ? error.message : "This failed here.";
}

// --- films ---------------------------------------------------------------------------------

async function addFilms(files) {
  say("film-faults");
  await started; // films may be chosen before the server has said what it takes
  const faults = [];
  const before = state.films.length;
  for (const file of files) {
    if (state.films.length >= state.about.films) {
      faults.push(`No more than ${state.about.films} films.`);
      break;
    }
    const form = new FormData();
    form.append("image", file);
    try {
      const png = await (await post("/v1/films", form)).blob();
      state.films.push({ file, png });
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      faults.push(`${file.name}: ${error.message.replace(/^image 1: /i, "")}`);
    }
  }
  $("film-faults").textContent = faults.join("\n");
  await showFilm(Math.min(before, state.films.length - 1));
}

async function showFilm(index) {
  const films = state.films;
  $("viewer").hidden = !films.length;
  $("write").disabled = !films.length || !state.about.model || Boolean(state.writing);
  $("views").replaceChildren(...(films.length < 2 ? [] : films.map((_, place) => {
    const button = make("button", { type: "button", "aria-pressed": String(place === index) },
      `View ${place + 1}`);
    button.addEventListener("click", async () => {
      await showFilm(place);
      $("views").children[place].focus();
    });
    return button;
  })));
  if (!films.length) {
    viewer.clear();
    return;
  }
  $("canvas").setAttribute("aria-label", `Film, view ${index + 1} of ${films.length}`);
  await viewer.show(films[index].png);
}

function takeFiles(files) {
  const list = [...files];
  if (list.length) addFilms(list).catch((error) => say("film-faults", error));
}

$("files").addEventListener("change", () => {
  takeFiles($("files").files);
  $("files").value = "";
});
for (const name of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(name, (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    $("film-part").classList.toggle("over", name === "dragover");
    if (name === "drop") takeFiles(event.dataTransfer.files);
  });
}
$("remove").addEventListener("click", () => {
  state.films = [];
  log.send($("report").value);
  say("film-faults");
  showFilm(-1);
  $("files").focus();
});

// --- the draft -----------------------------------------------------------------------------

const isEdited = () => state.answer !== null && $("report").value !== state.answer.report;

async function write() {
  if (isEdited() && !confirm("The edited report will be replaced. Go on?")) return;
  const report = $("report");
  const before = { text: report.value, answer: state.answer };
  log.end(before.text);
  const stopper = new AbortController();
  state.writing = stopper;
  state.answer = null;
  report.readOnly = true;
  report.value = "";
  $("write").disabled = true;
  $("stop").hidden = false;
  say("report-faults");
  $("status").textContent = "Sending the films.";
  $("report").setAttribute("aria-busy", "true");
  changed();
  const form = new FormData();
  for (const { file } of state.films) form.append("images", file);
  form.append("samples", $("samples").value);
  let written = null;
  try {
    const answer = await post("/v1/reports/stream", form, { signal: stopper.signal });
    for await (const { event, data } of events(answer)) follow(event, data);
    if (!state.answer) throw new Fault("The answer broke off.");
    written = state.answer;
  } catch (error) {
    Object.assign(state, { answer: before.answer });
    report.value = before.text;
    $("status").textContent = error.name === "AbortError" ? "Stopped." : "";
    say("report-faults", error);
  } finally {
    state.writing = null;
    report.readOnly = false;
    report.removeAttribute("aria-busy");
    $("stop").hidden = true;
    $("write").disabled = !state.films.length;
    // said only now that it can be edited
    if (written) {
      $("status").textContent = finished(written);
      if (state.about.logs_edits) log.begin(written.report);
    }
    changed();
  }
}

function follow(event, data) {
  const samples = +$("samples").value;
  const first = samples > 1 ? `Writing; shown is the first of ${samples} samples.` : "Writing.";
  if (event === "waiting") $("status").textContent = data ? `${data} before this one.` : "Waiting.";
  else if (event === "started") $("status").textContent = first;
  else if (event === "fault") throw new Fault(data.detail);
  else if (event === "text") {
    $("report").value = data;
    changed();
  } else if (event === "report") {
    state.answer = data;
    state.facts = data.facts;
    $("report").value = data.report;
    $("name").value = data.study_id;
    showSamples(data);
  }
}

function finished(answer) {
  const said = [];
  if (answer.samples.length > 1) {
    said.push(`Sample ${answer.chosen + 1} of ${answer.samples.length}, which agrees best with the others.`);
  } else said.push("Draft written.");
  if (answer.films_shown.length < state.films.length) {
    const shown = answer.films_shown.map((place) => place + 1).join(", ");
    said.push(`The model was shown view ${shown} alone.`);
  }
  if (answer.cut) said.push("It was cut off at the limit.");
  if (answer.invented_comparisons.length) {
    said.push(`It compares with a film that the model never saw (“${answer.invented_comparisons.join("”, “")}”).`);
  }
  return said.join(" ");
}

function showSamples(answer) {
  $("all-samples").hidden = answer.samples.length < 2;
  $("sample-list").replaceChildren(...answer.samples.map((sample, place) =>
    make("li", {}, place === answer.chosen ? make("strong", {}, "chosen: ") : "", sample.report)));
}

$("write").addEventListener("click", write);
$("stop").addEventListener("click", () => {
  state.writing?.abort();
  $("write").focus();
});
$("restore").addEventListener("click", () => {
  $("report").value = state.answer.report;
  log.edit();
  changed();
  $("report").focus();
});

// --- reading it ------------------------------------------------------------------------------

let reading = null;
let timer = 0;
let unread = false; // whether the fault that is shown is that a text could not be read

function changed() {
  const text = $("report").value;
  $("restore").hidden = !isEdited();
  $("origin").textContent = !state.answer ? "" : isEdited() ? "Edited by hand." : "As the model wrote it.";
  clearTimeout(timer);
  if (!state.writing || !reading) timer = setTimeout(() => read(text), state.writing ? 0 : READ_AFTER);
}

async function read(text) {
  reading?.abort();
  const mine = new AbortController();
  reading = mine;
  const reference = $("reference").value.trim();
  try {
    const [facts, score] = await Promise.all([
      post("/v1/facts", { text }, mine).then((answer) => answer.json()),
      reference
        ? post("/v1/score", { report: text, reference }, mine).then((answer) => answer.json())
        : null,
    ]);
    Object.assign(state, { facts, score });
    // a fault of the writing stays, until that is tried again
    if (unread) say("report-faults");
    unread = false;
    show(text);
  } catch (error) {
    unread ||= error.name !== "AbortError";
    say("report-faults", error);
  } finally {
    if (reading === mine) reading = null;
  }
  // the text went on while this was read
  if (!mine.signal.aborted && $("report").value !== text) changed();
}

function show(text) {
  const { facts, score, answer, about } = state;
  showSentences($("sentences"), text, facts, about.labels, score?.score);
  $("no-sentences").hidden = facts.sentences.length > 0;
  showLabels($("labels"), facts, about.labels, answer?.votes, answer?.samples.length ?? 1);
  showScore($("score"), score);
}

$("report").addEventListener("input", () => {
  log.edit();
  changed();
});
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "hidden") log.send($("report").value);
});
$("reference").addEventListener("input", changed);

// --- export ----------------------------------------------------------------------------------

const FORMATS = { text: "Text", json: "JSON", csv: "CSV", "dicom-sr": "DICOM SR", fhir: "FHIR" };

async function exportAs(format) {
  $("exported").textContent = "";
  log.send($("report").value);
  const body = {
    report: $("report").value,
    format,
    study_id: $("name").value || "report",
    source: !state.answer ? "own" : isEdited() ? "edited" : "model",
  };
  try {
    const answer = await post("/v1/export", body);
    const name = /filename="([^"]+)"/.exec(answer.headers.get("Content-Disposition"))[1];
    const link = make("a", { download: name });
    link.href = URL.createObjectURL(await answer.blob());
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    const note = answer.headers.get("Orapo-Note");
    $("exported").textContent = `Saved as ${name}.${note ? ` ${note}.` : ""}`;
  } catch (error) {
    say("exported", error);
  }
}

// --- start -------------------------------------------------------------------------------------

async function start() {
  const about = await (await request("/v1/about")).json();
  state.about = about;
  $("model").textContent = about.model ? `Model: ${about.model}` : "No model";
  for (const id of ["logged", "log-row"]) $(id).hidden = !about.logs_edits;
  $("nothing-stays").hidden = about.logs_edits;
  $("judge-link").hidden = !about.judging;
  if (!about.model) {
    $("status").textContent = "This server has no model: type or paste a report to have it read.";
  }
  for (const option of [...$("samples").options]) {
    if (+option.value > about.samples) option.remove();
  }
  $("formats").replaceChildren(...about.formats.map((format) => {
    const button = make("button", { type: "button" }, FORMATS[format] ?? format);
    button.addEventListener("click", () => exportAs(format));
    return button;
  }));

  showLabels($("labels"), null, about.labels, null, 1);
  changed(); // a reloaded page may keep its text
}

const started = start();
started.catch((error) => say("report-faults", error));
