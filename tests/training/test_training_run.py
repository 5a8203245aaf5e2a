"""A run from a recipe: what is refused before anything is loaded."""

import socket

import pytest
import yaml
from transformers.integrations import integration_utils

from orapo import OrapoError
from orapo.training.preparing.dry_run import Hardware, dry_run
from orapo.training.recipe import read_recipe
from orapo.training.run import train, training_studies


@pytest.mark.parametrize(
    ("name", "reason"), [("tensorboard", "requires tensorboard"), ("pigeon", "not supported")]
)
def test_what_a_run_cannot_be_reported_to_is_said_at_once(
    run_settings, tmp_path, monkeypatch, name, reason
):
    monkeypatch.setattr(integration_utils, "is_tensorboard_available", lambda: False)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump({**run_settings, "report_to": name}))
    with pytest.raises(OrapoError, match=f"report_to '{name}' can't be used: .*{reason}"):
        train(*read_recipe(["--config", str(recipe)]))
    assert not (tmp_path / "run").exists()


def test_without_progress_bars_a_run_prints_no_figures(run_settings, tmp_path, capsys):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump({**run_settings, "max_steps": 1}))
    folder = train(*read_recipe(["--config", str(recipe)]))
    assert capsys.readouterr().out == ""
    assert "loss" in (folder / "metrics.jsonl").read_text()


def test_a_mistyped_folder_of_a_model_is_no_name_for_the_hub(run_settings, tmp_path, monkeypatch):
    (tmp_path / "runs").mkdir()
    monkeypatch.chdir(tmp_path)
    asked = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *_, **__: asked.append(host))
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump({**run_settings, "model": "runs/bset", "use_vllm": True}))
    run, config = read_recipe(["--config", str(recipe)])
    with pytest.raises(OrapoError, match="runs/bset: no such folder, though runs is one"):
        train(run, config)
    with pytest.raises(OrapoError, match="runs/bset: no such folder, though runs is one"):
        dry_run(run, config, training_studies(run), Hardware(1e9, "small"))
    assert asked == []
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("variable", "engine"), [("FSDP", "FSDP"), ("DEEPSPEED", "DeepSpeed")])
def test_an_engine_that_accelerate_would_leave_out_is_refused(
    run_settings, tmp_path, monkeypatch, variable, engine
):
    """accelerate 1.15 trains on a CPU as if it had not been asked for them."""
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(run_settings))
    run, config = read_recipe(["--config", str(recipe)])
    monkeypatch.setenv(f"ACCELERATE_USE_{variable}", "true")  # as its launcher does
    with pytest.raises(OrapoError, match=f"{engine} is asked for .* every process would train all"):
        train(run, config)
    assert not (tmp_path / "run").exists()


def test_fsdp_in_the_recipe_is_refused_where_it_would_not_run(run_settings, tmp_path):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump({**run_settings, "fsdp": "full_shard"}))
    with pytest.raises(OrapoError, match="FSDP is asked for"):
        train(*read_recipe(["--config", str(recipe)]))


def test_one_process_that_sees_several_gpus_is_refused_before_anything_is_loaded(
    run_settings, tmp_path
):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(run_settings))
    run, config = read_recipe(["--config", str(recipe)])
    config._n_gpu = 4  # as transformers counts them
    with pytest.raises(OrapoError, match="4 GPUs are to be seen"):
        train(run, config)
