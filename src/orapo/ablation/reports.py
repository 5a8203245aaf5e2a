"""What a model of an ablation writes, and how another labeler reads it: a process each."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from orapo.ablation.provenance import file_digest, read_record, surroundings, write_record
from orapo.ablation.trainings import weight_files
from orapo.errors import OrapoError, RunFailedError
from orapo.evaluation.inputs import read_labels, read_predictions
from orapo.locking import locked
from orapo.signals import ends_with_this_process
from orapo.writing import write_bytes

PREDICTIONS: Final = "predictions.jsonl"
SECOND: Final = "second_labels.csv"
_BATCH: Final = 64
"""Reports that are written at a time."""


class Commands:
    """Commands that threads wait for; all of them can be ended at once."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._running: set[subprocess.Popen[str]] = set()
        self._ended = False

    def run(self, words: Sequence[str], **variables: str) -> tuple[int, str]:
        """Run a command to its end.

        Args:
            words: The command.
            **variables: Of its environment, beside this process' own.

        Returns:
            Its exit code, and the last line that it said on stderr.

        Raises:
            OSError: It can't be started.
            RunFailedError: `end` was called before.
        """
        with self._guard:
            if self._ended:
                raise RunFailedError("not begun any more")
            process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                env={**os.environ, **variables},
            )
            self._running.add(process)
        _, said = process.communicate()
        with self._guard:
            self._running.discard(process)
        return process.returncode, (said.strip().splitlines() or ["it said nothing"])[-1]

    def end(self) -> None:
        """Send SIGTERM to what runs, and let nothing begin any more."""
        with self._guard:
            self._ended = True
            for process in self._running:
                process.terminate()


def write_predictions(
    folder: Path,
    model: str,
    recipe: Mapping[str, Any],
    split: str,
    decoding: Sequence[str],
    commands: Commands,
) -> None:
    """Let a model write about the studies of a split, unless it has done so.

    Args:
        folder: Gets ``predictions.jsonl``.
        model: Its folder, or its name on the hub.
        recipe: What it was trained with.
        split: Of the recipe's manifest.
        decoding: Further options of ``orapo generate``.
        commands: Runs it.

    Raises:
        RunFailedError: It failed; the message holds the last line that it said.
    """
    out = folder / PREDICTIONS
    words = int(recipe.get("max_completion_length") or 256)
    made_of = {
        "data": file_digest(Path(recipe["data"])),
        "weights": _weights(Path(model)),
        "options": [split, words, list(decoding)],
        **surroundings(),
    }
    record = out.with_suffix(".done.json")
    if out.is_file() and read_record(record, made_of) is not None:
        return
    with locked(out):  # what a call that was killed has started may still be saving there
        record.unlink(missing_ok=True)
    command = [sys.executable, "-m", "orapo", "generate", "--data", str(recipe["data"])]
    command += ["--split", split, "--model", model, "--out", str(out)]
    samples = int(decoding[decoding.index("--samples") + 1]) if "--samples" in decoding else 1
    command += ["--max-new-tokens", str(words), "--batch-size", str(_BATCH // samples), *decoding]
    for field, option in (("views", "--views"), ("prompt_fields", "--prompt-fields")):
        if value := recipe.get(field):
            command += [option, value if isinstance(value, str) else ",".join(value)]
    code, said = commands.run(command, OMP_NUM_THREADS="1", **ends_with_this_process())
    if code != 0:
        raise RunFailedError(f"{folder}: writing reports failed: {said}")
    write_record(record, made_of, 0)


def _weights(model: Path) -> str:
    """Return what tells a model from another: the digest of its weights, or its name."""
    return "+".join(map(file_digest, weight_files(model))) or str(model)


def write_second_labels(folder: Path, labeler: str, commands: Commands) -> None:
    """Let another labeler read the predictions of a folder, unless it has done so.

    It writes elsewhere, and what it wrote is taken when it has ended well: half a table would be
    read as labels that are unknown.

    Args:
        folder: Holds ``predictions.jsonl``, gets ``second_labels.csv``.
        labeler: The command; it is given both names.
        commands: Runs it.

    Raises:
        OrapoError: It can't be run.
        RunFailedError: It failed, or did not read every report.
    """
    out, reports = folder / SECOND, folder / PREDICTIONS
    made_of = {"labeler": labeler, "reports": file_digest(reports)}
    record = out.with_suffix(".done.json")
    if out.is_file() and read_record(record, made_of) is not None:
        return
    record.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(prefix="orapo-") as elsewhere:
        made = Path(elsewhere) / SECOND
        try:
            code, said = commands.run([*shlex.split(labeler), str(reports), str(made)])
        except OSError as error:
            raise OrapoError(f"--labeler {labeler}: can't be run ({error.strerror})") from None
        if code != 0 or not made.is_file():
            raise RunFailedError(f"--labeler failed on {reports}: {said}")
        try:
            labels = read_labels(made)
        except OrapoError as error:
            said = str(error).replace(str(made), SECOND)
            raise RunFailedError(f"--labeler failed on {reports}: {said}") from None
        lost = [study for study in read_predictions(reports) if study not in labels]
        if lost:
            raise RunFailedError(
                f"--labeler did not read {len(lost)} reports of {reports}, e.g. of {lost[0]}"
            )
        write_bytes(out, made.read_bytes())
    write_record(record, made_of, 0)
