// Films from the server: read when they come in, kept for a while, and read again when they are wanted.

import { Fault, post } from "./api.js";
import { Pixels } from "./pixels.js";

const MOST_BYTES = 256e6; // of values that are kept
const kept = new Map(); // film to values, those shown last at the end

const told = (answer) => JSON.parse(answer.headers.get("Orapo-Film"));

export async function readFilm(file) {
  const answer = await ask(file);
  const film = { ...told(answer), file, name: file.name };
  keep(film, await answer.blob());
  return film;
}

export async function pixelsOf(film) {
  let values = kept.get(film);
  if (!values) {
    await isStillThere(film);
    const answer = await ask(film.file);
    if (told(answer).digest !== film.digest) throw changed(film);
    values = await answer.blob();
  }
  keep(film, values);
  return new Pixels(film, await values.arrayBuffer());
}

export const pixelsOfAnswer = async (answer) => new Pixels(told(answer), await answer.arrayBuffer());

// Browsers read a chosen file when it is sent, and say no more than that this failed.
export async function isStillThere(film) {
  try {
    await film.file.slice(0, 1).arrayBuffer();
  } catch {
    throw changed(film);
  }
}

export function forgetFilms(films) {
  for (const film of films) kept.delete(film);
}

const changed = ({ name }) => new Fault(`${name} has changed or gone since it was chosen: choose it again.`);

function ask(file) {
  const form = new FormData();
  form.append("image", file);
  return post("/v1/films/values", form);
}

function keep(film, values) {
  kept.delete(film);
  kept.set(film, values);
  let bytes = 0;
  for (const one of kept.values()) bytes += one.size;
  for (const [other, { size }] of kept) {
    if (bytes <= MOST_BYTES || other === film) return;
    kept.delete(other);
    bytes -= size;
  }
}
