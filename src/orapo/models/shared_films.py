"""The rollouts of a study look at the same film: it is encoded once for all of them.

TRL hands a film over once a rollout, and the vision tower reads it as often. Here a model's
`get_image_features` (transformers 5.23) encodes each distinct film of a batch once and gives its
features to every row that shows it. The loss is the same up to rounding; the gradients of the rows
add up in the one encoding.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import wraps
from types import MethodType
from typing import Any, Final

import torch
from torch import Tensor, nn

# How these models lay films out: one row of `pixel_values` each, or patches one film after another
# with the number of each film's in `image_grid_thw`.
ROWS: Final = ("Idefics3Model", "SmolVLMModel", "LlavaModel")
PATCHES: Final = ("Qwen2VLModel", "Qwen2_5_VLModel", "Qwen3VLModel")
# Further arguments with one entry a row.
_ROW_FIELDS: Final = ("pixel_attention_mask", "image_sizes")


def encode_films_once(model: nn.Module) -> bool:
    """Make ``model`` encode films that are equal, value by value, once a forward pass.

    Args:
        model: A vision-language model, with an adapter or without.

    Returns:
        Whether it is one of the supported classes; any other is left as it is.
    """
    module: Any
    for module in model.modules():
        kind: Any = type(module)
        if kind.__name__ in ROWS + PATCHES:
            select = _select_rows if kind.__name__ in ROWS else _select_patches
            # A bound method, not a closure: in a deep copy it is bound to the copy.
            module.get_image_features = MethodType(
                _sharing(kind.get_image_features, select), module
            )
            return True
    return False


def _sharing(encode: Callable[..., Any], select: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(encode)  # `generate` reads the signature
    def get_image_features(self: nn.Module, *args: Any, **kwargs: Any) -> Any:
        if not kwargs.get("return_dict"):  # a tuple is asked for; the models themselves never do
            return encode(self, *args, **kwargs)
        given = inspect.signature(encode).bind(self, *args, **kwargs)
        picked, position = select(given.arguments)
        given.arguments.update(picked)
        features = encode(*given.args, **given.kwargs)
        features.pooler_output = [features.pooler_output[place] for place in position]
        if getattr(features, "deepstack_features", None):  # Qwen3-VL: of deeper layers, one by one
            features.deepstack_features = [
                [layer[place] for place in position] for layer in features.deepstack_features
            ]
        return features

    return get_image_features


def _select_rows(arguments: dict[str, Any]) -> tuple[dict[str, Tensor], list[int]]:
    names = [
        name for name in ("pixel_values", *_ROW_FIELDS) if isinstance(arguments.get(name), Tensor)
    ]
    films = list(zip(*(arguments[name] for name in names), strict=True))
    rows, position = distinct(films)
    return {name: arguments[name][rows] for name in names}, position


def _select_patches(arguments: dict[str, Any]) -> tuple[dict[str, Tensor], list[int]]:
    grid = arguments["image_grid_thw"]
    patches = arguments["pixel_values"].split(grid.prod(dim=-1).tolist())
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
