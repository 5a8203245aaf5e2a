// The list of studies and their state; Alt and an arrow go from one to the next.

import { $, bench } from "./bench.js";
import { make } from "./reading.js";

let told = ""; // which study was gone to, and its state then

export function showWorklist() {
  const { list } = bench;
  const focused = document.activeElement?.closest?.("#studies button");
  const place = focused ? [...$("studies").querySelectorAll("button")].indexOf(focused) : -1;
  $("studies").replaceChildren(...list.studies.map((study) => {
    const films = study.films.length;
    const shown = films === 1 ? "1 film" : films ? `${films} films` : "no film";
    const { state, date } = study;
    const button = make("button", { type: "button", "aria-current": String(study === list.current) },
      make("span", { class: "name" }, study.name), make("span", { class: "quiet" }, [shown, date].filter(Boolean).join(" · ")),
      make("span", { class: `state ${state.replaceAll(" ", "-")}` }, state));
    button.addEventListener("click", () => bench.show(study));
    return make("li", {}, button);
  }));
  if (place >= 0) $("studies").querySelectorAll("button")[place]?.focus({ preventScroll: true });
  $("studies").querySelector("[aria-current=true]").scrollIntoView?.({ block: "nearest" });
  // it holds no more when the state changes
  if ($("film-status").textContent === told && told !== toldOf(list.current)) $("film-status").textContent = "";
  $("previous").disabled = !list.neighbour(-1);
  $("next").disabled = !list.neighbour(1);
}

const toldOf = (study) => `${study.name}: ${study.state}.`;

function go(step) {
  const study = bench.list.neighbour(step);
  if (!study) return;
  bench.show(study);
  // said to who can't see it
  told = toldOf(study);
  $("film-status").textContent = told;
}

$("previous").addEventListener("click", () => go(-1));
$("next").addEventListener("click", () => go(1));
document.addEventListener("keydown", (event) => {
  const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
  if (!step || !event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
  if (event.target.closest("select, dialog") || document.querySelector("dialog[open]")) return;
  event.preventDefault();
  go(step);
});
