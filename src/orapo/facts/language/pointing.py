"""What a sentence says of the ones before it: "This may be artifact.", "None of these is present."."""

from __future__ import annotations

from typing import Final

from orapo.facts.language.phrases import PhraseRow
from orapo.facts.language.plans import NEARBY, is_still_so
from orapo.facts.language.schema import Kind

FAR: Final = 12
"""Words of a sentence among which "now" is looked for."""


def doubts_previous(row: PhraseRow) -> bool:
    """Whether a sentence takes back the one before it ("This may be artifact.")."""
    return row.tokens[0] in row.grammar.pronouns and any(
        item.kind is Kind.HEDGE_PREVIOUS for item in row.items
    )


def denies_previous(row: PhraseRow) -> bool:
    """Whether a sentence denies what the one before it says ("This has cleared.")."""
    return row.tokens[0] in row.grammar.pronouns and any(
        item.kind in (Kind.DENY_PREVIOUS, Kind.DENY_EITHER) for item in row.items
    )


def affirms_previous(row: PhraseRow) -> bool:
    """Whether a sentence says of what another film showed that it is there still ("It is unchanged.")."""
    tokens = row.tokens
    if tokens[0] not in row.grammar.pronouns:
        return False
    begin = 1
    if "now" in tokens[:FAR]:  # "It has been withdrawn and is now above the carina."
        begin = max(1, tokens.index("now") - 1)
    return is_still_so(tokens[begin : begin + NEARBY])


def denies_all(row: PhraseRow) -> bool:
    """Whether a sentence denies all that was said before it ("None of these is present.")."""
    tokens = row.tokens
    return (
        tokens[:2] == ["none", "of"]
        and len(tokens) > 2
        and (tokens[2] in ("these", "those", "them") or tokens[2:4] == ["the", "above"])
    )
