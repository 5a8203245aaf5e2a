// Judging blinded pairs: one pair after another, with the keyboard alone if wanted.

import { Fault, post } from "./api.js";
import { VisibleClock } from "./clock.js";
import { FilmViewer } from "./film.js";
import { pixelsOfAnswer } from "./films.js";
import { make } from "./reading.js";
import { FilmTools } from "./tools.js";
import "./theme.js";

const $ = (id) => document.getElementById(id);
const RATER = "orapo-rater"; // until the tab is closed
const LETTERS = "orapo-letters";

const state = { rater: "", progress: null, shown: null, again: false, saving: false };
const viewer = new FilmViewer($("canvas"));
new FilmTools($("tools"), $("screen"), [viewer]);
const clock = new VisibleClock();

function say(id, error) {
  if (error && !(error instanceof Fault)) console.error(error.name);
  $(id).textContent = !error ? "" : error instanceof Fault ? error.message : "This failed here.";
}

const ask = async (path, body) => (await post(path, body)).json();

// --- showing --------------------------------------------------------------------------------

function show(shown, judged = null) {
  const { progress } = state;
  state.shown = shown;
  state.again = judged !== null;
  $("entry").hidden = true;
  for (const id of ["pair", "judgement"]) $(id).hidden = shown === null;
  $("done").hidden = shown !== null;
  $("progress").max = progress.pairs;
  $("progress").value = progress.judged;
  $("back").hidden = !progress.last;
  $("back").firstChild.textContent = state.again ? "Leave it as it was " : "Back to the last one ";
  say("judgement-faults");
  if (shown === null) {
    clearFilm();
    $("done-title").textContent = progress.pairs === 1
      ? "The pair is judged." : `All ${progress.pairs} pairs are judged.`;
    $("done-title").focus();
    return;
  }
  $("pair-title").textContent = `Pair ${shown.place} of ${progress.pairs}${state.again ? ", once more" : ""}`;
  $("left").textContent = shown.left;
  $("right").textContent = shown.right;
  for (const radio of radios()) radio.checked = radio.value === judged?.choice;
  $("reason").value = judged?.reason ?? "";
  window.scrollTo(0, 0);
  $("pair-title").focus({ preventScroll: true });
  clock.restart();
  showFilms(shown);
}

const radios = () => [...$("judgement").elements.choice];

function clearFilm() {
  viewer.clear();
  $("views").replaceChildren();
}

function showFilms(shown) {
  clearFilm();
  $("films").hidden = !shown.films;
  $("no-film").hidden = shown.films > 0;
  say("film-faults");
  if (!shown.films) return;
  if (shown.films > 1) {
    $("views").replaceChildren(...Array.from({ length: shown.films }, (_, place) => {
      const button = make("button", { type: "button" }, `View ${place + 1}`);
      button.addEventListener("click", () => showFilm(shown, place));
      return button;
    }));
  }
  showFilm(shown, 0);
}

async function showFilm(shown, film) {
  [...$("views").children].forEach((button, place) =>
    button.setAttribute("aria-pressed", String(place === film)));
  $("canvas").setAttribute("aria-label", `Film, view ${film + 1} of ${shown.films}`);
  try {
    // of each view its own, so that the viewer remembers how it was looked at
    const view = (shown.views ??= {})[film] ??= { pair: shown.pair, film };
    await viewer.show(view, async () => pixelsOfAnswer(await post("/v1/judging/film", view)));
  } catch (error) {
    if (state.shown === shown) say("film-faults", error);
  }
}

// --- judging --------------------------------------------------------------------------------

async function begin(rater) {
  state.progress = await ask("/v1/judging", { rater });
  state.rater = rater;
  sessionStorage.setItem(RATER, rater);
  $("rater-shown").textContent = `Rater: ${rater}`;
  show(state.progress.next);
}

async function keep() {
  if (state.saving || !state.shown) return;
  const choice = radios().find((radio) => radio.checked)?.value;
  if (!choice) {
    say("judgement-faults", new Fault("Choose left, tie or right first."));
    return;
  }
  state.saving = true;
  $("next").disabled = true;
  try {
    state.progress = await ask("/v1/judging/judgements", {
      pair: state.shown.pair,
      rater: state.rater,
      choice,
      reason: $("reason").value,
      seconds: clock.seconds,
    });
    $("status").textContent = `Kept. ${state.progress.judged} of ${state.progress.pairs} judged.`;
    show(state.progress.next);
  } catch (error) {
    say("judgement-faults", error);
  } finally {
    state.saving = false;
    $("next").disabled = false;
  }
}

function back() {
  const last = state.progress?.last;
  if (!last || state.saving) return;
  if (state.again) {
    $("status").textContent = "Your judgement stays as it was.";
    show(state.progress.next);
    return;
  }
  $("status").textContent = "A new judgement takes the place of your last one.";
  show(last.shown, last);
}

// --- keys and buttons --------------------------------------------------------------------------

const KEYS = {
  l: () => choose("left"),
  t: () => choose("tie"),
  r: () => choose("right"),
  b: back,
  e: () => $("reason").focus(),
  f: () => $("canvas").focus(),
  Enter: keep,
};

function choose(value) {
  const radio = radios().find((one) => one.value === value);
  radio.checked = true;
  radio.focus();
  say("judgement-faults");
}

document.addEventListener("keydown", (event) => {
  const { target, key } = event;
  if (event.defaultPrevented || event.altKey || event.repeat || !state.progress) return;
  if ($("token-dialog").open || !$("entry").hidden) return;
  if (target === $("reason")) {
    if (key === "Escape") $("pair-title").focus();
    else if (key === "Enter" && (event.ctrlKey || event.metaKey)) keep();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  if (!$("letters").checked) return; // then Tab, arrows, space and Enter do, as on any page
  // a button's Enter is its own
  if (key === "Enter" && target.closest("button, a")) return;
  const act = KEYS[key.length === 1 ? key.toLowerCase() : key];
  if (!act || (!state.shown && act !== back)) return;
  event.preventDefault();
  act();
});

$("judgement").addEventListener("submit", (event) => {
  event.preventDefault();
  keep();
});
$("back").addEventListener("click", back);
$("done-back").addEventListener("click", back);
$("letters").checked = localStorage.getItem(LETTERS) !== "off";
$("letters").addEventListener("change", () =>
  localStorage.setItem(LETTERS, $("letters").checked ? "on" : "off"));
$("rater-form").addEventListener("submit", (event) => {
  event.preventDefault();
  say("entry-faults");
  begin($("rater").value.trim()).catch((error) => say("entry-faults", error));
});

$("rater").value ||= sessionStorage.getItem(RATER) ?? "";
$("rater").focus();
