"""The one door through which rewards come in: one finite number a report, or None, or the run stops.

A reward of infinity makes all weights NaN at the next step, one of a wrong length gives a report what
another one earned, and both do so without an error. So every reward function of a trainer, ours and a user's
own, is called through here. What is said names the reward, the studies and what came, and never a
report: an error's own message may quote one, and is left out.
"""

from __future__ import annotations

import functools
import math
import numbers
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from torch import Tensor, nn

from orapo.errors import OrapoError, RunFailedError
from orapo.training import trl_contract

MOST: Final = 1e6
"""Largest size of a reward. TRL holds and adds rewards in float32, with 24 bits: beside a larger one the
others' differences, which are what GRPO learns from, would be rounded away."""
_NAMED: Final = 8


class RewardError(RunFailedError):
    """A reward function failed, or gave what is no reward."""


class CheckedReward:
    """A reward function, looked at.

    Args:
        reward: As TRL takes it.
        study_column: Column of the study's id, which a sentence names.

    Attributes:
        unknown: How many reports in a row got None; 0 after one that did not.
    """

    def __init__(self, reward: Callable[..., Any], study_column: str) -> None:
        self._reward = reward
        self._study_column = study_column
        self.__name__ = trl_contract.callable_name(reward)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # also while it is copied, and has no reward yet
            raise AttributeError(name)
        return getattr(self._reward, name)

    def __call__(self, *, completions: Sequence[Any], **columns: Any) -> list[float | None]:
        """Return N rewards.

        Raises:
            RewardError: They are none.
            OrapoError, RunFailedError: The reward function's own sentence.
        """
        try:
            came = self._reward(completions=completions, **columns)
        except (OrapoError, RunFailedError):
            raise
        except Exception as error:
            raise self._failed(error, completions, columns) from None
        return self._checked(came, completions, columns)

    def _failed(
        self, error: Exception, completions: Sequence[Any], columns: Mapping[str, Any]
    ) -> RewardError:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        return RewardError(
            f"reward {self.__name__!r} raised {type(error).__name__} in {Path(frame.filename).name}, "
            f"line {frame.lineno}, at {len(completions)} reports of {self._studies(columns)}; its "
            "message may quote a report and is not shown"
        )

    def _checked(
        self, came: Any, completions: Sequence[Any], columns: Mapping[str, Any]
    ) -> list[float | None]:
        wanted = f"expected {len(completions)}, one a report: a finite number or None for unknown"
        where = f"at reports of {self._studies(columns)}"
        unordered = isinstance(came, str | bytes | Mapping | set | frozenset)
        if unordered or not isinstance(came, Iterable) or getattr(came, "ndim", 1) != 1:
            raise RewardError(f"reward {self.__name__!r} gave {_kind(came)} {where}; {wanted}")
        values = list(came)
        if len(values) != len(completions):
            raise RewardError(
                f"reward {self.__name__!r} gave {len(values)} values {where}; {wanted}"
            )
        rewards = []
        for place, value in enumerate(values):
            number = _as_number(value)
            if value is not None and (number is None or not abs(number) <= MOST):
                what = _kind(value) if number is None else f"{number:g}"
                raise RewardError(
                    f"reward {self.__name__!r} gave {what} at a report of "
                    f"{self._studies(columns, place)}; expected a finite number, of a size of at most "
                    f"{MOST:g}, or None for unknown"
                )
            rewards.append(number)
        return rewards

    def _studies(self, columns: Mapping[str, Any], place: int | None = None) -> str:
        ids = columns.get(self._study_column)
        if not isinstance(ids, Sequence) or isinstance(ids, str):
            return "studies without ids" if place is None else f"row {place + 1}"
        if place is not None and place < len(ids):
            return f"study {ids[place]}"
        return _named(ids)


class _CheckedCoroutine(CheckedReward):
    """The same for a reward function that is awaited."""

    async def __call__(  # type: ignore[override]
        self, *, completions: Sequence[Any], **columns: Any
    ) -> list[float | None]:
        """Return N rewards; see `CheckedReward`."""
        try:
            came = await self._reward(completions=completions, **columns)
        except (OrapoError, RunFailedError):
            raise
        except Exception as error:
            raise self._failed(error, completions, columns) from None
        return self._checked(came, completions, columns)


def checked(rewards: Any, study_column: str) -> list[Any]:
    """Return reward functions, each behind the door.

    A model (TRL takes a module, or a checkpoint's name) is called by TRL itself: what it gives is looked
    at by `refuse_infinite`.

    Args:
        rewards: One, or a list of them, as TRL takes them.
        study_column: Column of the study's id.
    """
    found = []
    for reward in rewards if isinstance(rewards, list | tuple) else [rewards]:
        if isinstance(reward, str | nn.Module | CheckedReward) or not callable(reward):
            found.append(reward)
        elif trl_contract.is_async_callable(reward):
            found.append(_CheckedCoroutine(reward, study_column))
        else:
            found.append(CheckedReward(reward, study_column))
    return found


def refuse_infinite(
    rewards: Tensor, names: Sequence[str], models: Sequence[bool], study_ids: Sequence[str]
) -> None:
    """Look at the rewards of all reward functions once more, those of models among them.

    Args:
        rewards: (N, F), NaN where a function gave None.
        names: F names.
        models: F, whether it is a model, which can't give None.
        study_ids: N, or empty.

    Raises:
        RewardError: One is infinite, or a model's is NaN.
    """
    for column, (name, is_model) in enumerate(zip(names, models, strict=True)):
        values = rewards[:, column]
        odd = values.abs() > MOST
        if is_model:
            odd = odd | values.isnan()
        if bool(odd.any()):
            places = odd.nonzero().flatten().tolist()
            ids = [study_ids[place] for place in places] if study_ids else []
            raise RewardError(
                f"reward {name!r} gave {float(values[places[0]]):g} at "
                f"{f'reports of {_named(ids)}' if ids else f'{len(places)} reports'}; expected finite "
                f"numbers of a size of at most {MOST:g}"
            )


def _named(ids: Sequence[Any]) -> str:
    each = list(dict.fromkeys(str(one) for one in ids))
    more = f" and {len(each) - _NAMED} more" if len(each) > _NAMED else ""
    return f"{'study' if len(each) == 1 else 'studies'} {', '.join(each[:_NAMED])}{more}"


def _as_number(value: Any) -> float | None:
    if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):  # of numpy or torch
        value = value.item()
    # a huge whole number is no float
    if not isinstance(value, numbers.Real):
        return None
    try:
        return float(value)
    except (OverflowError, ValueError):
        return math.inf


def _kind(value: Any) -> str:
    while isinstance(value, functools.partial):
        value = value.func
    shape = getattr(value, "shape", None)
    return type(value).__name__ + (f" of shape {tuple(shape)}" if shape else "")
