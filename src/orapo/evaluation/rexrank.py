"""ReXrank's convention: its two splits of sections, its metrics in its order, its files.

After its own pipeline (github.com/rajpurkarlab/ReXrank-metric): a reference is "Findings: ..." in the
split ``findings`` and "Findings: ... Impression: ..." in the split ``reports``; the generated report is
taken as it stands. BLEU-2 is the mean over reports of the sentence's BLEU, of words cut at spaces, in
lower case, a full stop being a word. The others need weights and come from RadEval's own parts with
ReXrank's settings (`orapo.evaluation.figures.radeval_runner`): BERTScore by distilroberta-base with baseline and
without IDF, SembScore by CheXbert, RadGraph of PhysioNet (mean of entity and relation F1), RadCliQ-v1 of
these, RaTEScore, GREEN. 1/RadCliQ-v1, by which it ranks, is one over the mean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from orapo.data.sources.report_sections import split_report
from orapo.data.tables.columns import Wanted
from orapo.data.tables.reading import columns_of
from orapo.data.tables.writing import write_rows
from orapo.errors import OrapoError
from orapo.evaluation.bootstrap import NO_FIGURE, Resampler
from orapo.evaluation.counts import Weights
from orapo.evaluation.detail import mean_over_studies
from orapo.evaluation.figures.radeval import radeval_detail, radeval_metrics, run_radeval
from orapo.evaluation.inputs import Reference, read_text_labels
from orapo.evaluation.matching import Matched
from orapo.writing import json_text, write_text

RADEVAL: Final = ("rexrank", "ratescore", "green")
"""What of `orapo.evaluation.figures.radeval` ReXrank's metrics are, in place of ``all``."""
COLUMNS: Final[Mapping[str, str]] = {
    "bleu_score": "BLEU-2, mean over reports (NLTK, smoothing 1; the same as fast-bleu's)",
    "bertscore": "BERTScore, distilroberta-base, rescaled, without IDF",
    "semb_score": "SembScore, cosine of CheXbert's embeddings",
    "radgraph_combined": "RadGraph (PhysioNet's model), mean of entity and relation F1",
    "1/RadCliQ-v1": "one over the mean RadCliQ-v1; ReXrank ranks by it",
    "ratescore": "RaTEScore",
    "green_score": "GREEN, by GREEN-radllama2-7b",
}
"""ReXrank's columns in its order, and what each is; more is better in all of them."""
_FROM_RADEVAL: Final = {
    "bertscore": ("rexrank", "bertscore"),
    "semb_score": ("rexrank", "semb_score"),
    "radgraph_combined": ("rexrank", "radgraph_combined"),
    "1/RadCliQ-v1": ("rexrank", "radcliq_v1"),
    "ratescore": ("ratescore", "ratescore"),
    "green_score": ("green", "green"),
}
_PREDICTION: Final = "model_prediction"
_SECTIONS: Final = ("section_findings", "section_impression")
_ABSENT: Final = "needs weights: --radeval all"


class Convention(StrEnum):
    """Whose rules an evaluation follows, and for which sections."""

    REXRANK = "rexrank"
    """Findings and impression, its split ``reports``."""
    REXRANK_FINDINGS = "rexrank-findings"
    """Its split ``findings``."""

    @property
    def of_rexrank(self) -> str:
        """ReXrank's name of it."""
        return "reports" if self is Convention.REXRANK else "findings"


class Rexrank:
    """An evaluation by ReXrank's rules; its steps in the order in which they are called.

    Args:
        convention: Which split's sections are scored.

    Attributes:
        left_out: Studies whose reference has none of these sections, once `taken` was called.

    Raises:
        OrapoError: The extra ``language`` is not installed.
    """

    def __init__(self, convention: Convention) -> None:
        self.convention = convention
        self.left_out = 0
        self._matched: Matched | None = None
        bleu_2([], [])  # says now what is not installed, not when all else is computed

    def asked(self, names: str) -> list[str]:
        """Return what of RadEval is asked for; ``all`` is what ReXrank has.

        Raises:
            OrapoError: ReXrank has no such metric.
        """
        return radeval_metrics(names, RADEVAL, RADEVAL)

    def columns(
        self, predictions: Path, references: Path, wanted: tuple[Wanted, Wanted]
    ) -> tuple[Wanted, Wanted]:
        """Name the columns of ReXrank's own files, where they are such and the user names none.

        Beside ``model_prediction`` they hold the reference, as sections and in some sets as ``report``.
        """
        mine, theirs = wanted
        if not _names_text(mine) and _PREDICTION in columns_of(predictions):
            mine = replace(mine, text=_PREDICTION)
        there = columns_of(references) if not _names_text(theirs) else []
        if any(name in there for name in _SECTIONS):
            findings, impression = (name if name in there else None for name in _SECTIONS)
            theirs = replace(theirs, findings=findings, impression=impression)
        return mine, theirs

    def taken(self, matched: Matched) -> Matched:
        """Return both sides with the references' sections that are scored, and nothing else of them.

        Labels that FactS read from a reference are read again, from these sections alone; given ones
        stay.

        Raises:
            OrapoError: No reference has such a section.
        """
        truth: dict[str, Reference] = {}
        for study, reference in matched.truth.items():
            one = _with_sections(reference)
            if self.convention is Convention.REXRANK_FINDINGS:
                labels = read_text_labels(one.findings) if one.origin == "facts" else one.labels
                one = replace(one, impression="", report=one.findings, labels=labels)
            if one.findings or one.impression:
                truth[study] = one
        if not truth:
            raise OrapoError(
                f"--convention {self.convention.value}: no reference has {' or '.join(self._names)}"
            )
        self.left_out = len(matched.truth) - len(truth)
        self._matched = replace(
            matched,
            truth=truth,
            reports={study: matched.reports[study] for study in truth},
            missing=matched.missing & truth.keys(),
        )
        return self._matched

    def scored(
        self,
        resampler: Resampler,
        asked: Sequence[str] = (),
        python: str | None = None,
        timeout: float | None = None,
    ) -> tuple[dict[str, Any], list[str]]:
        """Return ReXrank's metrics with intervals, ready for JSON, and what to say of absent ones.

        Args:
            resampler: Of the studies that were `taken`.
            asked: Metrics of RadEval.
            python: The Python that has it; None: this one.
            timeout: Seconds after which it is stopped.
        """
        matched = self._taken
        generated = list(matched.reports.values())
        references = [reference_text(one) for one in matched.truth.values()]
        result: Mapping[str, Any] = {}
        said: list[str] = []
        if asked:
            result = run_radeval(generated, references, asked, python, timeout)
            _, said = radeval_detail(dict(result), asked, resampler)
        figures: dict[str, Any] = {}
        for column, meaning in COLUMNS.items():
            if column == "bleu_score":
                each, reason = bleu_2(generated, references).tolist(), ""
            else:
                each, reason = _by_radeval(column, result)
            figures[column] = {**_figure(column, each, reason, resampler), "meaning": meaning}
        detail = {
            "split": self.convention.of_rexrank,
            "studies": len(generated),
            "left_out": self.left_out,
            "beside": f"ReXrank's leaderboard (rexrank.ai), {self.convention.of_rexrank}, same data set",
            "radeval": result.get("version") or None,
            "figures": figures,
        }
        return detail, said

    def notes(self, detail: Mapping[str, Any]) -> list[str]:
        """Say what a reader of ReXrank's figures must know."""
        sections = " and ".join(self._names)
        notes = [
            f"Sections of the references: {sections} (ReXrank's {self.convention.of_rexrank})."
        ]
        if self.left_out:
            notes.append(f"Studies without {sections}, left out: {self.left_out}.")
        if self.convention is Convention.REXRANK_FINDINGS:
            texts = self._taken.reports.values()
            more = sum("impression:" in text.lower() for text in texts)
            if more:
                notes.append(
                    f"Generated reports that hold an impression, which is not scored here: {more}."
                )
        needing = [name for name, one in detail["figures"].items() if one.get("reason") == _ABSENT]
        if needing:
            notes.append(f"ReXrank's {', '.join(needing)}: {_ABSENT}.")
        if not any("findings:" in text.lower() for text in self._taken.reports.values()):
            notes.append(
                'No generated report names its sections; ReXrank\'s references do ("Findings: ..."), '
                "which its word metrics count."
            )
        return notes

    def write(self, out: Path, detail: Mapping[str, Any]) -> None:
        """Write ``rexrank.json``, the submission with both sides, and ``rexrank.csv``, its summary.

        The former holds the reports. The latter has ReXrank's columns in its order, as many as were
        scored, with three places as there.

        Raises:
            OrapoError: They can't be written.
        """
        submission = {
            study: {
                "section_findings": reference.findings or None,
                "section_impression": reference.impression or None,
                _PREDICTION: self._taken.reports[study],
            }
            for study, reference in self._taken.truth.items()
        }
        text = json_text(submission, indent=4, ensure_ascii=False)
        write_text(out / "rexrank.json", text + "\n")
        values = {
            column: f"{figure['value']:.3f}"
            for column, figure in detail["figures"].items()
            if figure["value"] is not None
        }
        with write_rows(out / "rexrank.csv", tuple(values)) as write:
            write(values)

    @property
    def _names(self) -> tuple[str, ...]:
        findings = self.convention is Convention.REXRANK_FINDINGS
        return ("findings",) if findings else ("findings", "impression")

    @property
    def _taken(self) -> Matched:
        if self._matched is None:
            raise RuntimeError("`taken` comes first")
        return self._matched


def _names_text(wanted: Wanted) -> bool:
    return bool(wanted.text or wanted.findings or wanted.impression)


def _by_radeval(column: str, result: Mapping[str, Any]) -> tuple[Any, str]:
    """Return a figure of each report, and why there is none."""
    if not result:
        return None, _ABSENT
    if "missing" in result:
        return None, "RadEval can't be imported"
    metric, name = _FROM_RADEVAL[column]
    scored = result["metrics"].get(metric, {"error": "not asked for"})
    return scored.get("figures", {}).get(name), scored.get("error", f"RadEval gave no {name}")


def _with_sections(reference: Reference) -> Reference:
    if reference.findings or reference.impression:
        return reference
    sections = split_report(reference.report)
    return replace(reference, findings=sections.findings, impression=sections.impression)


def reference_text(reference: Reference) -> str:
    """Return a reference as ReXrank has it: each section that is there under its name."""
    named = {"Findings": reference.findings, "Impression": reference.impression}
    return " ".join(f"{name}: {text}" for name, text in named.items() if text)


def bleu_2(generated: Sequence[str], references: Sequence[str]) -> NDArray[np.float64]:
    """Return BLEU-2 of each of N reports as ReXrank counts it, (N,).

    Raises:
        OrapoError: The extra ``language`` is not installed.
    """
    try:
        from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu
    except ImportError:
        raise OrapoError("ReXrank's BLEU-2 needs nltk: pip install 'orapo[language]'") from None
    smoothing = SmoothingFunction().method1
    return np.array(
        [
            sentence_bleu(
                [_words(reference)],
                _words(text),
                weights=(0.5, 0.5),
                smoothing_function=smoothing,
            )
            for text, reference in zip(generated, references, strict=True)
        ],
        dtype=np.float64,
    )


def _words(text: str) -> list[str]:
    return [word for word in text.lower().replace(".", " .").split(" ") if word]


def _figure(column: str, each: Any, reason: str, resampler: Resampler) -> dict[str, Any]:
    if each is None:
        return {**NO_FIGURE.as_dict(), "reason": reason}
    values = np.array([np.nan if one is None else one for one in each], dtype=np.float64)

    def statistic(weights: Weights) -> NDArray[np.float64]:
        means = mean_over_studies(values, weights)
        if column != "1/RadCliQ-v1":
            return means
        # the worse the reports the larger is RadCliQ; at 0 and below its inverse says nothing
        inverse: NDArray[np.float64] = np.divide(
            1.0, means, out=np.full_like(means, np.nan), where=means > 0
        )
        return inverse

    (interval,) = resampler.interval(statistic)
    found: dict[str, Any] = dict(interval.as_dict())
    if found["value"] is None:
        found["reason"] = "no report could be scored, or the mean RadCliQ-v1 is not above 0"
    return found
