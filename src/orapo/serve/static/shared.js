// Where the server keeps a store: one worklist for several readers, each with texts of their own.

import { post } from "./api.js";
import { $, bench, fault } from "./bench.js";
import { make } from "./reading.js";

const READER = "orapo-reader"; // until the tab is closed
const SAVE_AFTER = 1000; // milliseconds without a change
const LOOK_EVERY = 20_000;

let reader = "";
const waiting = new Map(); // study to its timer, and what is sent then
const saved = new WeakMap(); // study to what was sent last
let sending = Promise.resolve();

// One entry of the list has a name alone: under one name, one text would hide the other.
function nameOf(study) {
  return study.nameInStore((name) => bench.list.studies.some((each) => each !== study && each.of === name));
}

export async function openShared() {
  reader = sessionStorage.getItem(READER) || await askName();
  sessionStorage.setItem(READER, reader);
  $("reader-shown").textContent = `Reader: ${reader}`;
  const { list } = bench;
  const shared = await (await post("/v1/worklist", { rater: reader })).json();
  for (const { study, mine, theirs } of shared) {
    const kept = JSON.parse(mine ?? theirs);
    if (list.studies.some((each) => nameOf(each) === study)) continue;
    // an entry that went on to other films has left a study behind, with the same id
    if (list.studies.some((each) => each.id === kept.id)) delete kept.id;
    const opened = list.open(mine ? kept : begun(kept));
    opened.of = study;
  }
  list.link(shared.filter(({ mine }) => mine).map(({ mine }) => JSON.parse(mine)));
  const blank = list.studies.find((study) => study.isBlank && !study.named);
  if (blank && list.studies.length > 1) list.remove(blank);
  setInterval(() => {
    if (document.visibilityState === "visible") look();
  }, LOOK_EVERY);
}

// Another reader's study begins for this one with the model's draft, not with what they made of it.
function begun({ name, key, patient, known, reference, answer }) {
  const films = answer?.films ?? null;
  return { name, named: true, key, patient, known, reference, answer, text: answer?.report ?? "",
    bound: answer?.report ? films : null };
}

function askName() {
  const dialog = $("reader-dialog");
  dialog.addEventListener("cancel", (event) => event.preventDefault());
  dialog.showModal();
  return new Promise((done) => {
    dialog.addEventListener("close", () => done($("reader").value.trim() || "reader"), { once: true });
  });
}

export function share(study) {
  if (!reader || study.growing !== null) return;
  if (study.isBlank && !study.answer && !saved.has(study)) return;
  const body = {
    rater: reader,
    study: nameOf(study),
    name: study.name.slice(0, 200),
    state: study.state,
    report: study.text,
    draft: study.answer?.report ?? null,
    films: study.savedFilms,
    page: JSON.stringify({ ...study.toJSON(), log: null }),
  };
  const text = JSON.stringify(body);
  clearTimeout(waiting.get(study)?.timer);
  waiting.delete(study);
  if (saved.get(study) === text) return;
  const now = () => send(study, body, text);
  waiting.set(study, { timer: setTimeout(now, SAVE_AFTER), now });
}

// Who leaves the page does not wait: what was exported is in no browser any more.
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState !== "hidden") return;
  for (const { timer, now } of [...waiting.values()]) {
    clearTimeout(timer);
    sending = Promise.resolve(); // no answer may come to a page that is closed
    now();
  }
});

function send(study, body, text) {
  waiting.delete(study);
  saved.set(study, text);
  const options = { keepalive: text.length < 20_000 };
  sending = sending.then(async () => {
    try {
      const others = await (await post("/v1/worklist/texts", body, options)).json();
      fault("store-faults");
      if (study === bench.list.current) tell(others);
    } catch (error) {
      saved.delete(study);
      fault("store-faults", error); // what was typed is in this browser still
    }
  });
}

export async function look() {
  $("others").replaceChildren();
  if (!reader) return;
  const study = bench.list.current;
  try {
    const others = await (await post("/v1/worklist/others", { rater: reader, study: nameOf(study) })).json();
    if (study === bench.list.current) tell(others);
  } catch (error) {
    fault("store-faults", error);
  }
}

function tell(others) {
  $("others").replaceChildren(...others.map(({ reader: name, here, at, state, report }) => {
    const said = [here ? `${name} is at this study now` : name];
    if (at) said.push(`kept a text of it (${state}, ${at.slice(0, 16).replace("T", " ")} UTC)`);
    const line = make("p", {}, `${said.join(here ? "; " : " ")}. Nothing of either is overwritten.`);
    if (!report) return line;
    return make("div", {}, line, make("details", {}, make("summary", {}, `What ${name} wrote`),
      make("p", { class: "shown-report" }, report)));
  }));
}
