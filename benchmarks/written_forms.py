"""Three true findings, three false ones and a doubt, written out in every form that can be put together.

    python benchmarks/written_forms.py [--show 20] [--json OUT]

Names and answers are joined by structures, marks of entries, separators and vocabularies, each with each; records
by names of members and layouts; answers that are weighed against each other by keys and weights. What is
beyond dispute of a form is what it was made of. Nothing is drawn at random. Prints of each family how many forms
were read whole, and in how many an answer was turned round or made up; ``--show`` prints some of those.

A form that nobody would write ("Edema is yes.") stands beside one that everybody does ("- Edema: yes"): the shares
say where the rules are weak, not how often they are wrong on texts of a given model.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from orapo.facts import label_report

_SAID: Final = (
    ("Pulmonary edema", "Edema", 1),
    ("Rib fracture", "Fracture", 0),
    ("Consolidation", "Consolidation", -1),
    ("Atelectasis", "Atelectasis", 0),
    ("Pneumothorax", "Pneumothorax", 1),
    ("Pleural effusion", "Pleural Effusion", 0),
    ("Cardiomegaly", "Cardiomegaly", 1),
)
"""Names, their labels, and what is said of them: present, absent or uncertain."""
_ANSWERS: Final[dict[str, dict[int, str]]] = {
    "yes/no": {1: "Yes", 0: "No", -1: "Uncertain"},
    "present/absent": {1: "Present", 0: "Absent", -1: "Possible"},
    "positive/negative": {1: "positive", 0: "negative", -1: "equivocal"},
    "true/false": {1: "True", 0: "False"},
    "1/0": {1: "1", 0: "0"},
    "seen/not seen": {1: "seen", 0: "not seen", -1: "questionable"},
    "identified/not": {1: "identified", 0: "not identified", -1: "indeterminate"},
    "detected/not": {1: "detected", 0: "not detected", -1: "cannot exclude"},
    "+/-": {1: "+", 0: "-"},
    "ticks": {1: "✓", 0: "✗", -1: "?"},
    "boxes": {1: "[x]", 0: "[ ]"},
    "mild/none": {1: "mild", 0: "none", -1: "possible"},
    "Y/N": {1: "Y", 0: "N"},
}
_ENTRIES: Final = (
    "{f}: {a}", "{f} = {a}", "{f} - {a}", "{f} — {a}", "{f} -> {a}", "{f} → {a}", "{f} ({a})", "{f} [{a}]", "{f}? {a}",
    "Is there {l}? {a}.", "{f} ..... {a}", "{f}\t{a}", "{f} | {a}", "| {f} | {a} |", "{f:<24}{a}", "**{f}**: {a}", "**{f}: {a}**",
    "{f}: **{a}**", "*{f}* - _{a}_", "`{f}`: `{a}`", "{a}: {f}", "{a} {l}", "[{a}] {f}", "({a}) {f}", "Q: {f}?\nA: {a}",
    "Question: Is there {l}?\nAnswer: {a}", "{f}\n{a}", "{f}:\n  {a}", "## {f}\n{a}", "### {f}\n\n{a}\n", '"{f}": "{a}"', "'{f}': '{a}'",
    "('{f}', '{a}')", "<{f}>{a}</{f}>", "<finding name='{f}' value='{a}'/>", "{f} is {b}.", "For {l}, the answer is {b}.",
    "Regarding {l}: {a}.", "{f}: the finding is {b}.", "{f} status: {a}", "Presence of {l}: {a}", "Evidence of {l}: {a}", "Class {f}: {a}",
    "{f}: {a} (confidence 0.9)", "{f}: {a}. Reason: see image.", "{f},{a}", "{f};{a}", "{f}:: {a}", "{f} :\n{a}", "{u}: {a}", "{c}: {a}",
    "Label: {f}\nValue: {a}",
)  # fmt: skip
_MARKS: Final = ("", "- ", "* ", "{n}. ", "{n}) ", "• ", "{o}. ", "[{n}] ", "#{n} ", "> ", "({n}) ", "Finding {n}: ")  # fmt: skip
_JOINED: Final = ("\n", "\n\n", "; ", ", ", " | ", "<br>", " ", " • ")
_NAMING: Final = ("name", "label", "finding", "condition", "item", "pathology", "disease", "class", "diagnosis", "target", "entry", "field")  # fmt: skip
_ANSWERING: Final = (
    "answer", "response", "result", "label", "conclusion", "assessment", "impression", "status", "value", "prediction", "output", "present",
    "class", "decision", "choice", "judgement", "score", "evaluation", "mention", "annotation", "ground truth",
)  # fmt: skip
_KEYS: Final = (
    ("present", "absent", "uncertain"), ("positive", "negative", "equivocal"), ("yes", "no", "maybe"), ("present", "absent"), ("yes", "no"),
)  # fmt: skip
_WEIGHTS: Final = (("1", "0"), ("true", "false"), ("0.92", "0.04"), ("92%", "4%"), ("X", ""), ("[x]", "[ ]"))  # fmt: skip


class Form(NamedTuple):
    """A text, the labels that it was made of, and of what family and kinds it is."""

    family: str
    kinds: tuple[str, ...]
    text: str
    labels: dict[str, int]


def lists() -> Iterator[Form]:
    """Yield lists of names and answers."""
    for words, said in _ANSWERS.items():
        told = [one for one in _SAID if one[2] in said]
        for entry in _ENTRIES:
            for mark in _MARKS:
                for joined in _JOINED:
                    if "\n" not in joined and ("\n" in entry or mark not in ("", "{n}. ")):
                        continue  # what stands on lines of its own is joined by lines
                    entries = []
                    for number, (name, _, what) in enumerate(told, 1):
                        ordinal, low = "abcdefg"[number - 1], name.lower()
                        made = entry.format(
                            f=name, l=low, a=said[what], b=said[what].lower(), u=low.replace(" ", "_"),
                            c=name.title().replace(" ", ""),
                        )  # fmt: skip
                        entries.append(mark.format(n=number, o=ordinal) + made)
                    labels = {label: what for _, label, what in told}
                    yield Form("lists", (words, entry, mark, joined), joined.join(entries), labels)


def records() -> Iterator[Form]:
    """Yield records of two members each."""
    shapes: dict[str, Callable[[str, str, list[tuple[str, str]]], str]] = {
        "lines": lambda n, a, t: "\n".join(f"{n}: {f}\n{a}: {s}" for f, s in t),
        "answer first": lambda n, a, t: "\n".join(f"- {a}: {s}\n  {n}: {f}" for f, s in t),
        "apart": lambda n, a, t: "\n\n".join(f"{n.title()}: {f}\n{a.title()}: {s}" for f, s in t),
        "yaml": lambda n, a, t: "\n".join(f"- {n}: {f}\n  {a}: {s}" for f, s in t),
        "one line": lambda n, a, t: "\n".join(f"{n}: {f}, {a}: {s}" for f, s in t),
        "bars": lambda n, a, t: "\n".join(f"{n}: {f} | {a}: {s}" for f, s in t),
        "json": lambda n, a, t: json.dumps([{n: f, a: s} for f, s in t]),
        "xml": lambda n, a, t: "".join(
            f"<item><{n}>{f}</{n}><{a}>{s}</{a}></item>".replace("ground truth", "truth") for f, s in t
        ),
    }  # fmt: skip
    for words in ("yes/no", "present/absent", "positive/negative", "true/false", "1/0", "seen/not seen"):  # fmt: skip
        said = _ANSWERS[words]
        told = [one for one in _SAID if one[2] in said]
        pairs = [(name, said[what]) for name, _, what in told]
        labels = {label: what for _, label, what in told}
        for naming in _NAMING:
            for answering in _ANSWERING:
                for shape, made in shapes.items():
                    if naming != answering:
                        kinds = (words, naming, answering, shape)
                        yield Form("records", kinds, made(naming, answering, pairs), labels)


def weighed() -> Iterator[Form]:
    """Yield answers that are weighed against each other."""
    shapes: dict[str, Callable[[list[tuple[str, list[tuple[str, str]]]]], str]] = {
        "=": lambda t: "\n".join(f"{f}: " + ", ".join(f"{k}={v}" for k, v in c) for f, c in t),
        ":": lambda t: "\n".join(f"{f}: " + ", ".join(f"{k}: {v}" for k, v in c) for f, c in t),
        "/": lambda t: "\n".join(f"{f}: " + " / ".join(f"{k}: {v}" for k, v in c) for f, c in t),
        "()": lambda t: "\n".join(f"{f} (" + ", ".join(f"{k}={v}" for k, v in c) + ")" for f, c in t),
        "|": lambda t: "\n".join(f"{f} | " + " | ".join(f"{k}: {v}" for k, v in c) for f, c in t),
        "yaml": lambda t: "\n".join(f"{f}:\n" + "\n".join(f"  {k}: {v}" for k, v in c) for f, c in t),
        "json": lambda t: json.dumps({f: dict(c) for f, c in t}),
        "list": lambda t: json.dumps([{"finding": f, **dict(c)} for f, c in t]),
        "within": lambda t: json.dumps([{"finding": f, "probabilities": dict(c)} for f, c in t]),
        "xml": lambda t: "\n".join(
            f'<finding name="{f}" ' + " ".join(f'{k}="{v}"' for k, v in c) + "/>" for f, c in t
        ),
    }  # fmt: skip
    places = {1: 0, 0: 1, -1: 2}
    for keys in _KEYS:
        told = [one for one in _SAID if places[one[2]] < len(keys)]
        labels = {label: what for _, label, what in told}
        for most, least in _WEIGHTS:
            cells = [
                (name, [(k, most if at == places[what] else least) for at, k in enumerate(keys)])
                for name, _, what in told
            ]
            for shape, made in shapes.items():
                kinds = ("/".join(keys), f"{most} over {least}", shape)
                yield Form("weighed", kinds, made(cells), labels)


def main() -> None:
    """Read all forms and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--show", type=int, default=0, help="forms to print that were turned round")
    parser.add_argument("--json", type=Path, help="where the figures go")
    asked = parser.parse_args()
    table = []
    for family in (lists, records, weighed):
        count, whole, turned = 0, 0, []
        for form in family():
            found = label_report(form.text).labels
            wrong = {
                label: found[label] for label, said in form.labels.items() if found[label] != said
            }
            count += 1
            whole += not wrong
            # a doubt read as a claim, or a claim as a doubt, is half wrong
            if any(got is not None and -1 not in (got, form.labels[label]) for label, got in wrong.items()):  # fmt: skip
                turned.append(form)
        table.append(
            {"family": family.__name__, "forms": count, "whole": whole, "turned": len(turned)}
        )
        print(f"{family.__name__:8} {count:6} forms, {whole / count:.1%} read whole, {len(turned)} turned round")  # fmt: skip
        step = max(1, len(turned) // asked.show) if asked.show else 1
        for form in turned[::step][: asked.show]:
            print(f"  {' · '.join(map(repr, form.kinds))}: {form.text[:100]!r}")
        for place, kinds in enumerate(zip(*(form.kinds for form in turned), strict=True)):
            most = ", ".join(f"{kind!r} {number}" for kind, number in Counter(kinds).most_common(6))
            print(f"  kind {place + 1}: {most}")
    if asked.json is not None:
        asked.json.write_text(json.dumps(table, indent=1))


if __name__ == "__main__":
    main()
