"""Language metrics, each by a library that others use: how alike the words are, not the facts.

Needs the extra ``language``. Both sides are lower-cased and taken as one line; sections, numbers and
punctuation stay. METEOR is left out (Java, or data that would have to be fetched). The same by the
field's own convention is in `orapo.evaluation.figures.r2gen_language`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from orapo.errors import OrapoError
from orapo.evaluation.bootstrap import Interval, Resampler
from orapo.evaluation.counts import Weights

ORDERS: Final = (1, 2, 3, 4)
MEANING: Final = {
    **{
        f"bleu{order}": f"sacrebleu, corpus BLEU of 1- to {order}-grams, from 0 to 1"
        for order in ORDERS
    },
    "chrf": "sacrebleu, corpus chrF2 of 1- to 6-character sequences, from 0 to 1",
    "rouge_l": "rouge-score, mean F of ROUGE-L without stemming",
    "cider": "pycocoevalcap, mean CIDEr over words of sacrebleu's tokenizer 13a (not PTB's, which "
    "needs Java); document frequencies of all references",
}

Figures = NDArray[np.float64]


@dataclass(frozen=True)
class LanguageFigures:
    """What language metrics are computed from, study by study.

    Attributes:
        matched: (studies, 4) n-grams of the generated report that the reference holds.
        total: (studies, 4) n-grams of the generated report.
        lengths: (studies, 2) words of the generated report and of the reference.
        characters: (studies, 18) what chrF counts: of each length from 1 to 6, sequences of the
            generated report, of the reference, and of both.
        rouge_l: (studies,).
        cider: (studies,).
    """

    matched: Figures
    total: Figures
    lengths: Figures
    characters: Figures
    rouge_l: Figures
    cider: Figures

    def beside(self, other: LanguageFigures) -> LanguageFigures:
        """Return these studies, and those of ``other`` after them."""
        mine, theirs = vars(self).values(), vars(other).values()
        return LanguageFigures(*(np.concatenate(both) for both in zip(mine, theirs, strict=True)))


def language_figures(generated: Sequence[str], references: Sequence[str]) -> LanguageFigures:
    """Read N generated reports beside N references.

    Raises:
        OrapoError: The extra ``language`` is not installed.
    """
    try:
        from pycocoevalcap.cider.cider import Cider
        from rouge_score.rouge_scorer import RougeScorer
        from sacrebleu import CHRF
        from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a
    except ImportError as error:
        raise OrapoError(
            f"language metrics need {error.name}: pip install 'orapo[language]'"
        ) from None
    generated, references = [_line(text) for text in generated], [_line(one) for one in references]
    matched, total, lengths = bleu_counts(generated, references, "13a")
    # What each report adds to chrF has no public name in sacrebleu (2.0 to 2.6); the tests compare
    # with its public corpus score.
    characters = CHRF()._extract_corpus_statistics(generated, [references])
    rouge = RougeScorer(["rougeL"], use_stemmer=False)
    words = Tokenizer13a()  # type: ignore[no-untyped-call]
    _, cider = Cider().compute_score(
        {index: [words(text)] for index, text in enumerate(references)},
        {index: [words(text)] for index, text in enumerate(generated)},
    )
    return LanguageFigures(
        matched=matched,
        total=total,
        lengths=lengths,
        characters=np.array(characters, dtype=np.float64),
        rouge_l=np.array(
            [
                rouge.score(reference, text)["rougeL"].fmeasure
                for text, reference in zip(generated, references, strict=True)
            ]
        ),
        cider=existing_cider(cider, references),
    )


def existing_cider(values: Any, references: Sequence[str]) -> Figures:
    """Return CIDEr of each report; NaN where all references are one text.

    Its weights are logarithms of N over the number of references with an n-gram: all are 0 then.
    """
    if len(set(references)) < 2:
        return np.full(len(references), np.nan)
    return np.asarray(values, dtype=np.float64)


def bleu_counts(
    generated: Sequence[str], references: Sequence[str], tokenizer: str
) -> tuple[Figures, Figures, Figures]:
    """Return what BLEU of N reports is made of, by sacrebleu with one of its tokenizers.

    Returns:
        Matched n-grams and all n-grams of the generated reports, (N, 4) each, and words of both
        sides, (N, 2).
    """
    from sacrebleu import BLEU

    bleu = BLEU(max_ngram_order=max(ORDERS), effective_order=True, tokenize=tokenizer)
    each = [
        bleu.sentence_score(text, [reference])
        for text, reference in zip(generated, references, strict=True)
    ]
    return (
        np.array([one.counts for one in each], dtype=np.float64),
        np.array([one.totals for one in each], dtype=np.float64),
        np.array([(one.sys_len, one.ref_len) for one in each], dtype=np.float64),
    )


def language_detail(figures: LanguageFigures, resampler: Resampler) -> dict[str, Any]:
    """Return every metric with its interval and what it is, ready for JSON."""
    names = list(MEANING)
    intervals = resampler.interval(lambda weights: language_statistics(figures, weights))
    return {
        "convention": "lower-cased, one line; findings and impression as they stand",
        "libraries": {
            name: version(name) for name in ("sacrebleu", "rouge-score", "pycocoevalcap")
        },
        "signatures": {
            "bleu": f"nrefs:1|case:lc|eff:no|tok:13a|smooth:exp|version:{version('sacrebleu')}",
            "chrf": f"nrefs:1|case:lc|eff:yes|nc:6|nw:0|space:no|version:{version('sacrebleu')}",
        },
        "figures": {
            name: figure(name, interval, MEANING[name])
            for name, interval in zip(names, intervals, strict=True)
        },
    }


def figure(name: str, interval: Interval, meaning: str) -> dict[str, Any]:
    """Return a language metric for JSON, with the reason where there is none."""
    found: dict[str, Any] = {**interval.as_dict(), "meaning": meaning}
    if found["value"] is None:
        found["reason"] = (
            "needs two references that differ"
            if name == "cider"
            else f"no generated report has {name.removeprefix('bleu')} words"
        )
    return found


def language_statistics(figures: LanguageFigures, weights: Weights) -> Figures:
    """Return the metrics in `MEANING`'s order, (R, metrics), for (R, studies) weights."""
    matched, total = weights @ figures.matched, weights @ figures.total
    lengths = weights @ figures.lengths
    sizes = np.maximum(weights.sum(axis=1), 1)
    bleus = np.array(
        [
            [_bleu(row, order) for order in ORDERS]
            for row in zip(matched, total, lengths, strict=True)
        ]
    )
    bleus[:, without_sequences(figures.total)] = np.nan
    from sacrebleu import CHRF

    chrf = CHRF()
    characters = [
        chrf._compute_score_from_stats([int(count) for count in row]).score / 100
        for row in weights @ figures.characters
    ]
    means = [weights @ figures.rouge_l / sizes, weights @ figures.cider / sizes]
    return np.concatenate([bleus, np.stack([np.array(characters), *means], axis=1)], axis=1)


def without_sequences(total: Figures) -> NDArray[np.bool_]:
    """Return the orders, (4,), of which reports that do say something hold no n-gram."""
    whole = total.sum(axis=0)
    missing: NDArray[np.bool_] = (whole == 0) & (whole[0] > 0)
    return missing


def _bleu(sums: tuple[Figures, Figures, Figures], order: int) -> float:
    """Corpus BLEU of sums over studies, by sacrebleu's own function."""
    from sacrebleu import BLEU

    matched, total, (generated, reference) = sums
    score = BLEU.compute_bleu(
        [int(count) for count in matched[:order]],
        [int(count) for count in total[:order]],
        int(generated),
        int(reference),
        smooth_method="exp",
        max_ngram_order=order,
    )
    return float(score.score) / 100


def _line(text: str) -> str:
    return " ".join(text.lower().split())
