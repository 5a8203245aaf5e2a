"""Small training sets out of large ones: seeded, nested, apart from the held-out patients."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Final

from orapo.data.study import Study
from orapo.errors import OrapoError
from orapo.labels import LABELS, POSITIVE, UNCERTAIN

_COUNTED: Final = (POSITIVE, UNCERTAIN)
_CHOICE: Final = 16
"""So many studies are looked at for the one that keeps the other labels nearest to their shares."""
LEAST_SHARE: Final = 0.02
"""Of a stratified sample, the share that every label has at least, as far as there are studies."""


def sample_studies(
    studies: Sequence[Study],
    size: int,
    seed: int,
    *,
    split: str = "train",
    stratified: bool = False,
) -> list[Study]:
    """Draw a sample of one split.

    The studies are brought into an order that depends on the seed and on their identifiers alone,
    and the first ``size`` are taken; so a smaller sample is part of every larger one of its seed,
    and the order of the rows doesn't matter. Patients who also stand in another split are left
    out.

    Args:
        studies: All studies, of all splits.
        size: How many.
        seed: Another seed gives another sample.
        split: The split that is drawn from.
        stratified: At every size, each label has its share of the split, and rare ones at least
            `LEAST_SHARE`, positive and uncertain together.

    Raises:
        OrapoError: There are fewer studies than that.
    """
    held_out = {study.patient_id for study in studies if study.split != split} - {""}
    candidates = [
        study for study in studies if study.split == split and study.patient_id not in held_out
    ]
    if size > len(candidates):
        of_held_out = sum(s.split == split and s.patient_id in held_out for s in studies)
        without = f" ({of_held_out} of held-out patients left aside)" if of_held_out else ""
        raise OrapoError(f"--size {size}: the split {split} has {len(candidates)} studies{without}")
    ordered = sorted(candidates, key=lambda study: _rank(seed, study.study_id))
    return _stratified(ordered, size) if stratified else ordered[:size]


def _rank(seed: int, study_id: str) -> bytes:
    return hashlib.sha256(f"{seed}\0{study_id}".encode()).digest()


def _stratified(ordered: Sequence[Study], size: int) -> list[Study]:
    """Take studies one by one, each for the label that is furthest behind its share.

    What is taken doesn't depend on how many will be, so the samples stay nested.
    """
    present = [
        frozenset(name for name in LABELS if study.labels.get(name) in _COUNTED)
        for study in ordered
    ]
    counts = Counter(name for names in present for name in names)
    shares = {name: max(LEAST_SHARE, counts[name] / len(ordered)) for name in counts}
    queues = {
        name: _Queue([i for i, names in enumerate(present) if name in names]) for name in counts
    }
    everything = _Queue(range(len(ordered)))
    have: Counter[str] = Counter()
    taken: dict[int, Study] = {}

    def excess(index: int) -> float:
        """How far labels would get ahead of their share by taking this study."""
        due = len(taken) + 1
        return sum(max(0.0, have[name] + 1 - shares[name] * due) for name in present[index])

    while len(taken) < size:
        due = len(taken) + 1
        behind = [name for name in queues if have[name] + 0.5 <= shares[name] * due]
        candidates: list[int] = []
        for name in sorted(behind, key=lambda n: (have[n] / shares[n], shares[n], n)):
            candidates = queues[name].next(taken)
            if candidates:
                break
            del queues[name]  # all studies with it are taken
        index = min(candidates or everything.next(taken), key=excess)
        taken[index] = ordered[index]
        have.update(present[index])
    return list(taken.values())


class _Queue:
    """The next few studies of an order that aren't taken yet."""

    def __init__(self, indices: Sequence[int]) -> None:
        self._rest = iter(indices)
        self._window: list[int] = []

    def next(self, taken: Mapping[int, Study]) -> list[int]:
        self._window = [index for index in self._window if index not in taken]
        fresh = (index for index in self._rest if index not in taken)
        self._window += islice(fresh, _CHOICE - len(self._window))
        return self._window
