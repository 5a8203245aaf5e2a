"""Layout before language: the same answers in every form of writing, truly and turned round."""

import csv
import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orapo.facts import FactSReward, label_report
from orapo.labels import LABELS

FINDINGS = [name for name in LABELS if name != "No Finding"]


def lines(shape, yes, no, joint="\n"):
    """Write answers in one shape."""

    def write(pairs):
        return joint.join(
            shape.format(
                label=name,
                low=name.lower(),
                snake=name.lower().replace(" ", "_"),
                answer=yes if there else no,
                number=number,
            )
            for number, (name, there) in enumerate(pairs, start=1)
        )

    return write


def names(pairs, there):
    return [name for name, value in pairs if value == there]


def table_of_ticks(pairs):
    rows = (f"| {name} | {'x' * there} | {'x' * (not there)} |" for name, there in pairs)
    return "\n".join(("| Finding | Yes | No |", "|---|---|---|", *rows))


def comma_separated(pairs):
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows(
        [("finding", "present"), *((name, int(there)) for name, there in pairs)]
    )
    return file.getvalue()


def yaml_lists(pairs):
    parts = []
    for title, there in (("present", True), ("absent", False)):
        parts.append(f"{title}:\n" + "".join(f"  - {name}\n" for name in names(pairs, there)))
    return "".join(parts)


FORMS = {
    "field: answer": lines("{label}: {answer}", "Present", "Absent"),
    "field = answer": lines("{label} = {answer}", "yes", "no", "; "),
    "field - answer": lines("{label} - {answer}", "present", "not seen"),
    "field ... answer": lines("{label} ....... {answer}", "Yes", "No"),
    "field (answer)": lines("{label} ({answer})", "yes", "no", ", "),
    "field (sign)": lines("{label} {answer}", "(+)", "(-)", ", "),
    "field, tab, answer": lines("{label}\t{answer}", "positive", "negative"),
    "field -> answer": lines("{label} → {answer}", "true", "false"),
    "one line": lines("{label}: {answer}", "Yes", "No", ". "),
    "numbered": lines("{number}. **{label}**: {answer}", "Yes", "No"),
    "field: sentence": lines("{label}: {answer} {low}.", "There is", "No evidence of"),
    "question and answer": lines("Is there {low}? {answer}.", "Yes", "No", " "),
    "Q and A": lines("Q: Is there {low}?\nA: {answer}", "Yes", "No"),
    "short questions": lines("{label}? {answer}", "yes", "no", "; "),
    "heading and answer": lines("### {label}\n{answer}.\n", "Yes", "No"),
    "bold heading and answer": lines("**{label}**\n{answer}.\n", "Present", "Absent"),
    "answer: field": lines("{answer}: {label}", "Present", "Absent"),
    "check boxes": lines("- {answer} {label}", "[x]", "[ ]"),
    "check boxes behind": lines("{label} {answer}", "☑", "☐"),
    "marks": lines("{answer} {label}", "✅", "❌"),
    "table": lambda pairs: (
        "| Finding | Status |\n|---|---|\n" + lines("| {label} | {answer} |", "Yes", "No")(pairs)
    ),
    "table of ticks": table_of_ticks,
    "HTML table": lines("<tr><td>{label}</td><td>{answer}</td></tr>", "Yes", "No", ""),
    "HTML list": lines("<li><b>{label}</b>: {answer}</li>", "Yes", "No", ""),
    "XML": lines("<{snake}>{answer}</{snake}>", "yes", "no", ""),
    "XML attributes": lines('<finding name="{label}" status="{answer}"/>', "present", "absent"),
    "XML elements": lines(
        "<finding>\n<name>{label}</name>\n<present>{answer}</present>\n</finding>", "true", "false"
    ),
    "YAML": lines("{snake}: {answer}", "true", "false"),
    "nested YAML": lines("{snake}:\n  present: {answer}\n  side: left", "true", "false"),
    "YAML lists": yaml_lists,
    "CSV": comma_separated,
    "JSON": lambda pairs: json.dumps({name: int(there) for name, there in pairs}),
    "JSON, fenced": lambda pairs: (
        "```json\n" + json.dumps({k.replace(" ", ""): v for k, v in pairs}, indent=1) + "\n```"
    ),
    "JSON of objects": lambda pairs: json.dumps(
        [{"label": name, "status": "present" if v else "absent"} for name, v in pairs]
    ),
    "nested JSON": lambda pairs: json.dumps(
        {"findings": {name: {"present": v, "side": "left"} for name, v in pairs}}
    ),
    "JSON lists": lambda pairs: json.dumps(
        {"positive_findings": names(pairs, True), "negative_findings": names(pairs, False)}
    ),
    "Python": lambda pairs: str(dict(pairs)),
    "lists by polarity": lambda pairs: (
        f"Positive findings: {', '.join(names(pairs, True)) or 'none'}. "
        f"Negative findings: {', '.join(names(pairs, False)) or 'none'}."
    ),
    "lines": lambda pairs: "\n".join(n.lower() if v else f"no {n.lower()}" for n, v in pairs),
    "bullets": lambda pairs: "".join(f"• {n if v else f'No {n.lower()}'}\n" for n, v in pairs),
    "middle dots": lambda pairs: " · ".join(n if v else f"No {n.lower()}" for n, v in pairs),
    "contractions": lambda pairs: " ".join(
        f"There's {n.lower()}." if v else f"There isn't {n.lower()}." for n, v in pairs
    ),
    "sign, field": lines("({answer}) {low}", "+", "-", " "),
    "pos or neg, field": lines("{answer} {low}", "pos", "neg", ", "),
    "pos for or neg for": lines("{answer} {low}", "pos for", "neg for", ", "),
    "field +ve": lines("{label} {answer}", "+ve", "-ve", "; "),
    "field pos": lines("{label} {answer}", "pos", "neg", ", "),
    "round buttons": lines("{label}: {answer}", "● Present ○ Absent", "○ Present ● Absent"),
    "struck choice": lines("{label}: {answer}", "**Yes** / ~~No~~", "~~Yes~~ / **No**"),
    "choice in brackets": lines("{label}: {answer}", "[Yes] No", "Yes [No]"),
    "both states": lambda pairs: "".join(
        f"- [{' x'[v]}] {n} present\n- [{'x '[v]}] {n} absent\n" for n, v in pairs
    ),
    "nested bullets": lambda pairs: (
        "* Present\n"
        + "".join(f"    * {name}\n" for name in names(pairs, True))
        + "* Absent\n"
        + "".join(f"    * {name}\n" for name in names(pairs, False))
    ),
    "bullets under a bare word": lambda pairs: (
        "Positive\n"
        + "".join(f"- {name}\n" for name in names(pairs, True))
        + "Negative\n"
        + "".join(f"- {name}\n" for name in names(pairs, False))
    ),
    "numbered records": lines("Finding {number}: {label}\nStatus: {answer}\n", "Present", "Absent"),
    "turns in one line": lines("Q: Is there {low}? A: {answer}", "Yes", "No", " "),
    "numbered turns": lines("Q{number}. Is there {low}?\nA{number}. {answer}", "Yes", "No"),
    "field/answer": lines("{label}/{answer}", "yes", "no", " "),
    "field [1]": lines("{label} [{answer}]", "1", "0", " "),
    "tagger": lines("{label}\tB-FIND\t{answer}", "affirmed", "negated"),
    "thumbs": lines("{label} {answer}", "👍", "👎"),
    "hashtags": lines("#{answer}{label}", "", "No", " "),
    "probable by words": lines("{label}: {answer}", "High probability", "Low probability"),
    "likely": lines("{label}: {answer}", "Very likely", "Very unlikely"),
    "known": lines("{label}: {answer}", "Known present", "Known absent"),
    "appears": lines("{label}: {answer}", "Appears present", "Does not appear present"),
    "answer as an attribute": lines(
        '<finding status="{answer}">{label}</finding>', "positive", "negative"
    ),
    "negated as an attribute": lines(
        '<entity type="{label}" negated="{answer}"/>', "false", "true"
    ),
    "JSON, detected": lambda pairs: json.dumps([{"class": n, "detected": v} for n, v in pairs]),
    "JSON, negated": lambda pairs: json.dumps([{"text": n, "negated": not v} for n, v in pairs]),
    "JSON, absent": lambda pairs: json.dumps({n: {"absent": not v} for n, v in pairs}),
    "JSON, columns": lambda pairs: json.dumps(
        {"finding": [n for n, _ in pairs], "present": [v for _, v in pairs]}
    ),
    "FHIR": lambda pairs: json.dumps(
        [{"status": "final", "code": {"text": n}, "valueBoolean": v} for n, v in pairs]
    ),
    "thought first": lambda pairs: (
        "<think>Edema? Or a fracture?</think>" + lines("{label}: {answer}", "Yes", "No")(pairs)
    ),
}

SCORES = {
    "probability": lines("{label}: {answer}", "0.97", "0.02"),
    "percentage": lines("{label}: {answer}", "95%", "3%"),
    "probability in brackets": lines("{label} (probability {answer})", "0.9", "0.1", ", "),
    "grade": lines("{label}: {answer}", "2", "0"),
    "JSON, probability": lambda pairs: json.dumps({n: 0.9 if v else 0.1 for n, v in pairs}),
    "glued signs": lines("{answer}{low}", "+", "-", " "),
    "denied together": lambda pairs: (
        f"Present: {', '.join(names(pairs, True))}. {', '.join(names(pairs, False))} are ruled out."
    ),
}
"""What can be told only of several findings."""

answers = st.dictionaries(st.sampled_from(FINDINGS), st.booleans(), min_size=1).filter(
    lambda answers: any(answers.values())
)


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=25)
@given(answers)
def test_a_true_answer_earns_all_and_a_turned_one_nothing(form, answers):
    pairs = list(answers.items())
    turned = [(name, not there) for name, there in pairs]
    labels = {name: int(there) for name, there in pairs}
    write = FORMS[form]
    assert FactSReward()([write(pairs), write(turned)], labels=[labels] * 2) == [1, 0], write(pairs)


@pytest.mark.parametrize("form", SCORES)
@settings(max_examples=25)
@given(answers.filter(lambda answers: len(answers) - sum(answers.values()) > 1))
def test_several_findings_make_plain_what_a_number_or_a_sign_means(form, answers):
    pairs = list(answers.items())
    labels = {name: int(there) for name, there in pairs}
    turned = [(name, not there) for name, there in pairs]
    write = SCORES[form]
    texts = [write(pairs)] + [write(turned)] * (sum(answers.values()) > 1)
    rewards = FactSReward()(texts, labels=[labels] * len(texts))
    assert rewards == [1, 0][: len(texts)], texts


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Pneumothorax: No pneumothorax.", {"Pneumothorax": 0}),
        ("Consolidation: No focal consolidation.", {"Consolidation": 0}),
        ("Chest tube: removed", {"Support Devices": 0}),
        ("Effusion: yes, small", {"Pleural Effusion": 1}),
        ("Effusion: small, right; fracture: none", {"Pleural Effusion": 1, "Fracture": 0}),
        ("Effusion: No significant change.", {"Pleural Effusion": 1}),
        ("Effusion: unchanged", {"Pleural Effusion": 1}),
        ("Effusion: possible", {"Pleural Effusion": -1}),
        ("Effusion: indeterminate", {"Pleural Effusion": -1}),
        ("Effusion: n/a\nEdema: none", {"Pleural Effusion": None, "Edema": 0}),
        ("Effusion: -\nEdema: none", {"Pleural Effusion": None, "Edema": 0}),
        ("Effusion: 0.07", {"Pleural Effusion": None}),
        ("Effusion: discussed with the team", {"Pleural Effusion": None}),
        ("Effusion:\nEdema: yes", {"Pleural Effusion": None, "Edema": 1}),
        ("Effusion/pneumothorax: none", {"Pleural Effusion": 0, "Pneumothorax": 0}),
        ("Airspace: No consolidation.", {"Consolidation": 0, "Lung Opacity": None}),
        ("Heart: enlarged\nLungs: clear", {"Cardiomegaly": 1}),
        ("Heart: normal size", {"Cardiomegaly": 0}),
        ("Lungs:\n- No consolidation\n- Small nodule", {"Consolidation": 0, "Lung Lesion": 1}),
        ("Effusion: no, edema: yes", {"Pleural Effusion": 0, "Edema": 1}),
        ("Effusion: No Edema: Yes", {"Pleural Effusion": 0, "Edema": 1}),
        ("Lungs - edema: no, nodule: yes", {"Edema": 0, "Lung Lesion": 1}),
        ("Effusion? No. Edema? Yes, mild.", {"Pleural Effusion": 0, "Edema": 1}),
        ("Effusion? No, there is no effusion.", {"Pleural Effusion": 0}),
        ("?pneumonia. The heart is normal. No pneumonia.", {"Pneumonia": 0}),
        ("Pneumonia?", {"Pneumonia": -1}),
        ("Is the heart enlarged? No.", {"Cardiomegaly": 0}),
        ("1.No effusion 2.Mild edema", {"Pleural Effusion": 0, "Edema": 1}),
        ("No edema\nleft effusion", {"Edema": 0, "Pleural Effusion": 1}),
        ("no pleural other\npleural effusion", {"Pleural Other": 0, "Pleural Effusion": 1}),
        ("No evidence of pleural\neffusion. Mild edema.", {"Pleural Effusion": 0, "Edema": 1}),
        ("Edema: [ ] yes [x] no", {"Edema": 0}),
        ("No Finding: Yes", {"No Finding": 1}),
        ("No Finding: No\nEdema: Yes", {"No Finding": None, "Edema": 1}),
    ],
)
def test_the_answer_decides_and_the_name_asserts_nothing(text, expected):
    labels = label_report(text).labels
    assert {name: labels[name] for name in expected} == expected


def test_an_answer_never_slides_to_the_next_row():
    text = "| Effusion | none |\n| Consolidation | right lower lobe |\n| Pneumothorax | none |"
    labels = label_report(text).labels
    wanted = {"Pleural Effusion": 0, "Consolidation": 1, "Pneumothorax": 0}
    assert {name: labels[name] for name in wanted} == wanted


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("INDICATION: Edema?\n\nSmall effusion.", {"Edema": None, "Pleural Effusion": 1}),
        ("NDICATION: Edema.\nFINDNGS: Small effusion.", {"Edema": None, "Pleural Effusion": 1}),
        ("Indication\nEdema\n\nFindings\nNo effusion.", {"Edema": None, "Pleural Effusion": 0}),
        ("## Indication\nEdema\n## Findings\nEffusion.", {"Edema": None, "Pleural Effusion": 1}),
        ("**Indication:** Edema?\n**Findings:** Clear.", {"Edema": None}),
        ("INDICATION: Edema. FINDINGS: No effusion.", {"Edema": None, "Pleural Effusion": 0}),
        ("Findings The heart is enlarged. Impression Edema.", {"Cardiomegaly": 1, "Edema": 1}),
        ("FIELD NOTES: Small effusion.", {"Pleural Effusion": 1}),
        ("COMPARISON: None. Edema. IMPRESSION: As above.", {"Edema": 1}),
        (
            '{"history": "edema", "findings": "No effusion."}',
            {"Edema": None, "Pleural Effusion": 0},
        ),
    ],
)
def test_headings_are_known_however_they_are_written(text, expected):
    labels = label_report(text).labels
    assert {name: labels[name] for name in expected} == expected


IMPRESSION = "IMPRESSION"
SLIPS = [IMPRESSION[:i] + IMPRESSION[i + 1 :] for i in range(len(IMPRESSION))]
SLIPS += [
    IMPRESSION[:i] + IMPRESSION[i + 1] + IMPRESSION[i] + IMPRESSION[i + 2 :] for i in range(8)
]


@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_of_a_heading_loses_no_text(slip):
    text = f"HISTORY: Edema.\n{slip}: Small effusion."
    labels = label_report(text).labels
    assert (labels["Edema"], labels["Pleural Effusion"]) == (None, 1)
