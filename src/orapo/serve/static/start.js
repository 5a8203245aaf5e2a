// What the server is and can do, asked for once.

import { request } from "./api.js";
import { bench } from "./bench.js";

let asked = null;

export function ready() {
  asked ??= request("/v1/about").then((answer) => answer.json()).then((about) => {
    bench.about = about;
    return about;
  });
  return asked;
}
