"""Checkpoints that are whole or are not there: marked last, rotated late, found again.

What is whole `orapo.models.whole` says. A torn one is never gone on from, and an older whole one is not
deleted in its favour.
"""

from __future__ import annotations

import errno
import logging
import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from orapo.errors import OrapoError, RunFailedError
from orapo.models.whole import MARK_FILE, all_checkpoints, fault, whole_checkpoints

logger = logging.getLogger(__name__)


def checkpoint_folder(run: Path, step: int) -> Path:
    """Return where the checkpoint of a step lies, by transformers' name."""
    return run / f"{PREFIX_CHECKPOINT_DIR}-{step}"


def last_checkpoint(run: Path) -> Path:
    """Return the whole checkpoint of the most steps in a run's folder; warns of torn ones.

    Raises:
        OrapoError: There is none.
    """
    torn = []
    for folder in reversed(all_checkpoints(run)):
        reason = fault(folder)
        if reason is None:
            return folder
        logger.warning("%s: not whole (%s), so that an earlier one is taken", folder, reason)
        torn.append(folder.name)
    which = f", {', '.join(torn)} not being whole" if torn else ""
    raise OrapoError(f"{run}: no checkpoint to resume from{which}; train without --resume")


def rotate(run: Path, limit: int | None, keep: Collection[Path] = ()) -> None:
    """Delete the oldest whole checkpoints beyond ``limit``, and torn ones that are older than a whole.

    Args:
        run: A run's folder, the newest whole checkpoint in it.
        limit: How many are kept; None or 0 deletes nothing.
        keep: Checkpoints that stay in any case and count.
    """
    if not limit or limit < 0:
        return
    found = all_checkpoints(run)
    whole = whole_checkpoints(run)
    if not whole:
        return
    spared = {path.resolve() for path in (*keep, whole[-1])}
    excess = len(whole) - max(limit, len(spared))
    goes = [folder for folder in whole if folder.resolve() not in spared][: max(excess, 0)]
    goes += [folder for folder in found[: found.index(whole[-1])] if folder not in whole]
    for folder in goes:
        remove(folder)


def remove(folder: Path) -> None:
    """Delete a checkpoint; one of which the deletion is interrupted is torn, not whole."""
    (folder / MARK_FILE).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def saving(folder: Path, run: Path) -> Iterator[None]:
    """Turn what a full disk does to the writers of ``folder`` into one sentence.

    Args:
        folder: What is written.
        run: The run's folder; the sentence names the last whole checkpoint in it.

    Raises:
        RunFailedError: Writing failed; a torn checkpoint is removed, for its space.
    """
    try:
        yield
    except Exception as error:
        if not _is_of_writing(error):
            raise
        if folder in all_checkpoints(run) and fault(folder, digests=False) is not None:
            remove(folder)
        raise RunFailedError(
            f"{folder}: can't be written ({_reason(error)}); {kept(run)}"
        ) from error


def kept(run: Path) -> str:
    """Return what a run that fails has kept, for its sentence."""
    whole = whole_checkpoints(run)
    return f"kept: {whole[-1]}, --resume goes on from it" if whole else "no checkpoint is there"


def _is_of_writing(error: Exception) -> bool:
    # Each library has its own way to say that the system refused: tokenizers raises a bare Exception
    # with "(os error 28)", torch.save a RuntimeError of its writer, which holds no reason at all.
    if isinstance(error, OSError | SafetensorError):
        return True
    return "(os error " in str(error) or _is_of_torch_save(error)


def _is_of_torch_save(error: Exception) -> bool:
    return "PytorchStreamWriter" in str(error) or "inline_container" in str(error)


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    text = str(error)
    if _is_of_torch_save(error):
        return "torch could not write to the end of a file; is the disk full?"
    if "StorageFull" in text:  # of safetensors
        return os.strerror(errno.ENOSPC)
    return text.strip().splitlines()[0] if text.strip() else type(error).__name__
