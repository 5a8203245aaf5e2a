"""What a checkpoint's authors decode with changes neither a rollout nor a report."""

import json
import shutil

import pytest
import torch
from PIL import Image

from orapo.generation import Decoding, load_checkpoint
from orapo.generation.reports import sample_reports
from small_runs import LORA, make_trainer, mixed, recipe, write_studies

PUBLISHED = {
    "repetition": {"repetition_penalty": 5.0},  # Qwen2.5-VL's is 1.05
    "greedy": {"do_sample": True, "temperature": 1e-6, "top_k": 1, "top_p": 0.001},
    "min_p": {"do_sample": True, "min_p": 0.9},
    "no_repeat": {"no_repeat_ngram_size": 1},
    "beams": {"num_beams": 3},
    "typical": {"typical_p": 0.1},
    "begin": {"begin_suppress_tokens": list(range(30, 300))},
}


@pytest.fixture
def with_settings(checkpoints, tmp_path):
    """A checkpoint whose generation_config.json has more in it."""

    def write(**settings):
        folder = tmp_path / "with settings"
        shutil.copytree(checkpoints("qwen2.5-vl"), folder)
        file = folder / "generation_config.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), **settings}))
        return folder

    return write


def rollouts(folder, tmp_path, **adapter):
    work = tmp_path / f"run of {folder.name}"
    work.mkdir()
    manifest = write_studies(work)
    fields = {"per_device_train_batch_size": 8, "gradient_accumulation_steps": 1}
    fields |= {"num_generations": 8, "max_completion_length": 12, **adapter}
    trainer = make_trainer(recipe(folder, manifest, work, **fields), mixed)
    trainer.model.train()
    torch.manual_seed(0)
    with torch.no_grad():
        return trainer._generate_and_score_completions([trainer.train_dataset[0]] * 8)


def written(folder):
    model, processor = load_checkpoint(folder, device="cpu")
    film = Image.linear_gradient("L").resize((20, 18))
    return [
        sample_reports(model, processor, [[film]], ["Report."], ["s0"], decoding)
        for decoding in (
            Decoding(max_new_tokens=12),
            Decoding(max_new_tokens=12, temperature=1.0, samples=2),
        )
    ]


@pytest.mark.parametrize("settings", list(PUBLISHED.values()), ids=list(PUBLISHED))
def test_rollouts_and_reports_are_the_model_s_own(settings, with_settings, checkpoints, tmp_path):
    plain, folder = checkpoints("qwen2.5-vl"), with_settings(**settings)
    assert written(folder) == written(plain)
    ours, own = (rollouts(each, tmp_path) for each in (folder, plain))
    assert ours["completion_ids"].equal(own["completion_ids"])


def test_the_end_that_training_teaches_ends_a_report_whatever_the_settings_say(
    with_settings, checkpoints
):
    """A base whose settings name another end would write on behind its own."""
    folder = with_settings(eos_token_id=5)
    model, processor = load_checkpoint(folder, device="cpu")
    assert model.generation_config.eos_token_id == [5, processor.tokenizer.eos_token_id]
    assert model.generation_config.pad_token_id == processor.tokenizer.pad_token_id


@pytest.mark.parametrize("adapter", [{}, LORA], ids=["full", "lora"])
def test_a_trainer_that_is_handed_a_model_samples_from_it_plainly_too(
    adapter, with_settings, checkpoints, tmp_path, monkeypatch
):
    monkeypatch.setattr("orapo.models.plain_decoding.decode_plainly", lambda *_: None)  # of loading
    folder = with_settings(no_repeat_ngram_size=1)
    ours, own = (rollouts(f, tmp_path, **adapter) for f in (folder, checkpoints("qwen2.5-vl")))
    assert ours["completion_ids"].equal(own["completion_ids"])
