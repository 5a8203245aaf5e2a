"""Words with one letter wrong."""

from __future__ import annotations

from collections.abc import Iterator


def deletions(word: str, first: int = 0) -> Iterator[str]:
    """Yield the word with each of its letters left out, from the letter ``first`` on."""
    for index in range(first, len(word)):
        yield word[:index] + word[index + 1 :]


def one_letter_wrong(one: str, other: str) -> bool:
    """Whether one letter is wrong, missing, too many, or swapped with the next."""
    start = 0
    while start < min(len(one), len(other)) and one[start] == other[start]:
        start += 1
    rest, wanted = one[start:], other[start:]
    if len(rest) == len(wanted):
        swapped = rest[:2] == wanted[1::-1] and rest[2:] == wanted[2:]
        return swapped or rest[1:] == wanted[1:]
    return rest[1:] == wanted or rest == wanted[1:]
