"""Plain supervision from the same recipe."""

import json

import pytest
import run_recipe

from orapo import OrapoError
from orapo.models.whole import whole_checkpoints
from orapo.training import OraPOConfig
from orapo.training.method.baselines import supervised_config
from orapo.training.run import train, training_studies


def recipe(run_settings, **changes):
    return run_recipe.recipe(run_settings, **{"method": "sft", **changes})


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_step_has_as_many_studies_as_one_of_the_other_methods(tmp_path):
    config = OraPOConfig(
        str(tmp_path), per_device_train_batch_size=32, num_generations=4, use_cpu=True, bf16=False
    )
    assert supervised_config(config).per_device_train_batch_size == 8


def test_reports_become_likelier(run_settings):
    settings = recipe(run_settings, max_steps=30, save_steps=30, learning_rate=1e-2, probe_every=0)
    folder = train(*settings)
    loss = [line["loss"] for line in lines(folder / "metrics.jsonl") if "loss" in line]
    assert len(loss) == 30
    assert sum(loss[-5:]) < 0.8 * sum(loss[:5])


def test_a_run_leaves_what_every_run_leaves(run_settings):
    folder = train(*recipe(run_settings))
    assert [line["step"] for line in lines(folder / "probe.jsonl")] == [0, 3]
    assert "sft" in (folder / "README.md").read_text()
    assert (folder / "model.safetensors").is_file()
    assert [path.name for path in whole_checkpoints(folder)] == ["checkpoint-2", "checkpoint-4"]


def test_an_interrupted_run_goes_on_to_the_same_weights(run_settings, tmp_path):
    whole = train(*recipe(run_settings))
    cut = {"output_dir": str(tmp_path / "cut")}
    folder = train(*recipe(run_settings, **cut))
    import shutil

    shutil.rmtree(folder / "checkpoint-4")
    (folder / "model.safetensors").unlink()
    train(*recipe(run_settings, **cut), resume=True)
    weights = [(each / "model.safetensors").read_bytes() for each in (whole, folder)]
    assert weights[0] == weights[1]


def test_each_seed_orders_the_studies_anew(run_settings):
    first = []
    for seed in (0, 0, 1):
        folder = f"{run_settings['output_dir']}-{len(first)}"
        changes = {"max_steps": 1, "probe_every": 0, "output_dir": folder, "train_studies": 6}
        done = train(*recipe(run_settings, seed=seed, **changes))
        first.append(next(line["loss"] for line in lines(done / "metrics.jsonl") if "loss" in line))
    assert first[0] == first[1] != first[2]


def test_a_smaller_number_of_studies_is_part_of_a_larger_one(run_settings):
    found = []
    for count in (2, 4, 6):
        run, _ = recipe(run_settings, train_studies=count, seed=count)
        found.append([study.study_id for study in training_studies(run)])
    assert [len(names) for names in found] == [2, 4, 6]
    assert set(found[0]) < set(found[1]) < set(found[2])
    run, _ = recipe(run_settings, train_studies=4, studies_seed=1)
    assert [study.study_id for study in training_studies(run)] != found[1]
    run, _ = recipe(run_settings, train_studies=7)
    with pytest.raises(OrapoError, match="train_studies is 7"):
        training_studies(run)
