"""Language metrics as R2Gen counts them: texts cleaned its way, COCO's scorers.

R2Gen cleans texts, cuts them into words at spaces and scores them with pycocoevalcap (`modules/metrics.py`
there; R2GenGPT likewise, but it keeps the colon). Three things are not done here: both cut the references
to the generation length, R2Gen makes words that are rare in training one unknown word, and neither cleans
what its own model writes, which has learned to write like that; a report from anywhere else has not.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from orapo.evaluation.bootstrap import Resampler
from orapo.evaluation.counts import Weights
from orapo.evaluation.figures.language import (
    ORDERS,
    Figures,
    bleu_counts,
    existing_cider,
    figure,
    without_sequences,
)

CONVENTION: Final = (
    "R2Gen's: both sides lower-cased, list numbers and punctuation removed, sentences ended by ' . ', "
    "words cut at spaces, scored as by pycocoevalcap; nothing is cut to a length, no word made unknown"
)
MEANING: Final = {
    **{f"bleu{order}": f"COCO's corpus BLEU of 1- to {order}-grams" for order in ORDERS},
    "rouge_l": "pycocoevalcap, mean F of ROUGE-L with beta 1.2",
    "cider": "pycocoevalcap, mean CIDEr; document frequencies of all references",
}

# Inside brackets ":-[" is a range in R2Gen too: a hyphen stays, "<=>?@" and others go.
_PUNCTUATION: Final = re.compile(r"[.,?;*!%^&_+():-\[\]{}]")
_QUOTES: Final = str.maketrans("", "", "\"/\\'")
_LIST_NUMBERS: Final = "2345"
# COCO's guards against division by zero, which show in the last digits.
_TINY: Final = 1e-15
_SMALL: Final = 1e-9


@dataclass(frozen=True)
class R2GenFigures:
    """What the metrics are computed from, study by study.

    Attributes:
        matched: (studies, 4) n-grams of the generated report that the reference holds.
        total: (studies, 4) n-grams of the generated report.
        lengths: (studies, 2) words of the generated report and of the reference.
        rouge_l: (studies,).
        cider: (studies,).
    """

    matched: Figures
    total: Figures
    lengths: Figures
    rouge_l: Figures
    cider: Figures


def r2gen_text(report: str) -> str:
    """Clean a report as R2Gen does for MIMIC-CXR, its slips included.

    Slips: "1. " goes wherever it stands ("T11. " too), and a decimal point is taken for a full stop
    without a space and goes ("3.5 cm" is "35 cm"). An empty report stays empty.
    """
    text = re.sub(r"\.+", ".", re.sub(" +", " ", report.replace("\n", " "))).replace("1. ", "")
    for before in (". ", " "):
        for number in _LIST_NUMBERS:
            text = text.replace(f"{before}{number}. ", ". ")
    text = text.strip().lower()
    if not text:
        return ""
    sentences = [
        _PUNCTUATION.sub("", sentence.translate(_QUOTES).strip()) for sentence in text.split(". ")
    ]
    return " . ".join(sentences) + " ."


def r2gen_figures(generated: Sequence[str], references: Sequence[str]) -> R2GenFigures:
    """Read N generated reports beside N references; needs the extra ``language``."""
    from pycocoevalcap.cider.cider import Cider
    from pycocoevalcap.rouge.rouge import Rouge

    generated, references = [
        [r2gen_text(text) for text in side] for side in (generated, references)
    ]
    # pycocoevalcap's own BLEU is marked "not for commercial use"; the counts are the same
    matched, total, lengths = bleu_counts(generated, references, "none")
    sides = [{index: [text] for index, text in enumerate(side)} for side in (references, generated)]
    _, rouge = Rouge().compute_score(*sides)
    _, cider = Cider().compute_score(*sides)
    return R2GenFigures(
        matched, total, lengths, np.asarray(rouge, np.float64), existing_cider(cider, references)
    )


def r2gen_detail(figures: R2GenFigures, resampler: Resampler) -> dict[str, Any]:
    """Return every metric with its interval and what it is, ready for JSON."""
    intervals = resampler.interval(lambda weights: r2gen_statistics(figures, weights))
    return {
        "convention": CONVENTION,
        "figures": {
            name: figure(name, interval, meaning)
            for (name, meaning), interval in zip(MEANING.items(), intervals, strict=True)
        },
    }


def r2gen_statistics(figures: R2GenFigures, weights: Weights) -> Figures:
    """Return the metrics in `MEANING`'s order, (R, metrics), for (R, studies) weights."""
    matched, total = weights @ figures.matched, weights @ figures.total
    generated, reference = (weights @ figures.lengths).T
    precision = np.cumprod((matched + _TINY) / (total + _SMALL), axis=1)
    ratio = (generated + _TINY) / (reference + _SMALL)
    brevity = np.where(ratio < 1, np.exp(1 - 1 / ratio), 1.0)
    bleus = precision ** (1 / np.array(ORDERS)) * brevity[:, None]
    bleus[:, without_sequences(figures.total)] = np.nan
    sizes = np.maximum(weights.sum(axis=1), 1)
    means = np.stack([weights @ figures.rouge_l / sizes, weights @ figures.cider / sizes], axis=1)
    return np.concatenate([bleus, means], axis=1)
