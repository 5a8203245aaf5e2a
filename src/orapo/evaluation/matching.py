"""Which generated report belongs to which reference, and what it means when many belong to none."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any, Final

from orapo.errors import OrapoError
from orapo.evaluation.inputs import Reference
from orapo.labels import LabelValue, any_known

SAID_ABOVE: Final = 0.02
"""Share of a side without a counterpart above which nobody may overlook it."""
REFUSED_ABOVE: Final = 0.2
"""Share above which it takes ``--partial``."""
_EXAMPLES: Final = 3
_ENDING: Final = re.compile(r"\.(?:png|jpe?g|dcm|dicom|tiff?|nii|gz|txt|xml|json)$", re.IGNORECASE)


def _without_ending(name: str) -> str:
    name = PurePosixPath(name.replace("\\", "/")).name
    while (shorter := _ENDING.sub("", name)) != name:
        name = shorter
    return name


_IGNORING: Final[Mapping[str, Callable[[str], str]]] = {
    "case": str.casefold,
    "white space": lambda name: re.sub(r"\s", "", unicodedata.normalize("NFKC", name)),
    "folders and file extensions": _without_ending,
    "leading zeros": lambda name: re.sub(r"(?<!\d)0+(?=\d)", "", name),
    "a decimal .0": lambda name: re.sub(r"\.0+$", "", name),
    "a letter before the number": lambda name: re.sub(r"^[A-Za-z]{1,2}(?=\d+$)", "", name),
    "quotation marks": lambda name: name.lstrip("=").strip("\"'"),
    "hyphens and underscores": lambda name: re.sub(r"[-_]", "", name),
}


@dataclass(frozen=True, slots=True)
class Unmatched:
    """What has no counterpart.

    Attributes:
        references: Ids of references without a prediction.
        of_references: How many references there are.
        predictions: Ids of predictions without a reference.
        of_predictions: How many predictions there are.
        elsewhere: Predictions of studies that the references hold in another split; not unmatched.
        hint: What would match more of them; empty if nothing is known to.
    """

    references: tuple[str, ...]
    of_references: int
    predictions: tuple[str, ...]
    of_predictions: int
    elsewhere: int = 0
    hint: str = ""

    @property
    def share(self) -> float:
        """The larger of both sides' shares without a counterpart."""
        return max(len(self.references) / max(1, self.of_references), self.share_of_predictions)

    @property
    def share_of_predictions(self) -> float:
        """The share of the predictions without a reference."""
        return len(self.predictions) / max(1, self.of_predictions)

    def warning(self, predictions: str, references: str) -> str:
        """Return what nobody may overlook; empty if nearly all studies match."""
        if self.share <= SAID_ABOVE:
            return ""
        return f"Ids that don't match: {self.in_words(predictions, references)}."

    def in_words(self, predictions: str, references: str) -> str:
        """Say counts, examples and the hint in one sentence."""
        sides = []
        for ids, whole, name in (
            (self.references, self.of_references, f"studies of {references} without a prediction"),
            (self.predictions, self.of_predictions, f"of {predictions} without a reference"),
        ):
            if ids:
                shown = ", ".join(each[:60] for each in ids[:_EXAMPLES])
                share = f"{100 * len(ids) / whole:.1f} %"
                sides.append(f"{len(ids):,} of {whole:,} ({share}) {name}, such as {shown}")
        return f"{'; '.join(sides)}{f'; {self.hint}' if self.hint else ''}"

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON: counts, three ids of each side, the hint."""
        return {
            "references": len(self.references),
            "predictions": len(self.predictions),
            "predictions_of_another_split": self.elsewhere,
            "reference_ids": list(self.references[:_EXAMPLES]),
            "prediction_ids": list(self.predictions[:_EXAMPLES]),
            "hint": self.hint or None,
        }


@dataclass(frozen=True, slots=True)
class Matched:
    """Both sides with the same studies, in the order of the references.

    Attributes:
        reports: Study to generated report; empty for one that is missing and not left out.
        truth: Study to reference.
        missing: Studies that count as an empty report, for there is no prediction.
        unmatched: What has no counterpart.
        warning: What nobody may overlook; empty if nearly all studies match.
        left_out: How many studies were left out, by why nothing is known of them.
    """

    reports: dict[str, str]
    truth: dict[str, Reference]
    missing: frozenset[str]
    unmatched: Unmatched
    warning: str = ""
    left_out: Mapping[str, int] = field(default_factory=dict)


def unmatched_studies(
    predicted: Collection[str],
    known: Collection[str],
    other_splits: Callable[[], Collection[str]] = frozenset,
) -> Unmatched:
    """Return what has no counterpart.

    Args:
        predicted: Ids of the predictions.
        known: Ids of the references.
        other_splits: Returns the ids of the references' other splits; asked only if need be.
    """
    mine, theirs = set(predicted), set(known)
    alone = mine - theirs
    elsewhere = alone & set(other_splits()) if alone else set()
    predictions = tuple(sorted(alone - elsewhere))
    references = tuple(sorted(theirs - mine))
    return Unmatched(
        references,
        len(theirs),
        predictions,
        len(mine) - len(elsewhere),
        len(elsewhere),
        likely_reason(predictions, references),
    )


def match_studies(
    reports: Mapping[str, str],
    truth: Mapping[str, Reference],
    allow_missing: bool | None,
    predictions: str,
    references: str,
    *,
    partial: bool = False,
    other_splits: Callable[[], Collection[str]] = frozenset,
) -> Matched:
    """Bring both sides to the same studies.

    A study without a prediction counts as an empty report, or is left out; a prediction without a
    reference is left out.

    Args:
        reports: Study id to generated report.
        truth: Study id to reference.
        allow_missing: Leave studies without a prediction out; None: nobody can ask for it.
        predictions: What to call the one side in a message.
        references: What to call the other.
        partial: Go on however much is without a counterpart.
        other_splits: As in :func:`unmatched_studies`.

    Raises:
        OrapoError: The two sides have no study in common, or more than `REFUSED_ABOVE` of a side
            has no counterpart; with ``allow_missing`` of the predictions alone.
    """
    found = unmatched_studies(reports, truth, other_splits)
    if not reports.keys() & truth.keys():
        raise OrapoError(
            f"{predictions} and {references}: have no study_id in common "
            f"(for example {next(iter(reports))} and {next(iter(truth))})"
            f"{f'; {found.hint}' if found.hint else ''}"
        )
    # who leaves studies without a prediction out has said so; ids that differ show on both sides
    asked = found.share_of_predictions if allow_missing else found.share
    enough = allow_missing is False and found.share_of_predictions <= REFUSED_ABOVE
    refuse_unmatched(asked, found.in_words(predictions, references), partial, missing_alone=enough)
    kept = {
        study: reference
        for study, reference in truth.items()
        if study in reports or not allow_missing
    }
    return Matched(
        {study: reports.get(study, "") for study in kept},
        kept,
        frozenset() if allow_missing else frozenset(found.references),
        found,
        found.warning(predictions, references),
    )


def without_unread(matched: Matched, references: str, partial: bool) -> Matched:
    """Leave out the studies of which nothing is known: their reference is empty, or not English.

    Each would count as a study without any finding, and what a system rightly says of it as invented.

    Args:
        matched: Both sides, before somebody else's labels are given to them.
        references: What to call the references in a message.
        partial: Go on however many they are.

    Raises:
        OrapoError: They are all, or more than `REFUSED_ABOVE` of them.
    """
    unread = [study for study, one in matched.truth.items() if one.unread]
    if not unread:
        return matched
    kinds = Counter(matched.truth[study].unread for study in unread)
    share = len(unread) / len(matched.truth)
    words = (
        f"{len(unread):,} of {len(matched.truth):,} references of {references} ({100 * share:.1f} %) "
        f"can't be scored against: {', '.join(f'{count:,} {why}' for why, count in sorted(kinds.items()))}, such as "
        f"{', '.join(each[:60] for each in unread[:_EXAMPLES])}"
    )
    if share == 1:
        raise OrapoError(f"{words}; they need labels beside them")
    if share > REFUSED_ABOVE and not partial:
        raise OrapoError(f"{words} (--partial leaves them out)")
    known = {study: one for study, one in matched.truth.items() if not one.unread}
    said = f"{words}; their studies are left out." if share > SAID_ABOVE else ""
    return replace(
        matched,
        truth=known,
        reports={study: matched.reports[study] for study in known},
        missing=matched.missing & known.keys(),
        warning=" ".join(sentence for sentence in (matched.warning, said) if sentence),
        left_out=dict(sorted(kinds.items())),
    )


def is_silent(reference: Reference) -> bool:
    """Whether a reference was read, and mentions none of the labels: all count as negative then."""
    return reference.origin == "facts" and not any_known(reference.labels)


def silent_warning(truth: Mapping[str, Reference], references: str) -> str:
    """Return what nobody may overlook if many references mention no label; empty if they do not."""
    silent = [study for study, one in truth.items() if is_silent(one)]
    if len(silent) <= SAID_ABOVE * len(truth):
        return ""
    return (
        f"{len(silent):,} of {len(truth):,} references of {references} ({100 * len(silent) / len(truth):.1f} "
        f"%) mention none of the labels, such as {', '.join(each[:60] for each in silent[:_EXAMPLES])}; all "
        "count as negative in F1."
    )


def unreadable_warning(
    reports: Mapping[str, str], readable: Iterable[bool], predictions: str
) -> str:
    """Return what nobody may overlook if many generated reports hold no fact: another column, most likely.

    Args:
        reports: Study to generated report.
        readable: Of each, whether a fact could be read.
        predictions: What to call them.
    """
    written = [
        (study, read)
        for (study, text), read in zip(reports.items(), readable, strict=True)
        if text.strip()
    ]
    unread = [study for study, read in written if not read]
    if len(unread) <= REFUSED_ABOVE * len(written):
        return ""
    return (
        f"In {len(unread):,} of the {len(written):,} reports of {predictions} that are not empty no fact could "
        f"be read, such as {', '.join(each[:60] for each in unread[:_EXAMPLES])}; is the column of the reports "
        "another (--text-column)?"
    )


def refuse_unmatched(
    share: float, words: str, partial: bool, *, missing_alone: bool = False
) -> None:
    """Refuse tables of which too much belongs to nothing.

    Args:
        share: Of a side without a counterpart.
        words: The same in words, with counts and examples.
        partial: Go on all the same.
        missing_alone: Only predictions are missing, and ``--allow-missing`` can leave their studies out.

    Raises:
        OrapoError: It is more than `REFUSED_ABOVE`.
    """
    if share > REFUSED_ABOVE and not partial:
        so = (
            "--allow-missing leaves the studies without a prediction out, --partial counts each as an "
            "empty report"
            if missing_alone
            else "--partial goes on all the same"
        )
        raise OrapoError(f"too many ids don't match: {words} ({so})")


def with_labels(
    truth: Mapping[str, Reference], labels: Mapping[str, Mapping[str, LabelValue]], path: Path
) -> dict[str, Reference]:
    """Give the references somebody else's labels.

    Raises:
        OrapoError: A study has none.
    """
    refuse_lacking(truth, labels, path, "references'")
    return {
        study: replace(reference, labels=labels[study], origin="given")
        for study, reference in truth.items()
    }


def refuse_lacking(
    studies: Collection[str], labels: Collection[str], path: Path, whose: str
) -> None:
    """Refuse a table of labels that lacks studies.

    Args:
        studies: Those that need labels.
        labels: Those that have some.
        path: The table.
        whose: The studies, for the message.

    Raises:
        OrapoError: Some are lacking; it says what their ids differ in, if that is known.
    """
    lacking = [study for study in studies if study not in labels]
    if lacking:
        hint = likely_reason(lacking, set(labels) - set(studies))
        raise OrapoError(
            f"{path}: lacks {len(lacking):,} of the {len(studies):,} {whose} studies, the first is "
            f"{lacking[0]}{f'; {hint}' if hint else ''}"
        )


def likely_reason(some: Collection[str], others: Collection[str]) -> str:
    """Say what two sides' ids differ in, if ignoring it would match them; empty if nothing does."""
    if not some or not others:
        return ""
    best, most = "", 0
    for what, plain in (*_IGNORING.items(), ("all of these", _plain)):
        matching = len({plain(name) for name in some} & {plain(name) for name in others})
        if matching > most:
            best, most = what, matching
    if best == "all of these":
        best = _needed(some, others, most)
    return f"{most:,} more would match if {best} did not count" if most else ""


def _needed(some: Collection[str], others: Collection[str], most: int) -> str:
    """Return which differences have to be ignored for so many matches, the least of them."""
    needed = list(_IGNORING)
    for what in _IGNORING:
        rest = [each for each in needed if each != what]
        if (
            len({_plain(name, rest) for name in some} & {_plain(name, rest) for name in others})
            == most
        ):
            needed = rest
    return f"{', '.join(needed[:-1])} and {needed[-1]}" if len(needed) > 1 else needed[0]


def _plain(name: str, ignoring: Collection[str] = tuple(_IGNORING)) -> str:
    for what in ("folders and file extensions", *_IGNORING):
        if what in ignoring:
            name = _IGNORING[what](name)
    return name
