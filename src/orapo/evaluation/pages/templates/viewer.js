"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const lines = (id) => $(id).textContent.trim().split("\n");
  const index = JSON.parse($("data-index").textContent);
  const texts = lines("data-studies"); // a study is parsed when it is looked at
  const films = lines("data-films");
  const { systems, marks, facts } = index;
  const several = systems.length > 1;
  const NOT_READ = "not English";
  const ROW = several ? 80 : 60; // px, and as --row for viewer.css
  const studies = index.studies.map(([id, spread, differing, reports], number) => ({
    number, id, spread, differing,
    reports: reports.map(([system, score, wrong, cases, counts, errors, unread]) => ({
      system, score, wrong, counts, unread, cases: cases.map((one) => one.split(/:(.*)/s)),
      errors: errors.map(([kind, finding, weight, about]) =>
        ({ kind: index.kinds[kind], finding, weight, labels: about.map((place) => index.labels[place]) })),
    })),
  }));
  const study = (one) => JSON.parse(texts[one.number]);
  const fields = { q: $("by-text"), label: $("by-label"), kind: $("by-kind"), system: $("by-system"),
    from: $("from"), to: $("to"), sort: $("sort") };
  const list = $("list"), rows = $("rows"), pane = $("pane"), said = $("shown");
  let shown = [], chosen = null, drawn = new Map();

  // Text of reports gets in as text alone: there is no innerHTML here.
  const h = (tag, attributes = {}, ...children) => {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) if (value !== null) made.setAttribute(name, value);
    made.append(...children.flat().filter((child) => child !== null));
    return made;
  };
  const figure = (value) => (value === null ? "–" : value.toFixed(2).replace("-", "−"));
  const names = (labels) => (labels.length ? labels.join(", ") : "none");

  // What is looked for, and in which order
  const labelKinds = ["missed", "false alarm", "contradiction", "uncertain"];
  const asked = (one) => (fields.system.value === "" ? one.reports
    : one.reports.filter((report) => report.system === Number(fields.system.value)));
  let haystack = null;
  const holds = (one, words) => {
    haystack ??= studies.map((each) => {
      const read = study(each);
      const said = read.reports.map((report) => report.pieces.map((piece) => piece.text).join(""));
      return [each.id, read.reference, ...said].join("\n").toLowerCase();
    });
    return words.every((word) => haystack[one.number].includes(word));
  };
  const fits = (one) => {
    const label = fields.label.value, kind = fields.kind.value;
    const [low, high] = [fields.from, fields.to].map((field) => (field.value === "" ? null : Number(field.value)));
    const words = fields.q.value.toLowerCase().split(/\s+/).filter(Boolean);
    const [, fact] = kind.split(/^fact:/);
    return asked(one).some(({ score, cases, errors, unread }) => {
      // Both must fit the same label ("missed" edema).
      const about = cases.filter(([, name]) => !label || name === label);
      const wrong = errors.filter(({ labels }) => !label || labels.includes(label));
      const labelsRight = cases.every(([what]) => what === "found");
      if (label && !about.length && !wrong.length) return false;
      if (fact === "hidden" && !(labelsRight && wrong.length)) return false;
      else if (fact === "any" && !wrong.length) return false;
      else if (fact && fact !== "hidden" && fact !== "any" && !wrong.some((error) => error.kind === fact)) return false;
      else if (kind === "label:none" && !labelsRight) return false;
      else if (kind === "none" && !(labelsRight && !errors.length && !unread)) return false;
      else if (kind === "unread" && !unread) return false;
      else if (labelKinds.includes(kind) && !about.some(([what]) => what === kind)) return false;
      if (low !== null && !(score !== null && score >= low)) return false;
      return high === null || (score !== null && score <= high);
    }) && (!words.length || holds(one, words));
  };
  const scores = (one) => asked(one).map((report) => report.score).filter((score) => score !== null);
  const wrong = (one) => Math.max(...asked(one).map((report) => report.wrong));
  const least = (one) => Math.min(...scores(one), Infinity);
  const most = (one) => Math.max(...scores(one), -Infinity);
  // what its wrong facts weigh together; where facts could not be compared, each wrong label as half an urgent one
  const gravity = ({ errors, counts, wrong: labels }) =>
    (counts ? errors.reduce((sum, error) => sum + error.weight, 0) : labels / 2);
  const grave = (one) => Math.max(...asked(one).map(gravity));
  const orders = {
    grave: (a, b) => Math.sign(Math.round((grave(b) - grave(a)) * 1e4)) || wrong(b) - wrong(a),
    wrong: (a, b) => wrong(b) - wrong(a),
    low: (a, b) => least(a) - least(b) || 0, // Infinity - Infinity is NaN
    high: (a, b) => most(b) - most(a) || 0,
    difference: (a, b) => (b.spread ?? -1) - (a.spread ?? -1) || b.differing - a.differing,
    id: () => 0, // as they come
  };

  // The address holds what is looked at: it can be sent to somebody
  const address = (number) => {
    const parts = new URLSearchParams();
    if (number !== null) parts.set("study", studies[number].id);
    for (const [name, field] of Object.entries(fields))
      if (field.value !== (name === "sort" ? index.first : "")) parts.set(name, field.value);
    return `#${parts}`;
  };
  const remember = () => history.replaceState(null, "", address(chosen));
  const readAddress = () => {
    if (!location.hash.includes("=")) return false;
    const parts = new URLSearchParams(location.hash.slice(1));
    for (const [name, field] of Object.entries(fields)) {
      field.value = parts.get(name) ?? (name === "sort" ? index.first : "");
      if (field.tagName === "SELECT" && field.selectedIndex < 0) field.value = name === "sort" ? index.first : "";
    }
    search();
    const id = parts.get("study");
    const found = studies.find((one) => one.id === id);
    if (found) choose(found.number);
    else if (id !== null) { chosen = null; pane.replaceChildren(h("p", { role: "alert" }, `No study ${id} on this page.`)); }
    return true;
  };

  // ids often begin alike and differ in their end
  const short = (id) => (id.length > 28 ? `${id.slice(0, 10)}…${id.slice(-16)}` : id);
  const grouped = (pairs) => {
    const found = new Map();
    for (const [kind, what] of pairs) found.set(kind, [...(found.get(kind) ?? []), what]);
    return [...found].map(([kind, all]) => `${kind}: ${[...new Set(all)].join(", ")}`).join("; ");
  };
  const inWords = ({ errors, cases, unread }) => {
    if (unread === NOT_READ) return "not English, not read";
    const labels = grouped(cases.filter(([kind]) => labelKinds.slice(0, 3).includes(kind)));
    const said = errors.length ? grouped(errors.map(({ kind, finding }) => [kind, finding]))
      : labels && index.graded ? `labels alone: ${labels}` : labels;
    return [unread, said].filter(Boolean).join("; ") || "no error";
  };
  const inShort = ({ errors, counts, wrong: labels, unread }) =>
    unread || (counts ? `${errors.length} wrong` : `${labels} wrong ${labels === 1 ? "label" : "labels"}`);

  const inFigures = ({ errors, counts, wrong: labels, unread }) =>
    unread === NOT_READ ? "not read" : counts ? errors.length : labels;

  // The list: as many rows as are to be seen, and some around them
  const row = (place) => {
    const one = shown[place];
    const each = several && fields.system.value === "";
    const first = asked(one)[0];
    const named = one.reports.map((report) => `${systems[report.system]}: ${inShort(report)}`).join(" · ");
    // more than two names would be cut; their order is that of the texts
    const errors = !each ? inWords(first) : systems.length === 2 ? named
      : `${index.graded ? "Wrong facts" : "Wrong labels"}: ${one.reports.map(inFigures).join(" · ")}`;
    return h("div", { class: "row", role: "option", id: `option-${one.number}`, "aria-setsize": shown.length,
      "aria-posinset": place + 1, "aria-selected": String(one.number === chosen), style: `top: ${place * ROW}px` },
      h("span", { class: "name", title: one.id }, short(one.id)), " ",
      h("span", { class: "score" }, asked(one).map(({ score }) => figure(score)).join(" · ")), " ",
      h("span", { class: "errors", title: each ? named : errors }, errors));
  };
  const draw = () => {
    const first = Math.max(0, Math.floor(list.scrollTop / ROW) - 6);
    const last = Math.min(shown.length, Math.ceil((list.scrollTop + list.clientHeight) / ROW) + 6);
    for (const [place, element] of drawn) if (place < first || place >= last) { element.remove(); drawn.delete(place); }
    for (let place = first; place < last; place++) {
      if (drawn.has(place)) continue;
      drawn.set(place, row(place));
      rows.append(drawn.get(place));
    }
    const active = shown.findIndex((one) => one.number === chosen);
    if (drawn.has(active)) list.setAttribute("aria-activedescendant", `option-${chosen}`);
    else list.removeAttribute("aria-activedescendant");
  };
  const search = () => {
    shown = studies.filter(fits).sort(orders[fields.sort.value]);
    rows.replaceChildren();
    drawn = new Map();
    rows.style.height = `${shown.length * ROW}px`;
    draw();
    const told = systems.map((name, system) => {
      const totals = Object.values(facts).map(() => 0);
      for (const one of shown) for (const report of asked(one))
        if (report.system === system) report.counts?.forEach((count, kind) => { totals[kind] += count; });
      const words = Object.values(facts).map(([, word], kind) => `${totals[kind]} ${word}`).join(", ");
      return totals.some(Boolean) ? `; facts${several ? ` of ${name}` : ""}: ${words}` : "";
    });
    said.textContent = `${shown.length} of ${studies.length} studies${told.join("")}`;
  };
  const changed = () => { list.scrollTop = 0; search(); remember(); };

  // One study
  const sign = (symbol) => h("span", { class: "sign", "aria-hidden": "true" }, `${symbol}\u2060`);
  const spoken = (text) => h("span", { class: "spoken" }, text);
  const marked = (pieces) => h("p", { class: "report", dir: "auto" }, pieces.map((piece) => {
    if (!piece.verdict) return piece.differs ? h("span", { class: "differs" }, spoken("only here: "), piece.text) : piece.text;
    const [symbol, title] = marks[piece.verdict];
    const read = (piece.why ?? (piece.evidence ?? []).map((one) => one.fact)).join("; ");
    return h("mark", { class: piece.verdict + (piece.differs ? " differs" : ""), title: read ? `${title} – ${read}` : title },
      spoken(`${title}${piece.differs ? ", only here" : ""}: `), sign(symbol), piece.text);
  }));
  const evidence = (pieces) => {
    const known = pieces.filter((piece) => piece.evidence);
    return h("ul", {}, known.length ? known.map((piece) => h("li", {}, h("q", { dir: "auto" }, piece.text),
      h("ul", {}, piece.evidence.map((one) => h("li", {}, one.fact,
        one.labels.length ? ` → ${one.labels.join(", ")}` : null,
        one.verdict ? h("em", {}, ` (by label: ${marks[one.verdict][1]})`) : null)))))
      : h("li", {}, "nothing"));
  };
  const counted = ({ counts, graded_score: graded, facts_reward: reward, unread }) => {
    const nothing = unread === NOT_READ
      ? "This report is not English and was not read. "
      : unread ? "No fact could be read from this report. " : "";
    const told = counts ? `Facts: ${Object.entries(counts).map(([verdict, count]) => `${count} ${facts[verdict][1]}`).join(", ")}. ` : "";
    return h("p", { class: "outcome" }, nothing + told
      + (graded === null ? "" : `Graded score ${figure(graded)}. `)
      + (reward === null ? "" : `FactS reward ${figure(reward)}.`));
  };
  const fact = (one) => {
    const [symbol, title] = facts[one.verdict];
    return h("li", { class: one.differs ? "differs" : null },
      h("span", { class: one.verdict }, sign(symbol), `${one.finding}: ${title}`),
      one.words ? ` (${one.words})` : null, one.differs ? h("strong", {}, " only here") : null, " ",
      h("q", { dir: "auto" }, one.quote));
  };
  const outcome = (found) => h("ul", { class: "outcome" }, h("li", {}, "By label:"), [
    ["Found", found.found, true], ["Missed", found.missed, true], ["False alarms", found.false_alarms, true],
    ["Contradicted", found.contradicted], ["Uncertain on one side", found.one_sided],
  ].filter(([, labels, always]) => always || labels.length).map(([title, labels]) => h("li", {}, `${title}: ${names(labels)}`)));
  const report = (one, reference) => h("section", { class: "system", "aria-label": one.title },
    h("h4", {}, one.title), counted(one),
    one.pieces.some((piece) => piece.text.trim()) ? marked(one.pieces) : h("p", { class: "report" }, "(empty report)"),
    one.facts.length ? h("ul", { class: "facts" }, one.facts.map(fact)) : null,
    one.unread === NOT_READ ? null : outcome(one.outcome),
    h("details", { class: "evidence" }, h("summary", {}, "What FactS read, sentence by sentence"),
      reference && !several ? [h("p", {}, "In the reference:"), evidence(one.reference), h("p", {}, "In the generated report:")] : null,
      evidence(one.pieces)),
    reference && several ? h("details", {}, h("summary", {}, `The reference, marked by what ${one.title} found`), marked(one.reference)) : null);
  const film = (one, data) => {
    const source = films.length > 1 || films[0] ? JSON.parse(films[one.number]) : null;
    if (!source) return data.film_unreadable ? h("p", { class: "film" }, "The film can't be read.") : null;
    const image = h("img", { src: source, alt: `Chest film of study ${one.id}. Reference labels: ${names(data.reference_labels)}.` });
    const holder = h("div", { class: "film" }, image);
    image.addEventListener("error", () => holder.replaceChildren(h("p", { role: "alert" }, `The film is not there: ${source.slice(0, 80)}; it belongs beside this page.`)));
    return holder;
  };
  const choose = (number) => {
    const one = studies[number], data = study(one);
    chosen = number;
    const place = shown.indexOf(one);
    const step = (word, by) => {
      const button = h("button", { type: "button" }, word);
      button.disabled = place < 0 || !shown[place + by];
      button.addEventListener("click", () => { go(place + by); $(by < 0 ? "previous" : "next").focus(); });
      button.id = by < 0 ? "previous" : "next";
      return button;
    };
    const back = h("button", { type: "button", class: "back" }, "To the list");
    back.addEventListener("click", () => { list.focus(); $("filters").scrollIntoView(); });
    const alone = data.reports.length === 1 && data.reports[0];
    pane.replaceChildren(...[
      h("div", { class: "steps" }, step("Previous", -1), step("Next", 1), back,
        h("a", { href: address(number) }, "Link to this study")),
      h("h3", { class: "id", tabindex: "-1" }, one.id),
      place < 0 ? h("p", { class: "soft" }, "Not in the list: the filters leave it out.") : null,
      h("div", { class: "study" }, film(one, data), h("div", { class: "texts" },
        h("h4", {}, "Reference"),
        data.reference ? (alone ? marked(alone.reference) : h("p", { class: "report", dir: "auto" }, data.reference)) : null,
        h("p", { class: "outcome" }, `Labels: ${names(data.reference_labels)}`)),
      h("div", { class: "systems" }, data.reports.map((each) => report(each, data.reference)))),
    ].filter((part) => part !== null));
    for (const [at, element] of drawn) element.setAttribute("aria-selected", String(shown[at].number === number));
    draw();
  };
  const go = (place) => {
    if (!shown[place]) return;
    const top = place * ROW;
    if (top < list.scrollTop) list.scrollTop = top;
    else if (top + ROW > list.scrollTop + list.clientHeight) list.scrollTop = top + ROW - list.clientHeight;
    choose(shown[place].number);
    remember();
  };

  for (const field of Object.values(fields)) field.addEventListener("input", changed);
  list.addEventListener("scroll", () => requestAnimationFrame(draw), { passive: true });
  list.addEventListener("click", (event) => {
    const option = event.target.closest(".row");
    if (!option) return;
    go(Number(option.getAttribute("aria-posinset")) - 1);
    // On a phone the study lies below the list.
    if (pane.getBoundingClientRect().top > innerHeight * 0.6) pane.scrollIntoView();
  });
  list.addEventListener("keydown", (event) => {
    const place = shown.findIndex((one) => one.number === chosen), page = Math.floor(list.clientHeight / ROW);
    const to = { ArrowDown: place + 1, ArrowUp: place - 1, PageDown: Math.min(place + page, shown.length - 1),
      PageUp: Math.max(place - page, 0), Home: 0, End: shown.length - 1 }[event.key];
    if (event.key === "Enter") { pane.querySelector(".id")?.focus(); return; }
    if (to === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    go(Math.max(to, 0));
  });
  addEventListener("hashchange", () => { if (readAddress()) pane.scrollIntoView(); });
  addEventListener("resize", draw);
  $("filters").addEventListener("submit", (event) => event.preventDefault());

  list.style.setProperty("--row", `${ROW}px`);
  list.classList.toggle("several", several);
  for (const part of document.querySelectorAll(".needs-script")) part.hidden = false;
  if (innerWidth < 768) $("legend").open = false; // the list is what a phone has room for
  const toChosen = () => { const place = shown.findIndex((one) => one.number === chosen); if (place > 0) list.scrollTop = place * ROW; };
  if (readAddress()) { toChosen(); pane.scrollIntoView(); }
  else {
    search();
    const begin = shown.find((one) => one.id === index.shown) ?? shown[0];
    if (begin) { choose(begin.number); toChosen(); }
  }
})();
