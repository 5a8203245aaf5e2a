// Questions to the reader: a dialog of the page, which keyboard and screen reader know.

import { make } from "./reading.js";

let asking = Promise.resolve();

// Resolves to the value of the button that was pressed; Escape means `otherwise`.
export function ask(question, choices, otherwise) {
  const mine = asking.then(() => shown(question, choices, otherwise));
  asking = mine;
  return mine;
}

function shown(question, choices, otherwise) {
  const dialog = document.getElementById("ask-dialog");
  document.getElementById("ask-text").textContent = question;
  document.getElementById("ask-buttons").replaceChildren(...choices.map(([value, name], place) =>
    make("button", { value, ...(place ? {} : { class: "primary" }) }, name)));
  dialog.returnValue = otherwise;
  const before = document.activeElement;
  dialog.showModal();
  return new Promise((done) => {
    dialog.addEventListener("close", () => {
      before?.focus?.();
      done(dialog.returnValue || otherwise);
    }, { once: true });
  });
}

export const agreed = async (question, yes = "Go on") =>
  (await ask(question, [["yes", yes], ["no", "Cancel"]], "no")) === "yes";

// A fault stays until it is dismissed or what it is about is tried again.
export function say(box, message) {
  if (!message) {
    box.replaceChildren();
    return;
  }
  const close = make("button", { type: "button", class: "dismiss" }, "Dismiss");
  close.addEventListener("click", () => box.replaceChildren());
  box.replaceChildren(make("span", {}, message), close);
}
