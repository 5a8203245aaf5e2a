"""Whether a report is written in English; the rules read no other language.

Terms such as "pneumothorax" are the same in many languages, so that half a sentence would be read:
"Kein Pneumothorax." would be a pneumothorax.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import Final, cast

from orapo.facts.language.vocabulary import Vocabulary

_WORD: Final = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")
_BROKEN: Final = re.compile(r"[\x00-\x08\x0e-\x1f\ufffd]")
_ENGLISH: Final = frozenset(
    ("the", "of", "is", "are", "and", "or", "not", "there", "with", "without", "for", "to", "has", "have", "been", "was", "were", "this", "that", "which", "by", "from", "at", "as", "be", "may", "an", "seen", "left", "right", "lungs", "lung", "heart", "evidence", "clear", "small", "mild", "size", "unchanged", "stable", "within", "limits", "these", "than", "yes", "none", "it", "new", "increased")
)  # fmt: skip
FEW: Final = 4
"""Words of other languages that are not every fourth of a text's are an accident."""
MOST_READ: Final = 2_000
"""Words looked at; more of them would tell the same."""


def is_english(lowered: str, vocabulary: Vocabulary, words: Sequence[str] | None = None) -> bool:
    """Whether a report can be read as English; a text without words can.

    Args:
        lowered: The report, as given, in lower case.
        vocabulary: The lexicon, with its words of other languages.
        words: Its words, if they are known.

    Returns:
        False where most letters are of no Latin alphabet, where words of other languages outnumber
        English function words and are every fourth word or more, or where most words are unknown, none is English and some have accents.
    """
    ascii_only = lowered.isascii()
    if ascii_only and vocabulary.foreign.isdisjoint(
        lowered.replace(".", " ").replace(",", " ").split() if words is None else words
    ):
        return True
    if "œ" in lowered or "æ" in lowered:  # of "oedema"
        lowered = lowered.replace("œ", "oe").replace("æ", "ae")
        ascii_only = lowered.isascii()
    words = cast("list[str]", _WORD.findall(lowered)[:MOST_READ])
    if not words or _BROKEN.search(lowered):  # bytes that are no text are no other language
        return True
    if not ascii_only:
        letters = "".join(words)
        latin = sum(char < "\u0250" or "\uff21" <= char <= "\uff5a" for char in letters)
        if 2 * latin < len(letters):
            return not _one_alphabet(letters)
    english = sum(word in _ENGLISH for word in words)
    foreign = sum(word in vocabulary.foreign for word in words)
    if foreign:
        if english >= foreign or FEW * foreign < len(words):
            return True
        # one such word may be a word of a text without sense, unless it stands by a term
        return foreign == 1 and not (
            len(words) < FEW and any(word in vocabulary.words for word in words)
        )
    if english or ascii_only:
        return True
    accented = any("\u00df" <= char <= "\u024f" for word in words for char in word)
    unknown = sum(vocabulary.canonical(word) not in vocabulary.words for word in words)
    return not (accented and 2 * unknown >= len(words))


def _one_alphabet(letters: str) -> bool:
    """Whether letters are mostly of one alphabet that is not Latin, as words are and random bytes aren't."""
    if len(letters) < FEW:
        return False
    plain = unicodedata.normalize("NFKC", letters)  # bold and wide letters are Latin
    names = Counter(unicodedata.name(char, "?").split()[0].split("-")[0] for char in plain)
    (alphabet, count), *_ = names.most_common(1)
    return alphabet not in ("LATIN", "?") and 2 * count > len(plain)
