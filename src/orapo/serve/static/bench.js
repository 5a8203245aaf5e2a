// What the parts of the workbench share: the server's word, the worklist, and where faults are said.

import { Fault } from "./api.js";
import { say } from "./dialogs.js";
import { keptStudies } from "./kept.js";
import { Worklist } from "./studies.js";

export const $ = (id) => document.getElementById(id);

export const bench = {
  about: null,
  list: new Worklist(keptStudies()),
  arrived: null, // a promise: the server has said what it is, and what its store holds is in the list
  writing: null, // { study, stopper }
  show: null, // shows a study; set by workbench.js
  follow: null, // something of a study changed
};

export function fault(id, error) {
  if (error?.name === "AbortError") return;
  if (error && !(error instanceof Fault)) console.error(error.name);
  say($(id), !error ? "" : error instanceof Fault ? error.message : "This failed here.");
}
