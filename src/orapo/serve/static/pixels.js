// A film's values at the depth of its file, and their grey through a window.

const SPAN = 2; // window widths to each side of the centre that the curve reaches
const SMALLEST = 256; // of a side; further halves would hardly be quicker to draw

export class Pixels {
  // `facts` and `body` as the server gives them: values, two bytes each, then the curve.
  constructor({ columns, rows, top, windows, smaller }, body) {
    Object.assign(this, { columns, rows, top, windows, smaller });
    this.curve = new Uint8Array(body, 2 * columns * rows);
    let level = { columns, rows, values: new Uint16Array(body, 0, columns * rows) };
    this.#count(level.values);
    this.levels = [level]; // each half as wide as the one before
    while (Math.max(level.columns, level.rows) > SMALLEST) this.levels.push(level = halved(level));
  }

  #count(values) {
    const counts = new Uint32Array(this.top + 1);
    for (let place = 0; place < values.length; place++) counts[values[place]] += 1;
    this.lowest = counts.findIndex((count) => count > 0);
    this.highest = counts.findLastIndex((count) => count > 0);
    this.counts = counts;
  }

  get span() {
    return Math.max(1, this.highest - this.lowest);
  }

  // The value below which a share of the film lies; its lowest is what the beam never reached
  // (collimator, padding), and does not count.
  below(share) {
    const { counts, lowest, highest } = this;
    let all = 0;
    for (let value = lowest + 1; value <= highest; value++) all += counts[value];
    let seen = 0;
    for (let value = lowest + 1; value <= highest; value++) {
      seen += counts[value];
      if (seen >= share * all) return value;
    }
    return highest;
  }

  get presets() {
    if (this.known) return this.known;
    const [model, ...more] = this.windows;
    this.known = [
      ["As the model gets it", model],
      ...more.map((window, place) => [`The file’s window ${place + 2}`, window]),
      ["All values", between(this.lowest, this.highest)],
      ["Dark parts (lungs)", between(this.below(0.01), this.below(0.6))],
      ["Bright parts (mediastinum, bone)", between(this.below(0.4), this.below(0.998))],
    ].map(([name, [level, window]]) => ({ name, level, window: Math.max(2, window) }));
    return this.known;
  }

  // The colour of each value.
  table(level, window, inverted) {
    const { curve, top } = this;
    const table = new Uint32Array(top + 1);
    const last = curve.length - 1;
    const steps = last / (2 * SPAN);
    for (let value = 0; value <= top; value++) {
      const step = Math.round(((value - level + 0.5) / (window - 1) + SPAN) * steps);
      const grey = curve[step < 0 ? 0 : step > last ? last : step];
      const shown = inverted ? 255 - grey : grey;
      table[value] = 0xff000000 | (shown << 16) | (shown << 8) | shown;
    }
    return table;
  }

  // Which halving is drawn at a scale: the smallest that still has a pixel for each of the screen.
  levelAt(scale) {
    const wanted = Math.floor(Math.log2(1 / scale) + 1e-9);
    return Math.min(this.levels.length - 1, Math.max(0, wanted));
  }

  // Paints a part of a halving, row by row.
  paint(into, number, table, left, upper, width, height) {
    const { columns, values } = this.levels[number];
    let to = 0;
    for (let row = upper; row < upper + height; row++) {
      const end = row * columns + left + width;
      for (let from = row * columns + left; from < end; from++) into[to++] = table[values[from]];
    }
  }
}

// Centre and width of the window that is black at one value and white at the other, as DICOM counts.
function between(low, high) {
  return [(low + high + 1) / 2, high - low + 1];
}

function halved({ columns, rows, values }) {
  const [width, height] = [(columns + 1) >> 1, (rows + 1) >> 1];
  const half = new Uint16Array(width * height);
  for (let row = 0, to = 0; row < height; row++) {
    const upper = 2 * row * columns;
    const lower = 2 * row + 1 < rows ? upper + columns : upper;
    for (let column = 0; column < width; column++, to++) {
      const left = 2 * column;
      const right = left + 1 < columns ? left + 1 : left;
      half[to] = (values[upper + left] + values[upper + right] + values[lower + left]
        + values[lower + right] + 2) >> 2;
    }
  }
  return { columns: width, rows: height, values: half };
}
