"""Whatever runs on the demo's tiny model runs on the classes of the real checkpoints.

Each test takes a tiny checkpoint of a class from a folder (`checkpoints.py`), as `orapo train` does.
"""

import json
import shutil

import pytest
import torch
from PIL import Image

from checkpoints import CORPUS, FILM_TOKENS
from orapo import OrapoError
from orapo.data.films.images import read_image
from orapo.data.manifest import read_manifest
from orapo.generation import load_checkpoint
from orapo.training.preparing.policy import limit_pixels
from orapo.training.recipe import RunConfig, read_recipe
from orapo.training.trl_contract import image_tokens
from small_runs import FILMS, LORA, call, make_trainer, mixed, recipe

KINDS = ["qwen2.5-vl", "qwen3-vl", "smolvlm", "demo"]
"""The others are in test_model_classes.py, in fewer tests."""


def moved(trainer, before):
    return {
        name for name, value in trainer.model.named_parameters() if not value.equal(before[name])
    }


def values(trainer):
    return {name: value.detach().clone() for name, value in trainer.model.named_parameters()}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fields", [{}, LORA], ids=["full", "lora"])
def test_every_trainable_parameter_moves_and_no_frozen_one_does(
    kind, fields, checkpoints, manifest, tmp_path
):
    trainer = make_trainer(recipe(checkpoints(kind), manifest, tmp_path, **fields), mixed)
    before = values(trainer)
    trainer.train()
    trainable = {name for name, p in trainer.model.named_parameters() if p.requires_grad}
    assert moved(trainer, before) == trainable
    assert len(trainable) > 20
    frozen = set(before) - trainable
    assert bool(frozen) == bool(fields)


@pytest.mark.parametrize("kind", KINDS)
def test_bf16_and_gradient_checkpointing_train_the_same_parameters(
    kind, checkpoints, manifest, tmp_path
):
    fields = {"bf16": True, "gradient_checkpointing": True, "dtype": "bfloat16", **LORA}
    trainer = make_trainer(recipe(checkpoints(kind), manifest, tmp_path, **fields), mixed)
    assert trainer.model.get_base_model().dtype == torch.bfloat16
    before = values(trainer)
    trainer.train()
    trainable = {name for name, p in trainer.model.named_parameters() if p.requires_grad}
    assert moved(trainer, before) == trainable


def test_gradient_checkpointing_leaves_the_gradients_as_they_are(checkpoints, manifest, tmp_path):
    ends = []
    for checkpointing in (False, True):
        file = recipe(
            checkpoints("qwen2.5-vl"), manifest, tmp_path, gradient_checkpointing=checkpointing
        )
        trainer = make_trainer(file, mixed)
        trainer.train()
        ends.append(values(trainer))
    for name, value in ends[0].items():
        torch.testing.assert_close(ends[1][name], value, msg=name)


def forward_inputs(trainer):
    """Record what the inner model is given in every forward pass of the loss."""
    seen = []
    model = trainer.model.get_base_model() if hasattr(trainer.model, "peft_config") else None
    inner = (model or trainer.model).model

    def record(module, args, kwargs):
        if kwargs.get("pixel_values") is not None:
            seen.append({name: kwargs[name] for name in kwargs})

    inner.register_forward_pre_hook(record, with_kwargs=True)
    return seen


def films_by_row(given, counts):
    """The films of each row, as the model reads them: in the order of the placeholders."""
    pixels = given["pixel_values"]
    if given.get("image_grid_thw") is None:
        return [list(row[:count]) for row, count in zip(pixels, counts, strict=True)]
    films = list(pixels.split(given["image_grid_thw"].prod(dim=-1).tolist()))
    assert sum(counts) == len(films)
    return [[films.pop(0) for _ in range(count)] for count in counts]


def expected_films(processor, manifest):
    """The films of each study, by its age, each put through the processor alone."""
    films = {}
    for study in read_manifest(manifest):
        films[study.age] = [
            processor.image_processor([[read_image(path)]], return_tensors="pt")["pixel_values"]
            for path in study.images
        ]
    return films


@pytest.mark.parametrize("kind", KINDS)
def test_films_reach_their_study_after_shuffling_and_splitting(
    kind, checkpoints, manifest, tmp_path
):
    trainer = make_trainer(recipe(checkpoints(kind), manifest, tmp_path, max_steps=4), mixed)
    expected = expected_films(trainer.processing_class, manifest)
    seen = forward_inputs(trainer)
    trainer.train()
    (image,) = image_tokens(trainer) - {getattr(trainer.model.config, "video_token_id", None) or -1}
    orders, rows = set(), 0
    for given in seen:
        texts = trainer.processing_class.batch_decode(given["input_ids"])
        ages = [int(text.split("Age: ")[1][:2]) for text in texts]
        counts = [FILMS[age - 40] for age in ages]
        # no placeholder is lost or cut, and none was sampled
        assert (given["input_ids"] == image).sum(1).tolist() == [n * FILM_TOKENS for n in counts]
        for age, films in zip(ages, films_by_row(given, counts), strict=True):
            for film, own in zip(films, expected[age], strict=True):
                torch.testing.assert_close(film, own.view_as(film))
            rows += 1
        orders.add(tuple(ages))
    assert rows > 4 * 8  # every rollout of four steps, and reports beside them
    assert len(orders) > 3


@pytest.mark.parametrize("kind", KINDS)
def test_a_long_prompt_loses_no_film(kind, checkpoints, manifest, tmp_path):
    """Neither TRL nor the tokenizer's own limit cuts a prompt."""
    trainer = make_trainer(recipe(checkpoints(kind), manifest, tmp_path, max_steps=1), mixed)
    tokenizer = trainer.processing_class.tokenizer
    tokenizer.model_max_length, tokenizer.truncation_side = 8, "left"
    trainer.train()
    ids = trainer.generation["prompt_ids"]
    (image,) = image_tokens(trainer) - {getattr(trainer.model.config, "video_token_id", None) or -1}
    ages = [int(text.split("Age: ")[1][:2]) for text in tokenizer.batch_decode(ids)]
    assert (ids == image).sum(1).tolist() == [FILMS[age - 40] * FILM_TOKENS for age in ages]


def test_a_recipe_cannot_ask_for_a_shorter_prompt(checkpoints, manifest, tmp_path):
    file = recipe(checkpoints("idefics3"), manifest, tmp_path, max_prompt_length=16)
    with pytest.raises(OrapoError, match="unknown field 'max_prompt_length'"):
        read_recipe(["--config", str(file)])


@pytest.mark.parametrize("kind", KINDS)
def test_no_placeholder_is_sampled_even_by_a_model_that_wants_nothing_else(
    kind, checkpoints, manifest, tmp_path
):
    trainer = make_trainer(recipe(checkpoints(kind), manifest, tmp_path, max_steps=1), mixed)
    tokenizer = trainer.processing_class.tokenizer
    special = {number for number, one in tokenizer.added_tokens_decoder.items() if one.special}
    spare = set(range(len(tokenizer), trainer.model.get_output_embeddings().weight.shape[0]))
    placeholders = sorted((special | spare) - {tokenizer.eos_token_id})
    assert image_tokens(trainer) <= set(placeholders)
    asked = []

    def prefer(module, args, logits):
        asked.append(len(logits))
        bias = torch.zeros(logits.shape[-1])
        bias[placeholders] = 100.0
        return logits + bias

    trainer.model.lm_head.register_forward_hook(prefer)
    trainer.train()
    ids, mask = trainer.generation["completion_ids"], trainer.generation["completion_mask"]
    assert asked
    assert not torch.isin(ids[mask.bool()], torch.tensor(placeholders)).any()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fields", [{}, LORA], ids=["full", "lora"])
def test_a_class_trains_checkpoints_resumes_and_generates(
    kind, fields, checkpoints, manifest, tmp_path
):
    file = recipe(
        checkpoints(kind),
        manifest,
        tmp_path,
        save_strategy="steps",
        save_steps=1,
        per_device_train_batch_size=2,
        dpo_tau=1.0,
        **fields,
    )
    call("train", "--config", file)
    run = tmp_path / "run"
    through, _ = load_checkpoint(run, device="cpu")
    base, _ = load_checkpoint(checkpoints(kind), device="cpu")
    assert through.state_dict().keys() == base.state_dict().keys()
    assert any(not v.equal(base.state_dict()[n]) for n, v in through.state_dict().items())
    (run / "checkpoint-2").rename(tmp_path / "gone")
    call("train", "--config", file, "--resume")
    again, _ = load_checkpoint(run, device="cpu")
    for name, value in through.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], value, rtol=0, atol=0, msg=name)
    out = tmp_path / "predictions.jsonl"
    options = ("--views", "all", "--max-new-tokens", 4)
    call("generate", "--model", run, "--data", manifest, "--out", out, *options)
    (row,) = [json.loads(line) for line in out.read_text().splitlines()]
    assert row["study_id"] == "t3"
    assert not row["error"]


def test_a_step_that_is_probed_is_logged_too(checkpoints, manifest, tmp_path):
    probe = {"probe_split": "test", "probe_every": 1, "logging_steps": 1}
    call("train", "--config", recipe(checkpoints("idefics3"), manifest, tmp_path, **probe))
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    losses = {json.loads(line)["step"] for line in lines if "loss" in json.loads(line)}
    assert losses == {1, 2}


@pytest.mark.parametrize("kind", KINDS)
def test_the_most_pixels_of_a_recipe_reach_the_model_and_the_checkpoint(
    kind, checkpoints, manifest, tmp_path
):
    file = recipe(checkpoints(kind), manifest, tmp_path, max_steps=1, max_pixels=8 * 8)
    call("train", "--config", file)
    processor = load_checkpoint(tmp_path / "run", device="cpu")[1]
    film = Image.linear_gradient("L").resize((16, 16))
    pixels = processor.image_processor([[film]], return_tensors="pt")
    if "image_grid_thw" in pixels:
        assert pixels["image_grid_thw"].tolist() == [[1, 2, 2]]
    else:
        assert dict(processor.image_processor.size)["longest_edge"] == 8


def test_a_processor_without_such_a_size_says_so(checkpoints):
    processor = load_checkpoint(checkpoints("idefics3"), device="cpu")[1]
    with pytest.raises(OrapoError, match="takes no min_pixels"):
        limit_pixels(processor, fewest=4)


def test_an_adapter_is_no_base_of_a_training(checkpoints, manifest, tmp_path):
    call("train", "--config", recipe(checkpoints("idefics3"), manifest, tmp_path, **LORA))
    again = recipe(tmp_path / "run", manifest, tmp_path)
    with pytest.raises(OrapoError, match="holds an adapter"):
        make_trainer(again)


def test_an_adapter_whose_model_is_gone_says_which(checkpoints, manifest, tmp_path):
    call("train", "--config", recipe(checkpoints("idefics3"), manifest, tmp_path, **LORA))
    file = tmp_path / "run" / "adapter_config.json"
    file.write_text(file.read_text().replace(str(checkpoints("idefics3")), "/gone/base"))
    with pytest.raises(OrapoError, match="trained on /gone/base, which is gone"):
        load_checkpoint(tmp_path / "run", device="cpu")


def test_four_bits_without_their_library_name_the_extra(
    checkpoints, manifest, tmp_path, monkeypatch
):
    monkeypatch.setattr("orapo.training.preparing.policy.find_spec", lambda name: None)
    file = recipe(checkpoints("idefics3"), manifest, tmp_path, load_in_4bit=True, **LORA)
    with pytest.raises(OrapoError, match=r"orapo\[quantization\]"):
        make_trainer(file)


def test_a_base_in_four_bits_trains_its_adapter_alone(checkpoints, manifest, tmp_path):
    pytest.importorskip("bitsandbytes")
    fields = {"load_in_4bit": True, "bf16": True, "gradient_checkpointing": True, **LORA}
    trainer = make_trainer(recipe(checkpoints("qwen2.5-vl"), manifest, tmp_path, **fields), mixed)
    layers = {type(module).__name__ for module in trainer.model.modules()}
    assert "Linear4bit" in layers
    before = values(trainer)
    trainer.train()
    assert moved(trainer, before) == {
        name for name, p in trainer.model.named_parameters() if p.requires_grad
    }


def test_under_zero_3_the_reference_is_read_from_the_policys_folder(
    checkpoints, manifest, tmp_path, monkeypatch
):
    monkeypatch.setattr("orapo.training.method.trainer.is_deepspeed_zero3_enabled", lambda: True)
    folder = checkpoints("qwen2.5-vl")
    trainer = make_trainer(recipe(folder, manifest, tmp_path), mixed)
    base = load_checkpoint(folder, device="cpu")[0].state_dict()
    for name, value in trainer.ref_model.state_dict().items():
        torch.testing.assert_close(value, base[name], rtol=0, atol=0, msg=name)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"load_in_4bit": True}, "need use_peft"),
        ({"load_in_4bit": True, "load_in_8bit": True, "use_peft": True}, "same time"),
        ({"model_name_or_path": "x"}, "in the field model"),
        ({"min_pixels": 9, "max_pixels": 4}, "max_pixels"),
    ],
)
def test_a_wrong_field_of_the_model_is_named(fields, message):
    with pytest.raises(OrapoError, match=message):
        RunConfig(model="m", data="d.jsonl", **fields)


TEXT_ALONE = [r".*(language_model|text_model).*\.(q|k|v|o|gate|up|down)_proj"]


def test_a_rate_of_a_tower_in_which_nothing_is_trained_is_refused(checkpoints, manifest, tmp_path):
    fields = {**LORA, "lora_target_modules": TEXT_ALONE}
    file = recipe(
        checkpoints("qwen2.5-vl"), manifest, tmp_path, vision_learning_rate=1e-6, **fields
    )
    with pytest.raises(
        OrapoError, match="vision_learning_rate 1e-06: no weight of the vision tower"
    ):
        call("train", "--config", file)


def test_an_adapter_on_embeddings_that_are_the_head_too_is_refused(checkpoints, manifest, tmp_path):
    fields = {**LORA, "lora_target_modules": ["q_proj", "embed_tokens"]}
    file = recipe(checkpoints("qwen2.5-vl"), manifest, tmp_path, **fields)
    with pytest.raises(OrapoError, match="share their weights with the head"):
        call("train", "--config", file)
    trained = make_trainer(recipe(checkpoints("idefics3"), manifest, tmp_path, **fields), mixed)
    assert any("embed_tokens.lora" in name for name, _ in trained.model.named_parameters())


def test_a_head_that_is_trained_beside_an_adapter_says_no_placeholder_either(
    checkpoints, manifest, tmp_path
):
    fields = {**LORA, "lora_modules_to_save": ["lm_head"]}
    trainer = make_trainer(recipe(checkpoints("idefics3"), manifest, tmp_path, **fields), mixed)
    trainer.train()
    tokenizer = trainer.processing_class.tokenizer
    placeholders = sorted(set(tokenizer.all_special_ids) - set(trainer.eos_token_ids))
    ids = tokenizer(CORPUS[0], return_tensors="pt")["input_ids"]
    for model in (trainer.model, trainer.model.get_base_model()):
        with torch.no_grad():
            chances = model(input_ids=ids).logits.softmax(-1)
        assert chances[..., placeholders].max() == 0
    with torch.no_grad(), trainer.model.disable_adapter():  # the reference
        chances = trainer.model(input_ids=ids).logits.softmax(-1)
    assert chances[..., placeholders].max() == 0


def test_steps_that_bfloat16_would_round_away_are_warned_of(
    checkpoints, manifest, tmp_path, caplog
):
    fields = {"bf16": True, "learning_rate": 1e-6, "max_steps": 1}
    file = recipe(checkpoints("qwen2.5-vl"), manifest, tmp_path, dtype="bfloat16", **fields)
    call("train", "--config", file)
    assert "all weights are trained in bfloat16" in caplog.text
    (note,) = json.loads(call("train", "--config", file, "--dry-run", "--json"))["notes"][:1]
    assert note.startswith("All weights are trained in bfloat16")
    caplog.clear()
    for number, other in enumerate(({"dtype": "float32"}, {"dtype": "bfloat16", **LORA})):
        out = str(tmp_path / str(number))
        file = recipe(
            checkpoints("qwen2.5-vl"), manifest, tmp_path, output_dir=out, **fields, **other
        )
        call("train", "--config", file)
        assert "Weights are trained" not in call("train", "--config", file, "--dry-run")
    assert "weights are trained in" not in caplog.text


def test_a_run_that_goes_on_with_another_k_says_so(checkpoints, manifest, tmp_path, caplog):
    saved = {"save_strategy": "steps", "save_steps": 1, "per_device_train_batch_size": 4}
    saved |= {"gradient_accumulation_steps": 1, "steps_per_generation": 2}
    kind = checkpoints("qwen2.5-vl")
    call("train", "--config", recipe(kind, manifest, tmp_path, max_steps=1, **saved))
    file = recipe(kind, manifest, tmp_path, max_steps=2, num_generations=4, **saved)
    call("train", "--config", file, "--resume")
    assert "trained with other settings (num_generations); going on, but not" in caplog.text
    assert "half-used generation is of another shape" in caplog.text
    caplog.clear()
    call("train", "--config", file, "--resume")
    assert "other settings" not in caplog.text


def test_a_run_that_goes_on_with_another_base_or_other_texts_says_so(
    checkpoints, manifest, tmp_path, caplog
):
    """An adapter would lie on what it was not trained on, and y+ would be another."""
    saved = {"save_strategy": "steps", "save_steps": 1, **LORA}
    base = tmp_path / "other"
    shutil.copytree(checkpoints("qwen2.5-vl"), base)
    file = recipe(checkpoints("qwen2.5-vl"), manifest, tmp_path, max_steps=1, **saved)
    call("train", "--config", file)
    file = recipe(base, manifest, tmp_path, max_steps=2, **{**saved, "prompt_fields": []})
    call("train", "--config", file, "--resume")
    assert "trained with other settings (model, prompts and reports)" in caplog.text
