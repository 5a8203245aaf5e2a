"""A checkpoint that is torn, flipped or not this run's is not written with: the one before it is."""

import json
import logging
import math
import shutil
from contextlib import ExitStack

import pytest
import torch
from peft import LoraConfig, get_peft_model
from PIL import Image
from safetensors.torch import load_file, save_file

from commands import invoke
from orapo.cli import generate, serve
from orapo.data.tables.reading import read_rows
from orapo.errors import OrapoError
from orapo.generation import load_checkpoint
from orapo.generation.vllm_engine import VllmWriter
from orapo.models.whole import MARK_FILE, fault, intact, mark_whole, marking
from orapo.training.preparing.policy import load_policy

WEIGHTS = "model.safetensors"
ADAPTER = "adapter_model.safetensors"


@pytest.fixture
def run(tiny_model, tiny_processor, tmp_path):
    """What a training leaves: two steps, and its end beside logs."""
    folder = tmp_path / "run"
    for step in (2, 4):
        save(tiny_model, tiny_processor, folder / f"checkpoint-{step}")
        mark_whole(folder / f"checkpoint-{step}")
    (folder / "metrics.jsonl").write_text("{}\n")
    with marking(folder):
        save(tiny_model, tiny_processor, folder)
    return folder


def save(model, processor, folder):
    model.save_pretrained(folder)
    processor.save_pretrained(folder)


@pytest.fixture
def adapters(tiny_model, tiny_processor, tmp_path):
    """The same of a LoRA training; the base is ``base``."""
    save(tiny_model, tiny_processor, tmp_path / "base")
    base, _ = load_checkpoint(tmp_path / "base")
    policy = get_peft_model(base, LoraConfig(r=2, target_modules=["q_proj"]))
    with torch.no_grad():
        for name, weight in policy.named_parameters():
            if "lora_B" in name:
                weight.fill_(0.5)
    folder = tmp_path / "adapters"
    for step in (2, 4):
        save(policy, tiny_processor, folder / f"checkpoint-{step}")
        mark_whole(folder / f"checkpoint-{step}")
    with marking(folder):
        save(policy, tiny_processor, folder)
    return folder


def cut(path):
    path.write_bytes(path.read_bytes()[:-50])


def flip(path):
    content = bytearray(path.read_bytes())
    content[-2] ^= 0x10
    path.write_bytes(content)


def another_run_s(path):
    """Weights of the same size and names."""
    save_file({name: value + 1 for name, value in load_file(path).items()}, path, {"format": "pt"})


def lose(path):
    path.unlink()


DAMAGE = [cut, flip, another_run_s, lose]


def test_a_whole_run_is_taken_as_it_is(run, adapters, caplog):
    for folder in (run, run / "checkpoint-4", adapters, adapters / "checkpoint-2"):
        assert intact(folder) == folder
        load_checkpoint(folder)
    assert caplog.text == ""


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("kind", ["run", "adapters"])
def test_a_damaged_end_falls_back_to_the_last_step_with_a_sentence(request, kind, damage, caplog):
    folder = request.getfixturevalue(kind)
    damage(folder / {"run": WEIGHTS, "adapters": ADAPTER}[kind])
    with caplog.at_level(logging.WARNING):
        taken = intact(folder)
    assert taken == folder / "checkpoint-4"
    assert f"{folder}: not whole (" in caplog.text
    assert f"{taken} is taken instead" in caplog.text
    load_checkpoint(taken)
    with pytest.raises(OrapoError, match=r"not whole \(.*checkpoint-4 is whole"):
        load_checkpoint(folder)  # who asks for exactly this one gets no other


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_step_falls_back_to_the_one_before_it(run, damage):
    damage(run / "checkpoint-4" / WEIGHTS)
    assert intact(run / "checkpoint-4") == run / "checkpoint-2"


def test_damage_goes_back_as_far_as_it_must_and_then_is_an_error(run):
    flip(run / WEIGHTS)
    flip(run / "checkpoint-4" / "config.json")
    assert intact(run) == run / "checkpoint-2"
    (run / "checkpoint-2" / MARK_FILE).unlink()
    with pytest.raises(
        OrapoError, match=r"no whole checkpoint lies before it; .* delete its whole"
    ):
        intact(run)


def test_a_run_that_was_killed_while_it_wrote_its_end_is_torn(run, tiny_model):
    with ExitStack() as killed:
        killed.enter_context(marking(run))
        tiny_model.save_pretrained(run)
        killed.pop_all()
    assert fault(run) == "it was being written when its run ended"
    assert intact(run) == run / "checkpoint-4"


def test_a_run_that_has_not_ended_is_its_last_step(run):
    for path in run.iterdir():
        if path.is_file():
            path.unlink()
    assert intact(run) == run / "checkpoint-4"


def test_logs_that_go_on_do_not_tear_the_end(run):
    with (run / "metrics.jsonl").open("a") as file:
        file.write("{}\n")
    assert fault(run) is None


def test_other_people_s_models_have_no_mark_and_are_taken(run, tmp_path):
    plain = tmp_path / "plain" / "checkpoint-7"
    shutil.copytree(run / "checkpoint-4", plain)
    (plain / MARK_FILE).unlink()
    assert intact(plain) == plain
    assert intact("owner/model") == "owner/model"


def test_an_adapter_may_be_told_where_its_base_has_gone_and_nothing_else(adapters, tmp_path):
    (tmp_path / "base").rename(tmp_path / "moved")
    path = adapters / "adapter_config.json"
    settings = json.loads(path.read_text())
    path.write_text(json.dumps({**settings, "base_model_name_or_path": str(tmp_path / "moved")}))
    assert fault(adapters) is None
    load_checkpoint(adapters)
    path.write_text(json.dumps({**settings, "lora_alpha": 999}))
    assert fault(adapters) == "adapter_config.json is not what was written"


# ---------------------------------------------------------------- without marks


def test_an_adapter_that_would_be_unpickled_is_refused(adapters):
    (adapters / MARK_FILE).unlink()
    torch.save(load_file(adapters / ADAPTER), adapters / "adapter_model.bin")
    (adapters / ADAPTER).unlink()
    with pytest.raises(OrapoError, match=r"read from adapter_model.safetensors alone"):
        load_checkpoint(adapters)


def test_an_adapter_within_a_whole_model_is_not_unpickled_either(run, adapters):
    (run / MARK_FILE).unlink()
    shutil.copy(adapters / "adapter_config.json", run)
    torch.save(load_file(adapters / ADAPTER), run / "adapter_model.bin")
    with pytest.raises(OrapoError, match=r"read from adapter_model.safetensors alone"):
        load_checkpoint(run)


def test_an_adapter_of_another_model_is_refused_and_not_left_out_in_silence(adapters):
    (adapters / MARK_FILE).unlink()
    other = {
        name.replace("q_proj", "x_proj"): v for name, v in load_file(adapters / ADAPTER).items()
    }
    save_file(other, adapters / ADAPTER)
    with pytest.raises(OrapoError, match="the adapter 'default' is not that of this model"):
        load_checkpoint(adapters)


def test_weights_of_another_model_are_refused_and_not_drawn_at_random(run):
    (run / MARK_FILE).unlink()
    weights = load_file(run / WEIGHTS)
    gone = min(name for name in weights if "q_proj" in name)
    save_file({n: v for n, v in weights.items() if n != gone}, run / WEIGHTS, {"format": "pt"})
    with pytest.raises(OrapoError, match=r"not those of its configuration \(1 are missing"):
        load_checkpoint(run)


def with_nan(path):
    weights = load_file(path)
    weights[min(weights)].view(-1)[0] = math.nan
    save_file(weights, path, {"format": "pt"})


@pytest.mark.parametrize("kind", ["run", "adapters"])
def test_weights_that_are_no_numbers_write_no_report(request, kind):
    folder = request.getfixturevalue(kind)
    with_nan(folder / {"run": WEIGHTS, "adapters": ADAPTER}[kind])
    (folder / MARK_FILE).unlink()
    with pytest.raises(OrapoError, match="weights are not finite numbers, for example in "):
        load_checkpoint(folder)


# ---------------------------------------------------------------- in commands


@pytest.fixture
def film(tmp_path):
    Image.linear_gradient("L").resize((40, 30)).save(tmp_path / "film.png")
    return tmp_path / "film.png"


def test_generate_says_which_checkpoint_wrote(run, film, tmp_path, caplog):
    flip(run / WEIGHTS)
    out = tmp_path / "out.jsonl"
    with caplog.at_level(logging.WARNING):
        invoke(
            (generate,), ["generate", film, "--model", run, "--out", out, "--max-new-tokens", 3], 0
        )
    (row,) = read_rows(out)
    assert row.values["model"] == str(run / "checkpoint-4")
    assert "checkpoint-4 is taken instead" in caplog.text


def test_generate_refuses_what_is_no_number_and_leaves_no_file(run, film, tmp_path):
    with_nan(run / WEIGHTS)
    (run / MARK_FILE).unlink()
    words = ["generate", film, "--model", run, "--out", tmp_path / "out.jsonl"]
    with pytest.raises(OrapoError, match="not finite"):
        invoke((generate,), words, 2)
    assert not list(tmp_path.glob("*out.jsonl*"))


def test_serve_takes_the_checkpoint_before(run, monkeypatch):
    flip(run / WEIGHTS)
    taken = []

    def load(name, **options):
        taken.append(name)
        raise OrapoError("enough")

    monkeypatch.setattr("orapo.serve.inference.load_served", load)
    with pytest.raises(OrapoError, match="enough"):
        invoke((serve,), ["serve", "--model", run, "--port", 0], 2)
    assert taken == [str(run / "checkpoint-4")]


def test_vllm_gets_no_damaged_model_and_no_nan(run, monkeypatch):
    import sys
    from types import SimpleNamespace

    monkeypatch.setitem(
        sys.modules, "vllm", SimpleNamespace(__version__="0", SamplingParams=None, LLM=None)
    )
    flip(run / WEIGHTS)
    with pytest.raises(OrapoError, match="not whole"):
        VllmWriter(str(run), None)
    with_nan(run / "checkpoint-4" / WEIGHTS)
    (run / "checkpoint-4" / MARK_FILE).unlink()
    shutil.move(run / "checkpoint-4", run.parent / "plain")
    with pytest.raises(OrapoError, match="not finite"):
        VllmWriter(str(run.parent / "plain"), None)


def test_a_training_begins_from_no_damaged_base_and_from_no_other_one(run):
    from orapo.training.config import OraPOConfig
    from orapo.training.recipe import RunConfig

    flip(run / WEIGHTS)
    config = OraPOConfig(str(run.parent / "out"), use_cpu=True, bf16=False)
    with pytest.raises(OrapoError, match=r"not whole .*checkpoint-4 is whole"):
        load_policy(RunConfig(model=str(run), data="unused"), config)
