"""What --dry-run says is what a training then does, where that can be counted."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from peft import LoraConfig
from PIL import Image
from torch.autograd.graph import saved_tensors_hooks
from transformers import AutoConfig

from checkpoints import BUILDERS, CORPUS, qwen_3b
from orapo import OrapoError
from orapo.data.conversation import REPORT_PROMPT
from orapo.data.phantom import PhantomConfig, write_phantom
from orapo.errors import RunFailedError
from orapo.facts import FactSReward
from orapo.generation import load_checkpoint
from orapo.training import OraPOConfig
from orapo.training import run as runs
from orapo.training.preparing.dry_run import Hardware, dry_run, hardware, schedule
from orapo.training.preparing.estimate import (
    GIB,
    Engine,
    Load,
    host_memory,
    memory_parts,
    meta_model,
    model_shape,
    peak,
)
from orapo.training.recipe import RunConfig
from orapo.training.run import studies_of

LOAD = Load(
    rows=4,
    generated=8,
    reports=4,
    prompt=100,
    answer=50,
    patches=64,
    films_shared=True,
    group=4,
)


@pytest.fixture(scope="module")
def phantom(tmp_path_factory):
    folder = tmp_path_factory.mktemp("phantom") / "data"
    return write_phantom(folder, {"train": 10, "test": 2}, 0, PhantomConfig(size=32))


def settings(folder, **fields):
    return OraPOConfig(
        str(folder),
        use_cpu=True,
        **{
            "num_generations": 2,
            "per_device_train_batch_size": 2,
            "gradient_accumulation_steps": 2,
            "max_completion_length": 4,
            "bf16": False,
            "gradient_checkpointing": False,
            "report_to": "none",
            "save_strategy": "no",
            "disable_tqdm": True,
            **fields,
        },
    )


def by_name(parts):
    return {part.name: part.bytes for part in parts}


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"num_train_epochs": 2},
        {"max_steps": 3},
        {"num_iterations": 2, "num_train_epochs": 1},
        {"per_device_train_batch_size": 4, "num_train_epochs": 1},
        {"steps_per_generation": 4, "num_train_epochs": 1},
        {"gradient_accumulation_steps": 4, "steps_per_generation": 2, "num_train_epochs": 1},
    ],
    ids=str,
)
def test_steps_and_rollouts_are_those_of_a_training(
    fields, checkpoints, phantom, tmp_path, monkeypatch
):
    seen = []

    class Counted(FactSReward):
        def __call__(self, completions, **columns):
            if len(completions) > 1:  # a reference report is asked for alone
                seen.append(len(completions))
            return super().__call__(completions, **columns)

    monkeypatch.setattr("orapo.training.rewards.terms.FactSReward", Counted)
    config = settings(tmp_path / "run", **fields)
    expected = schedule(config, 10, processes=1)
    runs.train(RunConfig(str(checkpoints("idefics3")), str(phantom)), config)
    log = [
        json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    ]
    assert max(line["step"] for line in log) == expected.steps
    assert sum(seen) == expected.rollouts


def test_more_processes_share_the_studies(tmp_path):
    config = settings(tmp_path, num_train_epochs=1)
    alone, both = (schedule(config, 16, processes) for processes in (1, 2))
    assert (alone.rollouts, both.rollouts) == (32, 32)
    assert (alone.steps, both.steps) == (8, 4)


def test_too_few_studies_for_a_generation_are_said(tmp_path):
    with pytest.raises(
        OrapoError, match="1 studies to train on, fewer than the 2 of one generation"
    ):
        schedule(settings(tmp_path), 1, processes=1)


def test_a_generation_that_splits_a_group_is_said(tmp_path):
    config = settings(tmp_path)
    config.num_generations = 3
    with pytest.raises(OrapoError, match="4 rollouts on 1 GPU"):
        schedule(config, 10, processes=1)


@pytest.mark.parametrize("kind", list(BUILDERS))
@pytest.mark.parametrize("lora", [False, True], ids=["full", "lora"])
def test_parameters_are_counted_without_weights_as_with_them(kind, lora, checkpoints):
    from peft import get_peft_model

    folder = checkpoints(kind)
    adapter = LoraConfig(r=2, target_modules="all-linear") if lora else None
    shape = model_shape(meta_model(AutoConfig.from_pretrained(folder), adapter))
    model, _ = load_checkpoint(folder, device="cpu")
    total = sum(p.numel() for p in model.parameters())
    if lora:
        model = get_peft_model(model, LoraConfig(r=2, target_modules="all-linear"))
    assert shape.parameters == total
    assert shape.trainable == sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert shape.adapter == (shape.trainable if lora else 0)


def test_the_papers_model_has_its_published_number_of_parameters():
    shape = model_shape(meta_model(qwen_3b()))
    assert shape.parameters == 3_754_622_976  # as its checkpoint's index says


def kept_bytes(function):
    """Bytes that autograd keeps for the backward pass, each tensor once, parameters apart."""
    seen = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        if not isinstance(tensor, torch.nn.Parameter):
            seen[storage.data_ptr()] = storage.nbytes()
        return tensor

    with saved_tensors_hooks(pack, lambda tensor: tensor):
        keep = function()
    assert keep is not None
    return sum(seen.values())


@pytest.mark.parametrize("kind", ["qwen2.5-vl", "qwen3-vl", "smolvlm"])
def test_the_activations_of_text_are_about_what_autograd_keeps(kind):
    """Of layers wide enough that what doesn't grow with the width doesn't count."""
    wide = {"hidden_size": 64, "intermediate_size": 256, "num_attention_heads": 4}
    wide |= {"num_key_value_heads": 2, "head_dim": 16}
    rope = {"qwen2.5-vl": [2, 3, 3], "qwen3-vl": [4, 2, 2]}
    config = BUILDERS[kind](CORPUS)[0].config
    text = config.get_text_config()
    for name, value in wide.items():
        setattr(text, name, value)
    if kind in rope:
        text.rope_parameters = {**text.rope_parameters, "mrope_section": rope[kind]}
        config.vision_config.out_hidden_size = 64
    model = type(BUILDERS[kind](CORPUS)[0])(config)
    rows, length = 4, 100
    inner = getattr(model.model, "language_model", None) or model.model.text_model
    # trainable inputs, as after films; a mask with padding, as in a batch
    states = torch.randn(rows, length, 64, requires_grad=True)
    mask = torch.ones(rows, length, dtype=torch.long)
    mask[0, :7] = 0
    measured = kept_bytes(
        lambda: inner(inputs_embeds=states, attention_mask=mask, use_cache=False).last_hidden_state
    )
    shape = model_shape(meta_model(config))
    load = replace(LOAD, rows=rows, reports=0, prompt=length - 50, answer=50)
    engine = Engine(weight_size=4, compute_size=4, checkpointing=False)
    estimate = by_name(memory_parts(shape, load, engine))["activations of text"]
    assert estimate == pytest.approx(measured, rel=0.3)


def shape_3b(lora):
    target = r".*(language_model|text_model).*\.(q|k|v|o|gate|up|down)_proj"
    adapter = LoraConfig(r=16, target_modules=target) if lora else None
    return model_shape(meta_model(qwen_3b(), adapter))


def test_an_adapter_costs_less_than_all_weights_and_four_bits_less_than_sixteen():
    full = memory_parts(shape_3b(False), LOAD, Engine(reference=True))
    adapted = memory_parts(shape_3b(True), LOAD, Engine())
    quantised = memory_parts(shape_3b(True), LOAD, Engine(bits=4))
    assert peak(full) > peak(adapted) > peak(quantised)
    assert by_name(full)["reference model"] == by_name(full)["weights"]
    assert "reference model" not in by_name(adapted)
    assert by_name(full)["optimiser states"] == 2 * by_name(full)["gradients"]


def test_sharding_divides_what_it_spreads():
    alone = by_name(memory_parts(shape_3b(False), LOAD, Engine(reference=True)))
    spread = {
        name: by_name(
            memory_parts(shape_3b(False), LOAD, Engine(processes=4, sharded=name, reference=True))
        )
        for name in ("gradients", "weights")
    }
    assert spread["gradients"]["gradients"] == alone["gradients"] / 4
    assert spread["gradients"]["weights"] == alone["weights"]
    assert spread["weights"]["weights"] == alone["weights"] / 4
    assert spread["weights"]["reference model"] == alone["reference model"] / 4


def test_checkpointing_spares_activations_and_eager_attention_costs_them():
    parts = {
        name: by_name(memory_parts(shape_3b(True), LOAD, engine))["activations of text"]
        for name, engine in {
            "spared": Engine(),
            "kept": Engine(checkpointing=False),
            "eager": Engine(checkpointing=False, eager=True),
        }.items()
    }
    assert parts["spared"] < parts["kept"] / 5
    assert parts["kept"] < parts["eager"]


def test_a_server_for_rollouts_leaves_no_sampling_on_the_gpu():
    parts = memory_parts(shape_3b(True), LOAD, Engine(generates="server"))
    assert {part.when for part in parts} == {"always", "learning"}


def test_vllm_takes_its_share_of_a_gpu_but_never_less_than_the_weights_and_their_cache():
    """7.2 GiB, a share of 0.3, do not hold 7.0 GiB of weights, a cache and what else there is."""
    for share, taken in ((0.5, 12.0), (0.3, 8.04)):
        engine = Engine(generates="colocate", vllm_share=share)
        parts = memory_parts(shape_3b(True), LOAD, engine, 24 * GIB)
        (vllm,) = [part for part in parts if part.name == "vLLM"]
        assert vllm.bytes / GIB == pytest.approx(taken, abs=0.05)
        assert vllm.when == "always"


def test_a_machine_holds_a_model_and_its_copy_for_each_process():
    shape = shape_3b(False)
    zero2 = Engine(processes=8, sharded="gradients", master_weights=True, reference=True)
    alone = Engine()
    assert host_memory(shape, zero2) / GIB == pytest.approx(8 * (14.0 + 3), abs=0.2)
    assert host_memory(shape, alone) / GIB == pytest.approx(7.0 + 3, abs=0.1)
    zero3 = replace(zero2, sharded="weights")
    assert host_memory(shape, zero3) / GIB == pytest.approx(14.0 + 8 * 3, abs=0.2)


def test_a_report_that_is_longer_than_a_rollout_makes_all_rows_longer():
    short, long = (
        by_name(memory_parts(shape_3b(True), replace(LOAD, report=tokens), Engine()))
        for tokens in (40, 800)
    )
    assert short == by_name(memory_parts(shape_3b(True), LOAD, Engine()))
    assert long["activations of text"] == pytest.approx(
        short["activations of text"] * (100 + 800) / (100 + 50)
    )


def test_reports_that_no_rollout_can_reach_are_counted(checkpoints, phantom, tmp_path):
    found = look(checkpoints("idefics3"), phantom, tmp_path)
    assert found.longest_report > 10
    (note,) = found.notes
    assert "10 of the 10 longest reports have more tokens" in note
    assert "max_completion_length 4" in note


def test_a_film_that_is_cropped_is_said(checkpoints, phantom, tmp_path):
    notes = " ".join(look(checkpoints("llava"), phantom, tmp_path).notes)
    assert "the ends of its longer side are cut off" in notes


def look(checkpoint, phantom, tmp_path, machine=None, step_seconds=None, **fields):
    config = settings(tmp_path, num_train_epochs=1)
    run = RunConfig(str(checkpoint), str(phantom), **fields)
    machine = machine or Hardware(24 * GIB, "a card")
    return dry_run(run, config, studies_of(phantom, "train"), machine, step_seconds)


@pytest.mark.parametrize("kind", list(BUILDERS))
def test_prompts_are_measured_with_the_models_own_processor(kind, checkpoints, phantom, tmp_path):
    found = look(checkpoints(kind), phantom, tmp_path)
    model, processor = load_checkpoint(checkpoints(kind), device="cpu")
    film = Image.new("RGB", (32, 32))
    parts = [{"type": "image"}, {"type": "text", "text": REPORT_PROMPT}]
    text = processor.apply_chat_template(
        [{"role": "user", "content": parts}], add_generation_prompt=True
    )
    (ids,) = processor(images=[[film]], text=[text], return_tensors="pt")["input_ids"]
    assert found.image_tokens == (ids == model.config.image_token_id).sum()
    assert found.prompt_tokens == len(ids)
    assert found.prompt_tokens > found.image_tokens
    assert found.studies == 10
    assert found.fits
    assert found.hours is None


def test_a_gpu_that_is_too_small_is_said(checkpoints, phantom, tmp_path):
    assert not look(checkpoints("idefics3"), phantom, tmp_path, Hardware(0.5 * GIB, "small")).fits


@pytest.mark.parametrize(
    "fields", [{"reward_terms": ["gradd=0.5"]}, {"reward_terms": ["graded"]}, {"reward": "gradd"}]
)
def test_a_reward_that_there_is_none_of_is_said_before_the_run(
    fields, checkpoints, phantom, tmp_path
):
    with pytest.raises(OrapoError, match="grad"):
        look(checkpoints("idefics3"), phantom, tmp_path, **fields)


@pytest.mark.parametrize(
    "fields", [{"reward": "graded"}, {"reward_terms": ["graded=0.5"]}, {"reward": "facts_rare"}]
)
def test_the_rewards_of_a_recipe_are_found(fields, checkpoints, phantom, tmp_path):
    assert look(checkpoints("idefics3"), phantom, tmp_path, **fields).studies == 10


def test_hours_come_from_a_measured_step(checkpoints, phantom, tmp_path):
    found = look(checkpoints("idefics3"), phantom, tmp_path, step_seconds=36.0)
    assert found.schedule.steps == 5
    assert found.hours == pytest.approx(5 * 36 / 3600)


def test_a_judge_has_its_price(checkpoints, phantom, tmp_path):
    judge = {"engine": "llm", "judge_model": "m"}
    found = look(checkpoints("idefics3"), phantom, tmp_path, judge_prices=[2.0, 8.0], **judge)
    assert found.judge_calls == found.schedule.rollouts + found.studies
    sent, answered = found.judge_tokens
    assert found.judge_cost == pytest.approx((sent * 2 + answered * 8) / 1e6)
    assert sent > 500 * found.judge_calls  # the task alone is longer than that
    assert look(checkpoints("idefics3"), phantom, tmp_path, **judge).judge_cost is None
    assert look(checkpoints("idefics3"), phantom, tmp_path).judge_calls == 0


def test_a_broken_film_is_counted_as_a_training_would(checkpoints, phantom, tmp_path):
    studies = studies_of(phantom, "train")
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    studies[3] = studies[3].model_copy(update={"images": (broken,)})
    run = RunConfig(str(checkpoints("idefics3")), str(phantom), max_unreadable_share=0.2)
    config = settings(tmp_path, num_train_epochs=1)
    found = dry_run(run, config, studies, Hardware(24 * GIB, "a card"))
    assert (found.studies, found.set_aside) == (9, 1)


@pytest.mark.parametrize(
    ("name", "processes", "sharded", "engine"),
    [
        ("4gpus", 4, "nothing", ""),
        ("6gpus", 6, "nothing", ""),
        ("zero2", 8, "gradients", "deepspeed"),
        ("zero3", 8, "weights", "deepspeed"),
        ("fsdp", 8, "weights", "fsdp"),
    ],
)
def test_an_accelerate_file_says_how_weights_are_spread(name, processes, sharded, engine):
    file = Path(__file__).parents[3] / "recipes" / "accelerate" / f"{name}.yaml"
    machine = hardware(24, file)
    assert machine.processes == processes
    assert machine.sharded == sharded
    assert machine.engine == engine
    assert machine.checkpointing == (engine == "fsdp")
    assert machine.gpu == 24 * GIB


def test_a_broken_accelerate_file_is_named(tmp_path):
    file = tmp_path / "accelerate.yaml"
    file.write_text("- a list")
    with pytest.raises(OrapoError, match=r"accelerate\.yaml: can't be read"):
        hardware(24, file)


def test_an_adapter_on_sharded_weights_is_refused_with_vllm(checkpoints, phantom, tmp_path):
    """As the trainer refuses it, whose process is started by the same accelerate file."""
    config = settings(tmp_path, use_vllm=True, vllm_mode="server")
    run = RunConfig(str(checkpoints("qwen2.5-vl")), str(phantom), use_peft=True)
    machine = Hardware(24 * GIB, "a card", 1, "weights", "fsdp")
    with pytest.raises(OrapoError, match="use_vllm with an adapter under ZeRO-3 or FSDP"):
        dry_run(run, config, studies_of(phantom, "train"), machine)


def test_held_out_films_that_a_probe_could_not_read_are_told(checkpoints, phantom, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    held_out = [one.model_copy(update={"images": (broken,)}) for one in studies_of(phantom, "test")]
    run = RunConfig(str(checkpoints("idefics3")), str(phantom))
    studies, machine = studies_of(phantom, "train"), Hardware(24 * GIB, "a card")
    with pytest.raises(RunFailedError):
        dry_run(run, settings(tmp_path), studies, machine, held_out=held_out)
