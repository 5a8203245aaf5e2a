// The films of the study that is shown: one, or two beside each other; and the study before.

import { Fault } from "./api.js";
import { $, bench, fault } from "./bench.js";
import { FilmViewer } from "./film.js";
import { pixelsOf } from "./films.js";
import { make } from "./reading.js";
import { FilmTools } from "./tools.js";

const first = new FilmViewer($("canvas"));
const second = new FilmViewer($("beside-canvas"));
const tools = new FilmTools($("tools"), $("screen"), [first, second]);
const chosen = new WeakMap(); // study to the film beside by the reader's word; null: none
let place = 0; // of the film that is shown, among its study's

export const shownPlace = () => place;

const labelOf = (film, before = "") =>
  [before, film.position, film.date, film.name].filter(Boolean).join(" · ");

function load(viewer, film) {
  return viewer.show(film, pixelsOf).catch((error) => fault("film-faults", error));
}

export async function showFilm(index) {
  const study = bench.list.current;
  const { films } = study;
  place = Math.max(0, Math.min(index, films.length - 1));
  $("film-part").hidden = !films.length;
  $("views").replaceChildren(...(films.length < 2 ? [] : films.map((film, at) => {
    const name = film.position ? `View ${at + 1}: ${film.position}` : `View ${at + 1}`;
    const button = make("button", { type: "button", "aria-pressed": String(at === place), title: film.name }, name);
    button.addEventListener("click", async () => {
      await showFilm(at);
      $("views").children[at]?.focus();
    });
    return button;
  })));
  $("remove-view").hidden = films.length < 2;
  showBeside(study);
  if (!films.length) {
    if (document.fullscreenElement) document.exitFullscreen();
    first.clear();
    return;
  }
  const film = films[place];
  $("canvas").setAttribute("aria-label", `Film, view ${place + 1} of ${films.length}`);
  $("film-label").textContent = labelOf(film);
  await load(first, film);
}

// What may stand beside: the other views, and the films of the study before.
function choices(study) {
  const views = study.films.map((film, at) => ({ film, name: `View ${at + 1}`, before: "" }));
  const earlier = (study.prior?.films ?? []).map((film) =>
    ({ film, name: "Earlier study", before: "Earlier" }));
  return [...views.filter((_, at) => at !== place), ...earlier];
}

function besideOf(study, offered) {
  const wanted = chosen.get(study);
  if (wanted === null) return null;
  const found = offered.find(({ film }) => film === wanted);
  if (found) return found;
  // the study before, once it is named; the same view of it if there is one
  const earlier = offered.filter(({ before }) => before);
  const { position } = study.films[place] ?? {};
  return earlier.find(({ film }) => position && film.position === position) ?? earlier[0] ?? null;
}

function showBeside(study) {
  const offered = choices(study);
  const names = [["", "Nothing"], ...offered.map(({ film, name }, at) =>
    [String(at), [name, film.position, film.date].filter(Boolean).join(" · ")])];
  fill($("beside"), names);
  $("beside-row").hidden = !offered.length || !study.films.length;
  const shown = study.films.length ? besideOf(study, offered) : null;
  $("beside").value = shown ? String(offered.indexOf(shown)) : "";
  $("beside-film").hidden = !shown;
  $("screen").classList.toggle("two-up", Boolean(shown));
  if (!shown) {
    if (second.film) second.clear();
    tools.act(first);
    return;
  }
  const label = labelOf(shown.film, shown.before);
  $("beside-label").textContent = label;
  $("beside-canvas").setAttribute("aria-label", `Film beside: ${label}`);
  load(second, shown.film);
}

function fill(select, wanted) {
  if (JSON.stringify(wanted) === select.dataset.shown) return;
  select.dataset.shown = JSON.stringify(wanted);
  select.replaceChildren(...wanted.map(([value, name]) => make("option", { value }, name)));
}

$("beside").addEventListener("change", () => {
  const study = bench.list.current;
  const value = $("beside").value;
  chosen.set(study, value === "" ? null : choices(study)[+value].film);
  showBeside(study);
});

// The study before: its text, and its film beside.
export function showPrior(study) {
  const others = bench.list.studies.filter((other) => other !== study && !other.isBlank);
  fill($("prior"), [["", "none"], ...others.map((other) =>
    [other.id, [other.name, other.date].filter(Boolean).join(" · ")])]);
  const { prior } = study;
  $("prior").value = prior?.id ?? "";
  $("prior-row").hidden = !others.length;
  $("prior-part").hidden = !prior;
  $("prior-text").textContent = !prior ? ""
    : prior.isStale ? "Its text is stale, and not shown." : prior.text;
  const takes = bench.about?.earlier ?? [];
  $("prior-told").textContent = !prior || !bench.about?.model ? "" : takes.length
    ? `The model is given its ${takes.join(" and ")}.` : "The model was not trained with it and is not given it.";
  showBeside(study);
}

$("prior").addEventListener("change", () => {
  const { list } = bench;
  const prior = list.studies.find((study) => study.id === $("prior").value) ?? null;
  const why = list.setPrior(list.current, prior);
  if (!why) chosen.delete(list.current);
  bench.follow(list.current);
  fault("film-faults", why ? new Fault(why) : null);
});
