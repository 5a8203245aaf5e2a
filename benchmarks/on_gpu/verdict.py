"""What a step of gpu_check says: passed, failed or skipped, why, and its figures."""

from dataclasses import dataclass, field

PASS, FAIL, SKIP = "pass", "fail", "skipped"


class Skipped(Exception):  # noqa: N818  (it is no error)
    """A step can't be run here; the text says what is missing."""


@dataclass
class Findings:
    """Figures of a step, and what is wrong.

    A step goes on after a wrong figure: the others may say why.
    """

    figures: dict = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def demand(self, holds, otherwise):
        """Take down a sentence unless a condition holds."""
        if not holds:
            self.wrong.append(otherwise)

    def close(self, name, value, wanted, share):
        """Take down a figure, and that it is off if it is."""
        self.figures[name] = value
        self.demand(
            abs(value / wanted - 1) <= share,
            f"{name} {value:.2f} is not within {share:.0%} of {wanted:.2f}",
        )

    def verdict(self):
        state = FAIL if self.wrong else PASS
        return {"state": state, "why": "; ".join(self.wrong or self.notes), "figures": self.figures}
