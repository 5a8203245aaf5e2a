"""Errors that tell a user in a sentence what is wrong with the input, or what failed."""


class OrapoError(Exception):
    """Base of every error about the user's input; the CLI prints it and exits with code 2.

    The message is one clear sentence: which file, which row, what was expected. It never holds
    report text.
    """


NEEDS_DECODER = "needs a decoder that is not installed"
"""Part of the sentence about a film that is not at fault: it must not be left out as a bad one."""


class RunFailedError(Exception):
    """Something failed during the run that the user's input is not to blame for; exit code 1.

    The message says what failed, where to read why, and what was kept.
    """


class MissingExtraError(OrapoError):
    """An optional dependency is needed that is not installed.

    Args:
        what: What was asked for, e.g. ``"training"``.
        extra: The extra that brings it, e.g. ``"train"``.
    """

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs the extra [{extra}]: pip install 'orapo[{extra}]'")
