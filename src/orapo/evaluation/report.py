"""The evaluation as one self-contained HTML page that makes no request to anywhere.

Report texts are untrusted: the template engine escapes them, and the page's own security policy
forbids requests and every script but the page's own, by its hash.
"""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import jinja2
import markupsafe
from PIL import Image

from orapo.data.images import read_image
from orapo.errors import OrapoError
from orapo.evaluation.graded_marks import TITLES, FactVerdict, GradedView, graded_view, with_partly
from orapo.evaluation.report_figures import UNITS, in_units
from orapo.evaluation.rows import TRIVIAL_TITLES, best_trivial, result_rows, row_title
from orapo.evaluation.verdicts import (
    AnyVerdict,
    LabelOutcome,
    Piece,
    ReferenceVerdict,
    generated_pieces,
    label_outcome,
    reference_pieces,
)
from orapo.facts import Verdict, label_report
from orapo.facts.fact import ReportFacts
from orapo.labels import DEFAULT_UNCERTAIN, LABELS, LabelValue, UncertainPolicy
from orapo.writing import write_bytes

_MAX_PIXELS: Final = 512  # longest side of an embedded film


@dataclass(frozen=True, slots=True)
class ExampleStudy:
    """A study shown in the report with its film and the reports of one or more models.

    Attributes:
        study_id: The study.
        image: Its film, as an image or an image file; None shows the texts alone.
        reference_text: The radiologist's report; may be empty.
        reference_labels: The labels that the generated reports are judged by.
        generated: Name of the model (a row of the metrics) to its report, in the order shown.
        generated_labels: Name of the model to the labels that its report is scored by, where they
            are another labeler's; else FactS'.
    """

    study_id: str
    image: Image.Image | Path | None
    reference_text: str
    reference_labels: Mapping[str, LabelValue]
    generated: Mapping[str, str]
    generated_labels: Mapping[str, Mapping[str, LabelValue]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Mark:
    """How a verdict looks and reads; colours and underlines are in report.css, by its value."""

    verdict: AnyVerdict
    symbol: str
    title: str
    meaning: str


_MARKS: Final = (
    _Mark(Verdict.ENTAILED, "✓", "right", "states a finding that is in the reference"),
    _Mark(
        FactVerdict.PARTLY,
        "≈",
        "partly right",
        "states a finding that is there; its side, size, change or position is wrong",
    ),
    _Mark(Verdict.FALSE_ALARM, "✗", "false alarm", "states a finding that is not there"),
    _Mark(Verdict.CONTRADICTION, "≠", "contradiction", "denies a finding that is there"),
    _Mark(Verdict.AGREED_ABSENT, "○", "rightly absent", "denies a finding that is not there"),
    _Mark(
        Verdict.UNSCORED,
        "–",
        "not checkable",
        "no label stands for it, or it is uncertain where that is left out",
    ),
    _Mark(ReferenceVerdict.FOUND, "✓", "found", "in the reference, and the model says it"),
    _Mark(ReferenceVerdict.MISSED, "✗", "missed", "in the reference, and the model does not"),
)


@dataclass(frozen=True, slots=True)
class _ModelText:
    title: str
    pieces: tuple[Piece, ...]
    reference: tuple[Piece, ...]
    outcome: LabelOutcome
    graded: GradedView | None


@dataclass(frozen=True, slots=True)
class _ExampleView:
    study_id: str
    image: str | None
    labels: tuple[str, ...]
    cases: tuple[str, ...]
    """``kind:label`` pairs, which the filters look for."""
    reference_text: str
    models: tuple[_ModelText, ...] = field(default_factory=tuple)


def write_report(
    path: Path,
    metrics: Mapping[str, Any],
    plots: Mapping[str, Path],
    examples: Sequence[ExampleStudy],
    notes: Sequence[str] = (),
    *,
    worst: Sequence[ExampleStudy] = (),
    title: str = "Evaluation of chest X-ray reports",
    uncertain: UncertainPolicy = DEFAULT_UNCERTAIN,
    warnings: Sequence[str] = (),
) -> None:
    """Write the evaluation as one HTML file that needs nothing beside it.

    Args:
        path: The file to write; it is replaced only when the new page is whole.
        metrics: What ``metrics.json`` holds: one dict a row (``base``, ``orapo``, the trivial baselines
            ...) with at least ``macro_f1, macro_precision, macro_recall, micro_f1, per_label``
            and, for trained models, ``zero_reward_share`` ((step, share) pairs), ``rollouts`` and
            ``seconds``; ``detail`` as :func:`orapo.evaluation.detail.detailed` and the command
            make it; all other keys (``seed``, ``versions``, ``command`` ...) are settings.
            What is missing is left out of the page.
        plots: Title to PNG file.
        examples: Studies to show, with their reports coloured by FactS' verdicts.
        notes: Sentences for the reader, e.g. which rows are absent and why.
        worst: The studies with most errors, worst first, in a section of their own.
        title: The page's heading.
        uncertain: What -1 counts as in the colouring.
        warnings: What nobody may overlook, above all else.

    Raises:
        OrapoError: An image can't be read or the page can't be written.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("orapo.evaluation", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    rows = result_rows(metrics)
    best = best_trivial(metrics)
    # As it stands in the page: the policy lets this script run and no other one.
    script = environment.get_template("report.js").render()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    shown = [_example(study, uncertain) for study in examples]
    bad = [_example(study, uncertain) for study in worst]
    page = environment.get_template("report.html.j2").render(
        script=markupsafe.Markup(script),
        script_hash=digest,
        examples=shown,
        worst=bad,
        filter_labels=_concerned([*shown, *bad]),
        title=title,
        rows=rows,
        trivial=TRIVIAL_TITLES,
        best_trivial=best,
        row_title=row_title,
        columns=_columns(rows),
        final_share={name: final_share(row.get("zero_reward_share")) for name, row in rows.items()},
        labels=[name for name in LABELS if any(name in _per_label(row) for row in rows.values())],
        label_rows=[name for name in rows if name not in TRIVIAL_TITLES or name == best],
        per_label={name: _per_label(row) for name, row in rows.items()},
        macro_labels=next(
            (row["macro_labels"] for row in rows.values() if "macro_labels" in row), []
        ),
        convention=next((row["convention"] for row in rows.values() if row.get("convention")), {}),
        studies=next((row["studies"] for row in rows.values() if "studies" in row), None),
        plots=[(name, _plot_address(file)) for name, file in plots.items()],
        marks={mark.verdict: mark for mark in _MARKS},
        fact_titles=TITLES,
        uncertain=uncertain,
        notes=notes,
        units=UNITS,
        in_units=in_units,
        warnings=warnings,
        detail=metrics.get("detail"),
        intervals=_intervals(metrics.get("detail")),
        given_labels=str(metrics.get("prediction_labels", "")).startswith("given"),
        settings=_settings(metrics, {**rows, "detail": {}}),
    )
    write_page(path, page)


def final_share(curve: object) -> float | None:
    """Return the mean of the last tenth of a zero-reward curve; None if there is none.

    Args:
        curve: (step, share) pairs, or a dict of step to share (steps may be text, as JSON has it).
    """
    if isinstance(curve, Mapping):
        curve = [(int(step), share) for step, share in curve.items()]
    if not isinstance(curve, Sequence) or isinstance(curve, str):
        return None
    shares = [float(share) for _, share in sorted(curve) if share is not None and share == share]
    if not shares:
        return None
    last = shares[-max(1, len(shares) // 10) :]
    return sum(last) / len(last)


def _columns(rows: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Return the headline's columns (key, heading) that at least one row has."""
    columns = [
        ("macro_f1", "Macro F1"),
        ("macro_precision", "Precision"),
        ("macro_recall", "Recall"),
        ("micro_f1", "Micro F1"),
        ("r2gen_macro_f1", "R2Gen F1"),
        ("zero_reward_share", "Zero reward at the end"),
        ("rollouts", "Rollouts"),
        ("seconds", "Seconds"),
    ]
    return [(key, text) for key, text in columns if any(key in row for row in rows.values())]


def _intervals(detail: Mapping[str, Any] | None) -> dict[str, Mapping[str, Any]]:
    """Return the headline's intervals of the rows that have them: row to figure to interval."""
    headline = (detail or {}).get("headline", {})
    rows = {"model": headline["model"]} if headline else {}
    if "best_trivial" in headline and detail:
        rows[detail["lift"]["over"]] = headline["best_trivial"]
    return rows


def _per_label(row: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    scores: Mapping[str, Mapping[str, Any]] = row.get("per_label") or {}
    return scores


def _settings(
    metrics: Mapping[str, Any], rows: Mapping[str, Mapping[str, Any]]
) -> list[tuple[str, str]]:
    def text(value: object) -> str:
        if isinstance(value, Mapping):
            return ", ".join(f"{key} {item}" for key, item in value.items())
        if isinstance(value, Sequence) and not isinstance(value, str):
            return " ".join(map(str, value))
        return str(value)

    return [
        (key.replace("_", " "), text(value)) for key, value in metrics.items() if key not in rows
    ]


def _example(study: ExampleStudy, uncertain: UncertainPolicy) -> _ExampleView:
    reference = label_report(study.reference_text)
    models = tuple(
        _model_text(name, label_report(text), reference, study, uncertain)
        for name, text in study.generated.items()
    )
    return _ExampleView(
        study_id=study.study_id,
        image=None if study.image is None else _film_address(study.image),
        labels=tuple(
            f"{name} (uncertain)" if study.reference_labels[name] == -1 else name
            for name in LABELS
            if study.reference_labels.get(name) in (1, -1)
        ),
        cases=tuple(sorted({case for model in models for case in _cases(model.outcome)})),
        reference_text=study.reference_text,
        models=models,
    )


def _concerned(studies: Sequence[_ExampleView]) -> list[str]:
    """Return the labels that the filter offers: those that something happened to."""
    names = {case.partition(":")[2] for study in studies for case in study.cases}
    return [name for name in LABELS if name in names]


def _cases(outcome: LabelOutcome) -> Iterator[str]:
    for kind, labels in {
        "found": outcome.found,
        "missed": outcome.missed,
        "false alarm": outcome.false_alarms,
        "contradiction": outcome.contradicted,
        "uncertain": outcome.one_sided,
    }.items():
        yield from (f"{kind}:{label}" for label in labels)


def _model_text(
    name: str,
    generated: ReportFacts,
    reference: ReportFacts,
    study: ExampleStudy,
    uncertain: UncertainPolicy,
) -> _ModelText:
    labels = study.generated_labels.get(name, generated.labels)
    pieces = generated_pieces(generated, study.reference_labels, uncertain=uncertain)
    graded = graded_view(generated.text, reference.text)
    return _ModelText(
        title=row_title(name),
        pieces=with_partly(pieces, graded.partly if graded else ()),
        reference=with_partly(
            reference_pieces(reference, labels, uncertain=uncertain),
            graded.reference_partly if graded else (),
        ),
        outcome=label_outcome(
            labels, study.reference_labels, denied=generated.denied, uncertain=uncertain
        ),
        graded=graded,
    )


def _plot_address(plot: Path) -> str:
    """Return a PNG file as a ``data:`` address, byte for byte."""
    try:
        return _address(plot.read_bytes())
    except OSError as error:
        raise OrapoError(f"{plot}: can't be read ({error.strerror})") from None


def _film_address(film: Image.Image | Path) -> str:
    """Return a film as a ``data:`` address, in grey and no larger than the page needs."""
    grey = read_image(film) if isinstance(film, Path) else film.convert("L")
    grey.thumbnail((_MAX_PIXELS, _MAX_PIXELS))
    buffer = io.BytesIO()
    grey.save(buffer, format="JPEG", quality=80)
    return _address(buffer.getvalue(), "jpeg")


def _address(picture: bytes, kind: str = "png") -> str:
    return f"data:image/{kind};base64," + base64.b64encode(picture).decode("ascii")


def write_page(path: Path, page: str) -> None:
    """Write a page whole, or leave the older one.

    Raises:
        OrapoError: It can't be written.
    """
    # "replace": JSON may smuggle in half a surrogate pair, which UTF-8 can't hold
    write_bytes(path, page.encode("utf-8", "replace"))
