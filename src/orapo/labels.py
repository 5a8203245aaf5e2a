"""The 14 CheXpert labels: their names, order, values and the policies for "uncertain".

This is the only place that orders the labels. Everything else addresses them by name, because the
labelers of the field disagree about the order of the columns (CheXbert puts No Finding last,
chexpert-labeler first).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

LabelValue: TypeAlias = int | None
"""1 positive, 0 negative (denied), -1 uncertain, None blank (not mentioned)."""

POSITIVE: Final = 1
NEGATIVE: Final = 0
UNCERTAIN: Final = -1
BLANK: Final = None

NO_FINDING: Final = "No Finding"
SUPPORT_DEVICES: Final = "Support Devices"

LABELS: Final[tuple[str, ...]] = (
    NO_FINDING,
    "Enlarged Cardiomediastinum",
    "Cardiomegaly",
    "Lung Lesion",
    "Lung Opacity",
    "Edema",
    "Consolidation",
    "Pneumonia",
    "Atelectasis",
    "Pneumothorax",
    "Pleural Effusion",
    "Pleural Other",
    "Fracture",
    SUPPORT_DEVICES,
)


@dataclass(frozen=True, slots=True)
class LabelSet:
    """The labels that a lexicon reads reports for; CheXpert's 14 unless a lexicon brings its own.

    Attributes:
        name: For headings and messages, e.g. ``"CheXpert"``.
        labels: The labels in the order of tables' columns.
        no_finding: The label that holds when nothing else does; None if the set has no such label.
        beside: Labels that leave ``no_finding`` standing, as Support Devices does.
    """

    name: str
    labels: tuple[str, ...]
    no_finding: str | None
    beside: frozenset[str] = frozenset()

    @property
    def findings(self) -> tuple[str, ...]:
        """The labels that a fact can entail; ``no_finding`` is derived from them."""
        return tuple(name for name in self.labels if name != self.no_finding)

    def blank(self) -> dict[str, LabelValue]:
        """Return a label vector in which every label is blank."""
        return dict.fromkeys(self.labels, BLANK)

    def complete(self, labels: Mapping[str, LabelValue]) -> dict[str, LabelValue]:
        """Return ``labels`` with all names in order, missing ones blank.

        Raises:
            ValueError: A name is not one of the set.
        """
        unknown = sorted(set(labels) - set(self.labels))
        if unknown:
            raise ValueError(f"unknown label(s): {', '.join(unknown)}")
        return {name: labels.get(name) for name in self.labels}


CHEXPERT: Final = LabelSet("CheXpert", LABELS, NO_FINDING, frozenset({SUPPORT_DEVICES}))


class UncertainPolicy(StrEnum):
    """What an uncertain label (-1) counts as; one policy for both sides (docs/method.md)."""

    POSITIVE = "positive"
    NEGATIVE = "negative"
    IGNORE = "ignore"
    """Labels uncertain in the reference leave the score; in a report uncertain is positive."""


DEFAULT_UNCERTAIN: Final = UncertainPolicy.POSITIVE
"""What uncertain counts as wherever nothing else is asked for: FactS' default, and the CheXbert
family's. R2Gen's convention, the papers' headline, has negative and stands beside it."""


def parse_label(cell: object) -> LabelValue:
    """Read one label value from a table cell.

    Accepts 1, 0, -1 as number or text (``"1"``, ``"1.0"``); ``None``, NaN, and the texts ``""``
    and ``"nan"`` are blank.

    Args:
        cell: The cell as a CSV, JSON or Parquet reader gives it.

    Returns:
        1, 0, -1 or None.

    Raises:
        ValueError: The cell holds anything else; the message names the value.
    """
    if cell is None:
        return BLANK
    if isinstance(cell, str):
        text = cell.strip()
        if text.lower() in {"", "nan", "none", "null"}:
            return BLANK
        try:
            number = float(text)
        except ValueError:
            raise ValueError(f"label value {cell!r} is not one of 1, 0, -1 or blank") from None
    elif isinstance(cell, bool) or not isinstance(cell, int | float):
        raise ValueError(f"label value {cell!r} is not one of 1, 0, -1 or blank")
    else:
        # an integer may have more digits than a float can hold
        number = float(cell) if abs(cell) <= 1 or cell != cell else math.inf
    if math.isnan(number):
        return BLANK
    if number not in (1.0, 0.0, -1.0):
        raise ValueError(f"label value {cell!r} is not one of 1, 0, -1 or blank")
    return int(number)


def any_known(labels: Mapping[str, LabelValue]) -> bool:
    """Whether a label has a value: labels that are all blank say nothing, not that all is normal."""
    return any(value is not None for value in labels.values())


def format_label(value: LabelValue) -> str:
    """Write a label value as CheXpert's tables do: ``1.0``, ``0.0``, ``-1.0`` or empty."""
    return "" if value is None else f"{float(value):.1f}"
