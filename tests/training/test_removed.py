"""Options that are gone: refused by name wherever they can be given, with what to use instead."""

import copy
import pickle

import pytest
import yaml
from typer.testing import CliRunner

from orapo import OraPOConfig, OrapoError
from orapo.cli import app
from orapo.removed import REMOVED
from orapo.training.recipe import read_recipe

FIELDS = {
    "credit": ("sentence", "every token has its report's reward"),
    "credit_weight": (0.5, "every token has its report's reward"),
    "facts_beta_end": (0.5, "give facts_beta one value"),
    "resample_rounds": (2, "raise num_generations"),
}
OPTIONS = [
    ("ablate", "--rival-seeds", "use --other-seeds"),
    ("evaluate", "--worst", "its list sorts by errors"),
]


def test_every_field_that_is_gone_is_tried_here():
    rows = {"orapo_sentence", "orapo_schedule", "rival"}
    assert set(REMOVED) == {*FIELDS, *rows, *(option for _, option, _ in OPTIONS)}


@pytest.mark.parametrize(("name", "value", "instead"), [(n, *rest) for n, rest in FIELDS.items()])
def test_a_field_that_is_gone_is_refused_with_what_to_use_instead(
    run_settings, tmp_path, name, value, instead
):
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump({**run_settings, name: value}))
    with pytest.raises(OrapoError, match=f"^{path}: {name} was removed: .*{instead}"):
        read_recipe(["--config", str(path)])
    path.write_text(yaml.safe_dump(run_settings))
    for option in (f"--{name}", f"--{name.replace('_', '-')}"):
        with pytest.raises(OrapoError, match=f"^{name} was removed: .*{instead}"):
            read_recipe(["--config", str(path), option, str(value)])
    with pytest.raises(OrapoError, match=f"^{name} was removed: .*{instead}"):
        OraPOConfig(str(tmp_path), use_cpu=True, bf16=False, **{name: value})


def test_a_configuration_can_still_be_copied_and_sent_to_another_process(tmp_path):
    config = OraPOConfig(str(tmp_path), use_cpu=True, bf16=False, w_max=0.4)
    for twin in (copy.copy(config), pickle.loads(pickle.dumps(config))):
        assert twin.w_max == 0.4


@pytest.mark.parametrize(("command", "option", "instead"), OPTIONS)
def test_an_option_of_a_command_that_is_gone_is_refused_with_what_to_use_instead(
    command, option, instead
):
    refused = CliRunner().invoke(app, [command, option, "3"]).exception
    assert isinstance(refused, OrapoError)
    assert str(refused).startswith(f"{option} was removed: ")
    assert instead in str(refused)


def test_an_option_that_never_was_is_refused_as_before():
    refused = CliRunner().invoke(app, ["evaluate", "--worse", "3"])
    assert refused.exit_code == 2
    assert "No such option: --worse" in refused.output
