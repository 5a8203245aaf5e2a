// A draft is written for the films of one study, and stays that study's wherever the reader is by then.

import { Fault, events, post } from "./api.js";
import { $, bench, fault } from "./bench.js";
import { agreed } from "./dialogs.js";
import { isStillThere } from "./films.js";

export async function write(study) {
  if (bench.writing) return null;
  if (study.text && (study.isEdited || !study.answer)
      && !(await agreed("The text of this study will be replaced; Undo brings it back. Go on?"))) {
    return null;
  }
  const stopper = new AbortController();
  const films = [...study.films];
  const { about, prior } = study;
  const samples = +$("samples").value;
  bench.writing = { study, stopper };
  study.growing = "";
  study.said = "Sending the films.";
  fault("report-faults");
  bench.follow(study);
  const form = new FormData();
  for (const { file } of films) form.append("images", file);
  form.append("samples", samples);
  // only what the model was trained with
  const takes = (what) => prior && bench.about.earlier.includes(what);
  if (takes("film") && prior.films.length) form.append("previous_image", prior.films[0].file);
  if (takes("report") && prior.text && !prior.isStale) form.append("previous_report", prior.text);
  let answer = null;
  let failed = null;
  try {
    for (const film of [...films, ...(form.has("previous_image") ? prior.films.slice(0, 1) : [])]) {
      await isStillThere(film);
    }
    const stream = await post("/v1/reports/stream", form, { signal: stopper.signal });
    for await (const { event, data } of events(stream)) {
      if (event === "report") answer = data;
      else hear(study, samples, event, data);
    }
    if (!answer) throw new Fault("The answer broke off.");
  } catch (error) {
    answer = null;
    failed = error;
  }
  bench.writing = null;
  study.growing = null;
  if (answer) {
    study.draft(answer, about);
    study.said = finished(answer, films.length);
  } else {
    study.said = failed.name === "AbortError" ? "Stopped." : "";
  }
  bench.follow(study);
  if (failed && failed.name !== "AbortError") {
    const elsewhere = study !== bench.list.current && failed instanceof Fault;
    fault("report-faults", elsewhere ? new Fault(`${study.name}: ${failed.message}`) : failed);
  }
  return answer;
}

function hear(study, samples, event, data) {
  const first = samples > 1 ? `Writing; shown is the first of ${samples} samples.` : "Writing.";
  if (event === "waiting") study.said = data ? `${data} before this one.` : "Waiting.";
  else if (event === "started") study.said = first;
  else if (event === "fault") throw new Fault(data.detail);
  else if (event === "text") study.growing = data;
  bench.follow(study);
}

function finished(answer, films) {
  const said = [];
  if (answer.samples.length > 1) {
    said.push(`Sample ${answer.chosen + 1} of ${answer.samples.length}, which agrees best with the others.`);
  } else said.push("Draft written.");
  if (answer.films_shown.length < films) {
    const shown = answer.films_shown.map((place) => place + 1).join(", ");
    said.push(`The model was shown view ${shown} alone.`);
  }
  if (answer.earlier) said.push(`It was given the earlier ${answer.earlier}.`);
  if (answer.cut) said.push("It was cut off at the limit.");
  if (answer.invented_comparisons.length) {
    said.push(`It compares with a film that the model never saw (“${answer.invented_comparisons.join("”, “")}”).`);
  }
  return said.join(" ");
}
