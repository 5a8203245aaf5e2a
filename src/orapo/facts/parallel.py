"""Work on many reports in several processes, in order and in constant memory."""

from __future__ import annotations

import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import lru_cache, partial
from itertools import islice
from multiprocessing import get_context, parent_process, resource_tracker
from pathlib import Path
from typing import TypeVar

from orapo.errors import RunFailedError
from orapo.facts.engine import RulesEngine

Item = TypeVar("Item")
Result = TypeVar("Result")

BATCH = 500
"""Reports sent to a process at a time."""


@lru_cache(maxsize=2)
def rules_engine(lexicon: Path | None) -> RulesEngine:
    """Return this process's engine of a lexicon; made once."""
    return RulesEngine(lexicon)


def map_reports(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    workers: int,
    batch_size: int = BATCH,
    pool: Executor | None = None,
) -> Iterator[Result]:
    """Apply a function to items, in order.

    Args:
        work: The function; with more than one worker it and the items must be picklable.
        items: Taken as they are needed: no more than a few batches are in memory.
        workers: Processes; 1 works in this one.
        batch_size: Items sent to a process at a time.
        pool: Another's processes, those of a cluster for example; they stay.

    Yields:
        The results, in order.
    """
    if pool is not None:
        yield from _in_order(pool, work, items, workers, batch_size)
        return
    if workers == 1:
        yield from map(work, items)
        return
    # "spawn": a fork would copy a progress bar's thread in whatever state it is
    with ProcessPoolExecutor(workers, get_context("spawn"), _start_worker) as own:
        try:
            yield from _in_order(own, work, items, workers, batch_size)
        except BrokenProcessPool:
            raise RunFailedError("a worker process was killed; fewer --workers may help") from None
        finally:
            own.shutdown(wait=False, cancel_futures=True)


def _in_order(
    pool: Executor,
    work: Callable[[Item], Result],
    items: Iterable[Item],
    workers: int,
    batch_size: int,
) -> Iterator[Result]:
    """Hand batches to a pool, a few more at a time than it has processes."""
    batch = partial(_batch, work)
    rest = iter(items)
    pending: deque[Future[list[Result]]] = deque()
    try:
        while chunk := list(islice(rest, batch_size)):
            with _deaf_to_ctrl_c():  # the first call starts the processes
                pending.append(pool.submit(batch, chunk))
            if len(pending) > 2 * workers:
                yield from pending.popleft().result()
        while pending:
            yield from pending.popleft().result()
    finally:
        for one in pending:
            one.cancel()


@contextmanager
def _deaf_to_ctrl_c() -> Iterator[None]:
    """Start processes that Ctrl-C doesn't reach, not even before `_start_worker`.

    They inherit what is blocked here. One that comes meanwhile reaches this process afterwards.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    # its own start would let the signal through again
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _batch(work: Callable[[Item], Result], items: list[Item]) -> list[Result]:
    return [work(item) for item in items]


def _start_worker() -> None:
    """Leave Ctrl-C to the process that reads and writes, and end with it, should it be killed.

    A worker waits for work on a pipe that it holds both ends of, so it would wait for ever.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
