"""What a second reader of the forms found, as it must be read: none of it may come back in silence."""

import pytest

from orapo.data.sources.report_sections import split_report
from orapo.data.study import joined_report
from orapo.facts import label_report
from short_labels import AT, CM, ED, EF, FX, LL, NF, PT

CASES = [
    ("No effusion: none.", {EF: 0}),
    ("No edema (negative).", {ED: 0}),
    ("No edema - negative", {ED: 0}),
    ("No effusion, none", {EF: 0}),
    ("No pneumothorax (-).", {PT: 0}),
    ("There is no pneumothorax, no.", {PT: 0}),
    ("No evidence of pneumothorax: negative.", {PT: 0}),
    ("Is there no effusion? No.", {EF: 0}),
    ("✗ No effusion", {EF: 0}),
    ("Edema: Negative (0)", {ED: 0}),
    ("Edema: absent (no)", {ED: 0}),
    ("The lungs are not clear. No effusion.", {NF: None}),
    ("Heart size is not normal. No edema.", {NF: None}),
    ("Lungs abnormal. No edema.", {NF: None}),
    ("Abnormal chest. No edema.", {NF: None}),
    ("Edema: no\nEffusion: Grade II", {NF: None}),
    ("No Finding: False\nSupport Devices: True", {NF: None}),
    ("Edema: no\nIs the chest normal? No.", {NF: None}),
    ("Effusion    no      Edema     yes", {EF: 0, ED: 1}),
    ("Effusion\tno\tEdema\tyes", {EF: 0, ED: 1}),
    ("Effusion no Edema yes Fracture no", {EF: 0, ED: 1, FX: 0}),
    ("Effusion: no Edema: mild Fracture: no Nodule: yes", {EF: 0, ED: 1, FX: 0, LL: 1}),
    ("Pneumothorax: no Pleural effusion: small left Edema: no", {PT: 0, EF: 1, ED: 0}),
    ("Absent:\n- effusion\n- edema\nThe heart is enlarged.", {EF: 0, ED: 0, CM: 1}),
    ("Absent:\neffusion\nedema\nPresent:\nfracture", {EF: 0, ED: 0, FX: 1}),
    ("[Effusion: no] [Edema: yes] [Fracture: no]", {EF: 0, ED: 1, FX: 0}),
    ("Negative for pneumothorax, positive for effusion.", {PT: 0, EF: 1}),
    ("a. no effusion\nb. edema", {EF: 0, ED: 1}),
    ("Kein Erguss. Fehlender Pneumothorax.", {PT: None}),
    ("Pneumothorax ausgeschlossen.", {PT: None}),
    ("Edema polmonare assente.", {ED: None}),
    ("[ ]Pneumothorax", {PT: 0}),
    ("Pneumothorax: Yes[ ] No[x]", {PT: 0}),
    ("Pneumothorax  [ ]Yes  [X]No", {PT: 0}),
    ("Pneumothorax\nNo\nPleural effusion\nYes", {PT: 0, EF: 1}),
    ('{"Pneumothorax": -1}', {PT: -1}),
    ("{'nodule': None}", {LL: None}),
    ("Pneumothorax: -1.0", {PT: -1}),
    ("Effusion: No (0)", {EF: 0}),
    ("Heart normal: no", {CM: 1}),
    (joined_report("Effusion:", "No pneumothorax"), {EF: None, PT: 0}),
    ("No effusion except a trace on the left.", {EF: 1}),
    ("No effusion except for a trace on the left.", {EF: 1}),
    ("No effusion, except small on the left.", {EF: 1}),
    ("No pneumothorax except at the left apex.", {PT: 1}),
    ("No effusion on the right, small on the left.", {EF: 1}),
    ("No effusion on the right; small on the left.", {EF: 1}),
    ("No effusion, edema is seen.", {EF: 0, ED: 1}),
    ("No consolidation, effusion, pneumothorax is seen.", {EF: 0, PT: 0}),
    ("No effusion, edema or pneumothorax is seen.", {EF: 0, ED: 0, PT: 0}),
    ("Atelectasis,Cardiomegaly,Edema\n0,1,0", {AT: 0, CM: 1, ED: 0}),
    ("Atelectasis\tCardiomegaly\tEdema\n0\t1\t0", {AT: 0, CM: 1, ED: 0}),
    (
        "| Atelectasis | Cardiomegaly | Edema |\n|---|---|---|\n| no | yes | no |",
        {AT: 0, CM: 1, ED: 0},
    ),
    ("~~effusion~~ No edema.", {EF: None, ED: 0}),
    ("<del>Effusion.</del> No edema.", {EF: None, ED: 0}),
    ("[THINK]Edema?[/THINK]No effusion.", {ED: None, EF: 0}),
    ("◁think▷Edema◁/think▷ No effusion.", {ED: None, EF: 0}),
    ("<|begin_of_thought|>Edema<|end_of_thought|> No effusion.", {ED: None, EF: 0}),
    ("No effusion, small nodule.", {EF: 0}),
    ("No acute disease except a small effusion on the left.", {EF: 1}),
    ("No effusion, mild edema.", {EF: 0, ED: 1}),
]


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_a_form_that_was_read_wrongly_stays_mended(text, expected):
    labels = label_report(text).labels
    assert {name: labels[name] for name in expected} == expected


def test_lines_of_a_section_stay_sentences():
    text = "FINDINGS:\nNo pneumothorax\nLeft effusion\n\nIMPRESSION:\n1. No edema\n2. Cardiomegaly"
    sections = split_report(text)
    assert sections.findings == "No pneumothorax. Left effusion"
    assert label_report(sections.impression).labels["Cardiomegaly"] == 1
