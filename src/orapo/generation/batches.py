"""The work of a run: batch by batch, films read ahead, spread over processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from PIL import Image

from orapo.errors import OrapoError, RunFailedError
from orapo.generation.inputs import Asked
from orapo.generation.processes import Processes
from orapo.generation.reports import Sample, Selection
from orapo.generation.rows import REFUSED, Provenance, error_row, report_row

Writer = Callable[
    [Sequence[Sequence[Image.Image]], Sequence[str], Sequence[str]], list[list[Sample]]
]
"""Films, prompts and ids of the studies of a batch -> the samples of each."""
Films = list["list[Image.Image] | OrapoError"]


def written_rows(
    studies: Sequence[Asked],
    write: Writer,
    batch_size: int,
    selection: Selection,
    provenance: Provenance,
    *,
    done: int = 0,
    processes: Processes | None = None,
) -> Iterator[list[dict[str, Any]]]:
    """Write reports for studies, a batch of each process at a time.

    A batch always holds the same studies, wherever a run was cut and however many processes there
    are: the last digits of a model's numbers can depend on what else is in a batch. So a batch of
    which some rows are there already is written again as a whole.

    Args:
        studies: All of the run.
        write: Writes the samples of a batch.
        batch_size: Studies of a batch.
        selection: Which sample becomes the report.
        provenance: What the rows say of their origin.
        done: How many rows there are already.
        processes: Who shares the work; each calls this with the same arguments.

    Yields:
        The next rows in the order of the studies, those of all processes.

    Raises:
        RunFailedError: The memory does not hold a batch.
    """
    if done >= len(studies):
        return
    processes = processes or Processes()
    starts = range(done // batch_size * batch_size, len(studies), batch_size)
    mine = list(starts)[processes.index :: processes.count]
    rounds = -(-len(starts) // processes.count)
    place = starts.start
    with ThreadPoolExecutor(1) as reader:
        ahead = _read_ahead(reader, studies, mine, batch_size, 0)
        for turn in range(rounds):
            rows: list[dict[str, Any]] = []
            if ahead is not None:
                batch = studies[mine[turn] : mine[turn] + batch_size]
                films = ahead.result()
                ahead = _read_ahead(reader, studies, mine, batch_size, turn + 1)
                rows = _batch_rows(batch, films, write, selection, provenance)
            together = processes.gather(rows)
            yield together[max(0, done - place) :]
            place += len(together)


def _read_ahead(
    reader: ThreadPoolExecutor, studies: Sequence[Asked], mine: list[int], size: int, turn: int
) -> Future[Films] | None:
    if turn >= len(mine):
        return None
    return reader.submit(_films, studies[mine[turn] : mine[turn] + size])


def _films(batch: Sequence[Asked]) -> Films:
    films: Films = []
    for asked in batch:
        try:
            films.append(asked.read())
        except OrapoError as error:
            films.append(error)
    return films


def _batch_rows(
    batch: Sequence[Asked],
    films: Films,
    write: Writer,
    selection: Selection,
    provenance: Provenance,
) -> list[dict[str, Any]]:
    readable = [
        (asked, shown)
        for asked, shown in zip(batch, films, strict=True)
        if not isinstance(shown, OrapoError)
    ]
    found: dict[str, dict[str, Any]] = {}
    try:
        for asked, samples in _samples(readable, write):
            if isinstance(samples, ValueError):
                # our own sentence is one, and whole
                said = str(samples) if isinstance(samples, OrapoError) else _first_line(samples)
                found[asked.study_id] = error_row(asked, f"{REFUSED} ({said})", provenance)
            else:
                found[asked.study_id] = report_row(asked, samples, selection, provenance)
    except (RuntimeError, MemoryError) as error:  # torch's OutOfMemoryError is a RuntimeError
        if isinstance(error, MemoryError) or "out of memory" in str(error).lower():
            raise RunFailedError(
                f"out of memory with {len(readable)} studies at a time; a smaller --batch-size helps"
            ) from None
        raise
    return [
        found.get(asked.study_id) or error_row(asked, str(shown), provenance)
        for asked, shown in zip(batch, films, strict=True)
    ]


def _samples(
    readable: Sequence[tuple[Asked, list[Image.Image]]], write: Writer
) -> Iterator[tuple[Asked, list[Sample] | ValueError]]:
    """Write a batch; where a processor refuses it, study by study, so that one spoils no other.

    Processors refuse films of odd shapes and prompts that are too long, each with a ValueError.
    """
    try:
        written = write(
            [films for _, films in readable],
            [asked.prompt for asked, _ in readable],
            [asked.study_id for asked, _ in readable],
        )
    except ValueError as error:
        if len(readable) == 1:
            yield readable[0][0], error
        else:
            for one in readable:
                yield from _samples([one], write)
        return
    yield from zip([asked for asked, _ in readable], written, strict=True)


def _first_line(error: ValueError) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
