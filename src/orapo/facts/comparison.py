"""Words that compare a film with an earlier one: who was shown none invents them."""

from __future__ import annotations

import re
from typing import Final

EARLIER_FILMS: Final = re.compile(
    r"\b(?:unchanged|stable|interval|(?:as )?compared (?:to|with)|in comparison|similar to|"
    r"(?<!\bno )(?<!\bwithout )(?:prior|previous|earlier|last) (?:exam|examination|study|film|radiograph|x-?ray|ct)s?|"
    r"again (?:seen|noted|demonstrated|identified)|persist\w*|worsen\w*|improv\w*|resolv\w*|"
    r"(?:in|de)creased? since|no longer (?:seen|visible))\b",
    re.IGNORECASE,
)


def comparisons(text: str) -> list[str]:
    """Return the words of a report that compare with an earlier film, as they stand there."""
    return [found.group() for found in EARLIER_FILMS.finditer(text)]
