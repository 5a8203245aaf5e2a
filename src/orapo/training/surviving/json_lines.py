"""Files of a line a step, which go on where a checkpoint was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from orapo.training.surviving.checkpoints import saving
from orapo.writing import json_text, open_to_append, written_beside

_AT_THE_END: Final = "train_runtime"
"""In the line that closes a run alone; its step is that of the last checkpoint."""


class JsonLines:
    """A file of JSON lines with a step each, whole after every line."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, record: dict[str, Any]) -> None:
        """Append a line.

        Raises:
            RunFailedError: The disk is full.
        """
        with saving(self.path, self.path.parent), open_to_append(self.path, shared=True) as file:
            file.write(json_text(record) + "\n")

    def cut(self, step: int) -> dict[str, Any]:
        """Drop what was written after a checkpoint, also a line that a kill left unfinished.

        Args:
            step: That of the checkpoint; 0 drops everything.

        Returns:
            The last line that is left; empty if there is none.
        """
        if not step:
            self.path.unlink(missing_ok=True)
        if not self.path.is_file():
            return {}
        kept: list[dict[str, Any]] = []
        for line in self.path.read_text(encoding="utf-8").splitlines():
            try:
                record = json.loads(line)
            except ValueError:
                break
            if record["step"] > step or _AT_THE_END in record:
                break
            kept.append(record)
        with saving(self.path, self.path.parent), written_beside(self.path, shared=True) as part:
            part.write_text("".join(json_text(record) + "\n" for record in kept), "utf-8")
        return kept[-1] if kept else {}
