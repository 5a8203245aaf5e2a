"""Language metrics agree with the libraries called directly, and their intervals with resampling."""

import builtins

import numpy as np
import pytest
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu import BLEU, CHRF
from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

from orapo import OrapoError
from orapo.evaluation.bootstrap import Resampler
from orapo.evaluation.figures.language import language_detail, language_figures

GENERATED = [
    "The heart is normal in size.\nNo pleural effusion.",
    "",
    "There is a small left pleural effusion; the lungs are otherwise clear.",
    "NO ACUTE DISEASE.",
    "Mild cardiomegaly.",
]
REFERENCES = [
    "Heart size is normal. No pleural effusion or pneumothorax.",
    "No acute disease.",
    "Small left pleural effusion. Lungs otherwise clear.",
    "No acute disease.",
    "Heart size is at the upper limits of normal. 3.5 cm nodule in the right lung.",
]
PATIENTS = ["a", "a", "b", "", ""]


def plain(texts):
    return [" ".join(text.lower().split()) for text in texts]


def direct(generated, references):
    """Every metric by its library's own corpus function, nothing of ours."""
    generated, references = plain(generated), plain(references)
    figures = {
        f"bleu{n}": BLEU(max_ngram_order=n).corpus_score(generated, [references]).score / 100
        for n in (1, 2, 3, 4)
    }
    figures["chrf"] = CHRF().corpus_score(generated, [references]).score / 100
    rouge = RougeScorer(["rougeL"])
    scores = [
        rouge.score(r, g)["rougeL"].fmeasure for g, r in zip(generated, references, strict=True)
    ]
    figures["rouge_l"] = float(np.mean(scores))
    return figures


@pytest.fixture
def detail():
    figures = language_figures(GENERATED, REFERENCES)
    return language_detail(figures, Resampler(PATIENTS, resamples=200, seed=3))


def test_bleu_chrf_and_rouge_are_those_of_the_libraries(detail):
    for name, expected in direct(GENERATED, REFERENCES).items():
        assert detail["figures"][name]["value"] == pytest.approx(expected, abs=1e-9), name


def test_cider_is_that_of_pycocoevalcap(detail):
    words = Tokenizer13a()
    sides = [
        {n: [words(text)] for n, text in enumerate(plain(texts))}
        for texts in (REFERENCES, GENERATED)
    ]
    mean, _ = Cider().compute_score(*sides)
    assert detail["figures"]["cider"]["value"] == pytest.approx(mean, abs=1e-9)
    # and our BLEU is that of the captioning field, up to its smoothing of orders without a match
    coco, _ = Bleu(4).compute_score(*sides, verbose=0)
    ours = [detail["figures"][f"bleu{n}"]["value"] for n in (1, 2, 3, 4)]
    assert ours == pytest.approx(coco, abs=1e-6)


def test_intervals_are_those_of_whole_corpora_drawn_by_patient(detail):
    """The corpora of each resample are written out and scored by the libraries."""
    resampler = Resampler(PATIENTS, resamples=200, seed=3)
    draws = []

    def corpora(weights):
        for row in weights.astype(int):
            chosen = np.repeat(np.arange(len(row)), row)
            scored = direct([GENERATED[i] for i in chosen], [REFERENCES[i] for i in chosen])
            draws.append(scored)
        return np.zeros(len(weights))

    resampler.draw(corpora)
    for name in ("bleu1", "bleu4", "chrf", "rouge_l"):
        low, high = np.percentile([one[name] for one in draws], [2.5, 97.5])
        figure = detail["figures"][name]
        assert (figure["low"], figure["high"]) == pytest.approx((low, high), abs=1e-9)


def test_equal_texts_score_one():
    figures = language_figures(REFERENCES, REFERENCES)
    detail = language_detail(figures, Resampler(PATIENTS, resamples=10))
    for name in ("bleu1", "bleu4", "chrf", "rouge_l"):
        assert detail["figures"][name]["value"] == pytest.approx(1.0)


def test_reports_that_are_all_empty_score_zero():
    figures = language_figures(["", ""], REFERENCES[:2])
    detail = language_detail(figures, Resampler(["a", "b"], resamples=10))
    assert {name: one["value"] for name, one in detail["figures"].items()} == dict.fromkeys(
        ("bleu1", "bleu2", "bleu3", "bleu4", "chrf", "rouge_l", "cider"), 0.0
    )


def test_the_signatures_are_sacrebleu_s_own(detail):
    for name, metric in (("bleu", BLEU(lowercase=True)), ("chrf", CHRF(lowercase=True))):
        metric.corpus_score(["a"], [["a"]])
        assert detail["signatures"][name] == str(metric.get_signature())


def test_without_the_extra_it_is_named(monkeypatch):
    found = builtins.__import__

    def no_rouge(name, *args, **kwargs):
        if name.startswith("rouge_score"):
            raise ImportError(name="rouge_score")
        return found(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", no_rouge)
    with pytest.raises(OrapoError, match=r"rouge_score: pip install 'orapo\[language\]'"):
        language_figures(["a"], ["a"])
