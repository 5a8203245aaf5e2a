// What was read from a report: sentences with their facts, labels with their evidence, the score.
// All texts go in as text nodes; nothing here makes HTML of them.

const SIGNS = { present: "+", absent: "−", uncertain: "?" };
const SAYS = { 1: "present", 0: "absent", "-1": "uncertain" };
const VERDICTS = {
  entailed: "✓ agrees",
  false_alarm: "✗ false alarm",
  contradiction: "✗ contradicts",
  agreed_absent: "✓ agrees",
};

export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "class") element.className = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

function sign(polarity) {
  return make("span", { class: `sign ${polarity}`, "aria-hidden": "true" }, SIGNS[polarity]);
}

function hueOf(label, labels) {
  return Math.round((labels.indexOf(label) * 360) / labels.length + 15) % 360;
}

// Findings that no label stands for stay grey.
function colour(element, fact, labels) {
  const label = Object.keys(fact.labels)[0];
  if (!label) return;
  element.classList.add("coloured");
  element.style.setProperty("--hue", hueOf(label, labels));
}

// A finding and what became of it: sign and word, the colour is not needed.
function markChip(mark) {
  const words = mark.words ? `, ${mark.words}` : "";
  return make("span", { class: `chip mark ${mark.verdict.replaceAll(" ", "-")}` },
    `${mark.sign} ${mark.verdict}: ${mark.finding}${words}`);
}

// Spans count code points, JavaScript's strings UTF-16 units.
// `compared`: the answer of /v1/score, where there is a reference.
// `invented`: words of the model's draft that compare with a film it never saw.
export function showSentences(list, text, facts, labels, compared, invented = []) {
  const characters = Array.from(text);
  const slice = (start, end) => characters.slice(start, end).join("");
  const verdicts = new Map(
    (compared?.score?.sentences ?? []).map((one) => [one.span[0], one.verdict]));
  const marks = (compared?.graded?.marks ?? []).filter((mark) => mark.verdict !== "missed");
  list.replaceChildren(...facts.sentences.map((sentence, index) => {
    const own = facts.facts.filter((fact) => fact.sentence === index);
    const line = make("p");
    let place = sentence.span[0];
    for (const fact of [...own].sort((one, other) => one.span[0] - other.span[0])) {
      if (fact.span[0] < place) continue;
      line.append(slice(place, fact.span[0]));
      line.append(make("mark", { class: fact.polarity }, slice(...fact.span)));
      place = fact.span[1];
    }
    line.append(slice(place, sentence.span[1]));
    const item = make("li", { id: `sentence-${index}`, tabindex: "-1" }, line);
    const chips = own.map((fact) => {
      const side = fact.location?.includes(fact.laterality) ? null : fact.laterality;
      const where = [fact.severity, side, fact.location].filter(Boolean);
      const chip = make("span", { class: "chip" }, sign(fact.polarity),
        ` ${fact.finding}: ${[fact.polarity, ...where].join(", ")}`);
      colour(chip, fact, labels);
      return chip;
    });
    const marked = marks.filter((mark) => mark.quotes.includes(sentence.text));
    chips.push(...marked.map(markChip));
    if (invented.some((words) => sentence.text.toLowerCase().includes(words.toLowerCase()))) {
      chips.push(make("span", { class: "chip mark contradicted" },
        "! compares with a film that the model never saw"));
    }
    // what the marks say is said once: a sentence that names the label may have its side wrong
    const verdict = marked.length ? null : VERDICTS[verdicts.get(sentence.span[0])];
    if (verdict) chips.push(make("span", { class: "chip verdict" }, verdict));
    if (chips.length) item.append(make("div", { class: "chips" }, ...chips));
    // the bar is that of what weighs most: what is there, then what may be
    const first = ["present", "uncertain", "absent"]
      .map((polarity) => own.find((fact) => fact.polarity === polarity)).find(Boolean);
    if (first) {
      item.className = `bar-${first.polarity}`;
      colour(item, first, labels);
    }
    return item;
  }));
}

// How many facts are right, and what the report lacks.
export function showMarks(counts, missed, graded) {
  counts.replaceChildren(...(graded?.counts ?? []).map(({ verdict, sign: shown, count }) =>
    make("li", { class: `chip mark ${verdict.replaceAll(" ", "-")}` }, `${shown} ${count} ${verdict}`)));
  const lacking = (graded?.marks ?? []).filter((mark) => mark.verdict === "missed");
  missed.replaceChildren(...lacking.map((mark) => make("p", {}, markChip(mark),
    make("span", { class: "quiet" }, ` “${mark.quote}”`))));
}

// What of a template was read, and as what: the field's name, and its answer.
export function showFields(box, list, fields) {
  box.hidden = !fields?.length;
  list.replaceChildren(...(fields ?? []).flatMap(({ field, answer }) =>
    [make("dt", {}, field), make("dd", {}, answer || "no answer")]));
}

export function showLabels(body, facts, labels, votes, samples) {
  const several = samples > 1;
  body.replaceChildren(...labels.map((name) => {
    const { value, evidence } = facts?.labels[name] ?? { value: null, evidence: [] };
    const says = SAYS[value];
    const head = make("th", { scope: "row" }, name);
    head.style.setProperty("--hue", hueOf(name, labels));
    const said = says
      ? make("td", { class: `says ${says}` }, sign(says), ` ${says}`)
      : make("td", { class: "blank" }, facts?.english === false ? "not read" : "not mentioned");
    const seen = evidence.map((place) => {
      const fact = facts.facts[place];
      const button = make("button", { type: "button", class: "link" }, `“${fact.text}”`);
      button.addEventListener("click", () => {
        document.getElementById(`sentence-${fact.sentence}`)?.focus();
      });
      return button;
    });
    const row = make("tr", {}, head, said);
    if (several) {
      const count = votes?.[name] ?? 0;
      const meter = make("meter", { min: 0, max: samples, value: count, "aria-hidden": "true" });
      row.append(make("td", {}, `${count} of ${samples}`, meter));
    }
    row.append(make("td", { class: "evidence" }, ...seen));
    return row;
  }));
  for (const column of document.querySelectorAll("th.votes")) column.hidden = !several;
}

export function showScore(box, answer) {
  if (!answer) {
    box.replaceChildren();
    return;
  }
  if (!answer.score) {
    box.replaceChildren(`No score: ${answer.reason}.`);
    return;
  }
  const score = answer.score;
  if (!score.readable) {
    box.replaceChildren("No score: no fact could be read from the report.");
    return;
  }
  const part = (name, value) => [make("dt", {}, name), make("dd", {}, value)];
  const names = (list) => list.join(", ") || "none";
  box.replaceChildren(make("dl", {},
    ...(answer.graded ? part("Graded", `${answer.graded.score.toFixed(2)} (from -1 to 1)`) : []),
    ...part("FactS", `${score.reward.toFixed(2)} (precision ${score.precision.toFixed(2)}, recall ${score.recall.toFixed(2)})`),
    ...part("By label", "no side, no size is looked at"),
    ...part("✓ Agrees", names(score.entailed)),
    ...part("✗ False alarms", names(score.false_alarms)),
    ...part("✗ Contradicted", names(score.contradicted)),
    ...part("− Missed", names(score.missed))));
}
