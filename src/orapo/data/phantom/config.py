"""What a phantom is made of: the film size and how hard the findings are to learn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from orapo.errors import OrapoError

SMALLEST_FILM: Final = 32
LARGEST_FILM: Final = 1024


@dataclass(frozen=True, slots=True)
class Difficulty:
    """How hard it is to learn the films from the reports.

    Attributes:
        contrast: Multiplier of the contrast of every finding; 0 leaves nothing to see.
        style_share: Probability of each kind of sentence that bears on no label (technique,
            comparison, quality, incidental).
        label_noise: Probability that a report leaves out a drawn finding or adds one that is not
            there. The labels are then those of the report; ``drawn`` keeps the truth.
        fewest_words: Normal statements are added to a report that has fewer.
        most_words: Optional sentences are left out of a report that has more.
    """

    contrast: float = 1.0
    style_share: float = 0.3
    label_noise: float = 0.0
    fewest_words: int = 30
    most_words: int = 46

    def __post_init__(self) -> None:
        if not 0 <= self.contrast <= 1.5:
            raise OrapoError(f"contrast must lie between 0 and 1.5, not {self.contrast}")
        for name in ("style_share", "label_noise"):
            if not 0 <= getattr(self, name) <= 1:
                raise OrapoError(f"{name} must lie between 0 and 1, not {getattr(self, name)}")
        if not 0 <= self.fewest_words <= self.most_words:
            raise OrapoError(
                f"fewest_words must lie between 0 and most_words, not {self.fewest_words}"
            )


DIFFICULTIES: Final[Mapping[str, Difficulty]] = MappingProxyType(
    {
        "easy": Difficulty(contrast=1.0, style_share=0.15, fewest_words=8, most_words=30),
        "medium": Difficulty(contrast=0.5, style_share=0.5, label_noise=0.03),
        "hard": Difficulty(contrast=0.25, style_share=0.7, label_noise=0.08),
    }
)
"""The named levels."""


@dataclass(frozen=True, slots=True)
class PhantomConfig:
    """Everything beside the seed that a phantom depends on.

    Attributes:
        size: Width and height of a film in pixels.
        difficulty: See `Difficulty`.
        uncertain_share: Probability that a finding is drawn fainter and reported as uncertain.
            Support devices are never uncertain.
    """

    size: int = 64
    difficulty: Difficulty = field(default_factory=lambda: DIFFICULTIES["easy"])
    uncertain_share: float = 0.08

    def __post_init__(self) -> None:
        if not SMALLEST_FILM <= self.size <= LARGEST_FILM:
            raise OrapoError(
                f"the film size must lie between {SMALLEST_FILM} and {LARGEST_FILM} pixels, "
                f"not {self.size}"
            )
        if not 0 <= self.uncertain_share <= 1:
            raise OrapoError(
                f"uncertain_share must lie between 0 and 1, not {self.uncertain_share}"
            )
