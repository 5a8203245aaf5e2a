"""A film that several rollouts look at is encoded once, and nothing else changes."""

import copy

import pytest
import torch
from transformers import (
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    LlavaConfig,
    LlavaForConditionalGeneration,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
)

from orapo.models.shared_films import distinct, encode_films_once

TEXT = {
    "vocab_size": 40,
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
}


def idefics3():
    vision = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1}
    config = Idefics3Config(
        text_config={**TEXT, "model_type": "llama", "pad_token_id": 0},
        vision_config={**vision, "num_attention_heads": 2, "image_size": 16, "patch_size": 4},
        scale_factor=2,
        image_token_id=3,
    )
    return Idefics3ForConditionalGeneration(config), "vision_model"


def llava():
    vision = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1}
    clip = {"model_type": "clip_vision_model", "image_size": 16, "patch_size": 4}
    config = LlavaConfig(
        text_config={**TEXT, "model_type": "llama"},
        vision_config={**vision, **clip, "num_attention_heads": 2},
        image_token_index=3,
    )
    return LlavaForConditionalGeneration(config), "vision_tower"


def qwen():
    vision = {"hidden_size": 8, "intermediate_size": 8, "depth": 1, "num_heads": 2}
    config = Qwen2_5_VLConfig(
        text_config={**TEXT, "rope_scaling": {"type": "mrope", "mrope_section": [1, 1, 2]}},
        vision_config={**vision, "out_hidden_size": 16, "patch_size": 4},
        image_token_id=3,
    )
    return Qwen2_5_VLForConditionalGeneration(config), "visual"


def qwen3():
    vision = {"hidden_size": 8, "intermediate_size": 8, "depth": 2, "num_heads": 2}
    deep = {"deepstack_visual_indexes": [0], "num_position_embeddings": 16}
    config = Qwen3VLConfig(
        text_config={
            **TEXT,
            "head_dim": 8,
            "rope_parameters": {"rope_type": "default", "mrope_section": [2, 1, 1]},
        },
        vision_config={**vision, **deep, "out_hidden_size": 16, "patch_size": 4},
        image_token_id=3,
    )
    return Qwen3VLForConditionalGeneration(config), "visual"


def films(kind, order):
    """Rows that show the films of ``order``; films are of two sizes where the model can take that."""
    generator = torch.Generator().manual_seed(0)
    if kind in (qwen, qwen3):
        grids = torch.tensor([[1, 4, 4], [1, 2, 4], [1, 4, 4]])
        patches = [torch.randn(int(g.prod()), 3 * 2 * 4 * 4, generator=generator) for g in grids]
        return {
            "pixel_values": torch.cat([patches[i] for i in order]),
            "image_grid_thw": grids[order],
        }
    pixels = torch.randn(3, 3, 16, 16, generator=generator)[order]
    if kind is llava:
        return {"pixel_values": pixels}
    return {
        "pixel_values": pixels[:, None],
        "pixel_attention_mask": torch.ones(len(order), 1, 16, 16, dtype=torch.bool),
    }


def encoded(model, tower, inputs):
    """Features, gradients of the vision tower, and how much the tower was given."""
    given = []
    vision = getattr(model.model, tower)
    hook = vision.register_forward_pre_hook(
        lambda module, args, kwargs: given.append(len(args[0] if args else kwargs["pixel_values"])),
        with_kwargs=True,
    )
    encoded = model.model.get_image_features(**inputs, return_dict=True)
    hook.remove()
    layers = [encoded.pooler_output, *(getattr(encoded, "deepstack_features", None) or ())]
    features = [part for layer in layers for part in layer]
    model.zero_grad()
    joined = torch.cat([part.reshape(-1, part.shape[-1]) for part in features])
    (joined * torch.arange(joined.numel()).view_as(joined).sin()).sum().backward()
    return joined, [p.grad for p in vision.parameters() if p.grad is not None], sum(given)


@pytest.fixture(params=[idefics3, llava, qwen, qwen3], ids=lambda kind: kind.__name__)
def kind(request):
    return request.param


def made(kind):
    torch.manual_seed(0)
    model, tower = kind()
    return model.double().eval(), tower


def in_double(inputs):
    return {k: v.double() if v.is_floating_point() else v for k, v in inputs.items()}


def test_features_and_gradients_stay_and_the_tower_sees_each_film_once(kind):
    model, tower = made(kind)
    shared = copy.deepcopy(model)
    assert encode_films_once(shared)
    inputs = in_double(films(kind, [1, 0, 1, 2, 0, 1]))
    plain, plain_gradients, plain_seen = encoded(model, tower, inputs)
    features, gradients, seen = encoded(shared, tower, inputs)
    torch.testing.assert_close(features, plain, rtol=0, atol=1e-12)
    assert plain_gradients
    for got, expected in zip(gradients, plain_gradients, strict=True):
        # Qwen's RMSNorm computes in float32
        torch.testing.assert_close(got, expected, rtol=1e-6, atol=1e-6 if kind is qwen else 1e-12)
    once = in_double(films(kind, [0, 1, 2]))["pixel_values"]
    assert seen == len(once)
    assert plain_seen == len(inputs["pixel_values"])


def test_a_copy_of_such_a_model_encodes_with_its_own_tower(kind):
    model, tower = made(kind)
    encode_films_once(model)
    other = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in getattr(other.model, tower).parameters():
            parameter.zero_()
    inputs = in_double(films(kind, [0, 0]))
    assert not torch.allclose(encoded(model, tower, inputs)[0], encoded(other, tower, inputs)[0])


def test_films_with_the_same_sum_are_told_apart():
    film = torch.tensor([1.0, 2.0, 3.0])
    rows, position = distinct([(film,), (film.flip(0),), (film.clone(),)])
    assert (rows, position) == ([0, 1], [0, 1, 0])


def test_films_that_differ_in_what_belongs_to_them_alone_are_told_apart():
    film = torch.ones(3)
    rows, position = distinct([(film, torch.tensor(1)), (film, torch.tensor(2))])
    assert (rows, position) == ([0, 1], [0, 1])


def test_a_model_of_another_kind_is_left_as_it_is():
    assert not encode_films_once(torch.nn.Linear(2, 2))
