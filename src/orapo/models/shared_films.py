"""The rollouts of a study look at the same film: it is encoded once for all of them.

TRL hands a film over once a rollout, and the vision tower reads it as often. Here a model's
`get_image_features` (transformers 5.23) encodes each distinct film of a batch once and gives its
features to every row that shows it. The loss is the same up to rounding; the gradients of the rows
add up in the one encoding.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Sequence
from functools import wraps
from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn

_log = logging.getLogger(__name__)


def encode_films_once(model: nn.Module) -> bool:
    """Make ``model`` encode films that are equal, value by value, once a forward pass.

    No class is known by name. Films lie one row each in ``pixel_values`` (a row can be all films or tiles of
    a study), or patch after patch with the number of each film's in ``image_grid_thw``; what comes back has
    to have as many parts as rows went in, else all films are encoded, as they were before.

    Args:
        model: A vision-language model, with an adapter or without.

    Returns:
        Whether it has a method that encodes films; any other model is left as it is.
    """
    encoder = film_encoder(model)
    if encoder is None:
        return False
    # A bound method, not a closure: in a deep copy it is bound to the copy.
    encoder.get_image_features = MethodType(_sharing(type(encoder).get_image_features), encoder)
    return True


def film_encoder(model: nn.Module) -> Any:
    """Return the part of a model that encodes films; None if it has none."""
    # The classes with a head hand over to the one within.
    parts = [m for m in model.modules() if hasattr(type(m), "get_image_features")]
    return parts[-1] if parts else None


def _sharing(encode: Callable[..., Any]) -> Callable[..., Any]:
    signature = inspect.signature(encode)
    (rest,) = [
        name for name, one in signature.parameters.items() if one.kind is one.VAR_KEYWORD
    ] or [""]

    @wraps(encode)  # `generate` reads the signature
    def get_image_features(self: Any, *args: Any, **kwargs: Any) -> Any:
        if kwargs.get("return_dict") is False or getattr(self, "_films_apart", False):
            return encode(self, *args, **kwargs)
        # By name, not by place: decorators of these methods fill in what is not named.
        given = dict(signature.bind(self, *args, **kwargs).arguments)
        del given[next(iter(given))]
        given.update(given.pop(rest, {}))
        if not isinstance(given.get("pixel_values"), Tensor):
            return encode(self, **given)
        picked, position = _select(given)
        features = encode(self, **{**given, **picked})
        parts = getattr(features, "pooler_output", None)
        count = max(position) + 1
        if not _is_by_row(parts, count):
            _log.warning("%s: films are encoded once a rollout", type(self).__name__)
            self._films_apart = True
            return encode(self, **given)
        features.pooler_output = _at(parts, position)
        if getattr(features, "deepstack_features", None):  # Qwen3-VL: of deeper layers, one by one
            features.deepstack_features = [
                _at(layer, position) for layer in features.deepstack_features
            ]
        return features

    return get_image_features


def _is_by_row(parts: Any, count: int) -> bool:
    if isinstance(parts, Tensor):
        return parts.ndim > 2 and len(parts) == count
    return isinstance(parts, list | tuple) and len(parts) == count


def _at(parts: Any, position: list[int]) -> Any:
    if isinstance(parts, Tensor):
        return parts[position]
    return type(parts)(parts[place] for place in position)


def _select(arguments: dict[str, Any]) -> tuple[dict[str, Tensor], list[int]]:
    pixels, grid = arguments["pixel_values"], arguments.get("image_grid_thw")
    if grid is None:
        names = [
            name
            for name, value in arguments.items()
            if isinstance(value, Tensor) and value.ndim and len(value) == len(pixels)
        ]
        films = list(zip(*(arguments[name] for name in names), strict=True))
        rows, position = distinct(films)
        return {name: arguments[name][rows] for name in names}, position
    patches = pixels.split(grid.prod(dim=-1).tolist())
    rows, position = distinct(list(zip(patches, grid, strict=True)))
    return {
        "pixel_values": torch.cat([patches[row] for row in rows]),
        "image_grid_thw": grid[rows],
    }, position


def distinct(films: Sequence[tuple[Tensor, ...]]) -> tuple[list[int], list[int]]:
    """Find which films are equal.

    Args:
        films: N films: the values of each, and whatever else has to be equal.

    Returns:
        The indices of the distinct ones, and for each of the N its place among them.
    """
    # Equal films have equal sums; films of equal sums are compared value by value.
    sums = torch.stack([film[0].sum(dtype=torch.float64) for film in films]).tolist()
    places: dict[float, list[int]] = {}
    rows: list[int] = []
    position = []
    for row, (film, total) in enumerate(zip(films, sums, strict=True)):
        alike = places.setdefault(total, [])
        place = next((at for at in alike if _equal(films[rows[at]], film)), None)
        if place is None:
            place = len(rows)
            rows.append(row)
            alike.append(place)
        position.append(place)
    return rows, position


def _equal(first: tuple[Tensor, ...], second: tuple[Tensor, ...]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
