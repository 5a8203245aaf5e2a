"""A run from a recipe: what is refused before anything is loaded."""

import pytest
import yaml
from transformers.integrations import integration_utils

from orapo import OrapoError
from orapo.training.recipe import read_recipe
from orapo.training.run import train


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
