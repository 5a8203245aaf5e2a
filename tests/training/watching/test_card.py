"""The model card that a training leaves beside its weights."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

pytest.importorskip("torch")

from huggingface_hub import ModelCard

from orapo.data.manifest import read_manifest
from orapo.data.phantom import PhantomConfig, write_phantom
from orapo.evaluation import clinical_scores
from orapo.evaluation.detail import macro_f1_interval
from orapo.evaluation.trivial import trivial_scores
from orapo.labels import UncertainPolicy
from orapo.training.recipe import read_recipe
from orapo.training.run import train


@pytest.fixture
def recipe(tiny_model, tiny_processor, tmp_path):
    model = tmp_path / "secret-place" / "tiny"
    tiny_model.save_pretrained(model)
    tiny_processor.save_pretrained(model)
    counts = {"train": 6, "validate": 4}
    manifest = write_phantom(tmp_path / "phantom", counts, 0, PhantomConfig(size=32))
    settings = {
        "model": str(model), "data": str(manifest), "output_dir": str(tmp_path / "run"),
        "max_steps": 2, "per_device_train_batch_size": 4, "num_generations": 2,
        "max_completion_length": 8, "use_cpu": True, "bf16": False, "report_to": "none",
        "gradient_checkpointing": False, "probe_split": "validate", "probe_every": 2,
        "prompt_fields": ["age"], "views": "all", "disable_tqdm": True,
    }  # fmt: skip
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(settings))
    return path


def trained(recipe, *options):
    return train(*read_recipe(["--config", str(recipe), *options]))


def test_the_card_holds_data_settings_figures_trivial_rows_and_the_notice(recipe, tmp_path):
    folder = trained(recipe)
    card = ModelCard.load(folder / "README.md")
    data = card.data
    assert (data.library_name, data.pipeline_tag) == ("transformers", "image-text-to-text")
    assert data.base_model is None  # a folder is no name on the hub
    last = json.loads((folder / "probe.jsonl").read_text().splitlines()[-1])
    (result,) = data.eval_results
    assert result.metric_value == round(last["macro_f1"], 4)
    assert result.dataset_split == "validate"
    text = card.text
    assert "For research use only. Not a medical device." in text
    assert "| training studies (split `train`) | 6 |" in text
    assert "| `num_generations` | 2 |" in text
    assert "--views all --prompt-fields age" in text
    low, high = last["macro_f1_interval"]
    assert f"| **this model**, step 2 | {last['macro_f1']:.3f} | {low:.3f} to {high:.3f} |" in text
    studies = read_manifest(tmp_path / "phantom" / "manifest.jsonl")
    held_out = [study.labels for study in studies if study.split == "validate"]
    row = trivial_scores(held_out, uncertain=UncertainPolicy.POSITIVE)["all_positive"]
    assert f"| All positive | {row.macro_f1:.3f} | |" in text
    assert "Random at prevalence" in text
    # nothing of the machine or of the reports
    assert "secret-place" not in text
    assert str(tmp_path) not in text
    assert not any(study.report[:40] in text for study in studies)


def test_without_a_probe_the_card_says_that_there_are_no_figures(recipe):
    folder = trained(recipe, "--probe_split", "", "--max_steps", "1", "--method", "grpo")
    card = ModelCard.load(folder / "README.md")
    assert card.data.eval_results is None
    assert "None: the recipe had no probe" in card.text
    assert "GRPO and the FactS reward" in card.text


def test_the_interval_is_around_the_macro_f1_and_resamples_patients():
    truth = [{"Edema": 1}, {"Edema": 0, "Fracture": 1}] * 10
    calls = [{"Edema": int(index % 3 != 2), "Fracture": int(index % 4 == 1)} for index in range(20)]
    for policy in UncertainPolicy:
        score = clinical_scores(calls, truth, uncertain=policy).macro_f1
        one = macro_f1_interval(calls, truth, [""] * 20, uncertain=policy)
        assert one.value == pytest.approx(score)
        assert one.low < score < one.high
        single = macro_f1_interval(calls, truth, ["p"] * 20, uncertain=policy)
        assert single.value == pytest.approx(score)
        assert np.isnan([single.low, single.high]).all()  # one patient has no interval


def test_the_card_is_written_whole(recipe):
    folder = trained(recipe, "--max_steps", "1")
    assert not list(Path(folder).glob(".README*"))
