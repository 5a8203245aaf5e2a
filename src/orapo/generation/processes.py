"""Several processes that write reports together, as ``accelerate launch`` starts them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar, cast

from orapo.errors import MissingExtraError, OrapoError

T = TypeVar("T")


@dataclass(frozen=True)
class Processes:
    """The processes of one run, and which of them this is.

    Attributes:
        index: 0 is the one that writes files and shows progress.
        count: How many there are.
    """

    index: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this one writes files and shows progress."""
        return self.index == 0

    @property
    def device(self) -> str | None:
        """Where this one's model belongs; None leaves that to whoever loads it."""
        if self.count == 1:
            return None
        from accelerate import PartialState

        return str(PartialState().device)

    def gather(self, rows: Iterable[T]) -> list[T]:
        """Return the rows of all processes, in their order; each must call it equally often."""
        if self.count == 1:
            return list(rows)
        from accelerate.utils import gather_object

        return cast("list[T]", gather_object(list(rows)))

    def from_first(self, value: T) -> T:
        """Return the first process's value."""
        if self.count == 1:
            return value
        from accelerate.utils import broadcast_object_list

        return cast(T, broadcast_object_list([value])[0])

    def leave(self) -> None:
        """Part from the others, at the end."""
        if self.count > 1:
            from accelerate import PartialState

            PartialState().destroy_process_group()


def running_processes() -> Processes:
    """Join the processes that a launcher started; one alone where there is none.

    Raises:
        MissingExtraError: There are several, and accelerate is not installed.
        OrapoError: They can't be joined; each alone would write the same file.
    """
    started = os.environ.get("WORLD_SIZE") or "1"
    if started == "1":
        return Processes()
    try:
        import torch
        from accelerate import PartialState
    except ModuleNotFoundError as error:
        raise MissingExtraError("running in several processes", "train") from error
    # Said outright: without a GPU accelerate would take each process for one alone.
    state = PartialState(cpu=not torch.accelerator.is_available())
    if str(state.num_processes) != started:
        raise OrapoError(
            f"the launcher says {started} processes, accelerate knows {state.num_processes}"
        )
    return Processes(state.process_index, state.num_processes)
