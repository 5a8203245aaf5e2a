"""R2Gen's convention: its cleaning by hand-made examples, its figures by pycocoevalcap itself."""

import numpy as np
import pytest
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge

from orapo.evaluation.bootstrap import Resampler
from orapo.evaluation.figures.r2gen_language import r2gen_detail, r2gen_figures, r2gen_text

GENERATED = [
    "The heart is normal in size.\nNo pleural effusion.",
    "",
    "There is a small left pleural effusion; the lungs are otherwise clear.",
    "NO ACUTE DISEASE.",
    "1. Mild cardiomegaly. 2. No edema.",
    "...",
]
REFERENCES = [
    "Heart size is normal. No pleural effusion or pneumothorax.",
    "No acute disease.",
    "Small left pleural effusion. Lungs otherwise clear.",
    "No acute disease.",
    "Heart size is at the upper limits of normal. 3.5 cm nodule in the right lung. No edema.",
    "No acute disease.",
]
PATIENTS = ["a", "a", "b", "", "", "c"]


@pytest.mark.parametrize(
    ("report", "cleaned"),
    [
        ("Heart size is normal. No effusion.", "heart size is normal . no effusion ."),
        ("FINDINGS:\nNo   edema..\n", "findings no edema ."),
        ("1. Edema. 2. Small effusion. 3. No nodule.", "edema . small effusion . no nodule ."),
        ("Stable 2. Clear.", "stable . clear ."),
        ("A 3.5-cm 'mass' (right), L/R?", "a 35-cm mass right lr ."),
        ("Fracture of T11. Clear.", "fracture of t1clear ."),
        ("___ year old", " year old ."),
        (" \n", ""),
        ("", ""),
    ],
)
def test_texts_are_cleaned_as_r2gen_does(report, cleaned):
    assert r2gen_text(report) == cleaned


def direct(generated, references):
    """Every metric by pycocoevalcap's corpus function."""
    sides = [
        {n: [r2gen_text(text)] for n, text in enumerate(texts)} for texts in (references, generated)
    ]
    bleus, _ = Bleu(4).compute_score(*sides, verbose=0)
    rouge, _ = Rouge().compute_score(*sides)
    cider, _ = Cider().compute_score(*sides)
    return {**{f"bleu{n}": bleus[n - 1] for n in (1, 2, 3, 4)}, "rouge_l": rouge, "cider": cider}


def test_figures_are_those_of_pycocoevalcap():
    detail = r2gen_detail(r2gen_figures(GENERATED, REFERENCES), Resampler(PATIENTS, resamples=10))
    expected = direct(GENERATED, REFERENCES)
    assert set(detail["figures"]) == set(expected)
    for name, value in expected.items():
        assert detail["figures"][name]["value"] == pytest.approx(value, abs=1e-9), name
    assert expected["bleu1"] > 0.3


def test_intervals_are_those_of_whole_corpora_drawn_by_patient():
    resampler = Resampler(PATIENTS, resamples=100, seed=3)
    detail = r2gen_detail(r2gen_figures(GENERATED, REFERENCES), resampler)
    draws = []

    def corpora(weights):
        for row in weights.astype(int):
            chosen = np.repeat(np.arange(len(row)), row)
            draws.append(direct([GENERATED[i] for i in chosen], [REFERENCES[i] for i in chosen]))
        return np.zeros(len(weights))

    resampler.draw(corpora)
    for name in ("bleu1", "bleu4", "rouge_l"):
        low, high = np.percentile([one[name] for one in draws], [2.5, 97.5])
        figure = detail["figures"][name]
        assert (figure["low"], figure["high"]) == pytest.approx((low, high), abs=1e-9)


def test_reports_that_are_all_empty_score_zero():
    detail = r2gen_detail(r2gen_figures(["", ""], REFERENCES[:2]), Resampler(["a", "b"], 10))
    for name, figure in detail["figures"].items():
        assert figure["value"] == pytest.approx(0, abs=1e-9), name
