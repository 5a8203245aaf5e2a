"""What others script against: a change here is a change of version, and stands in the changelog."""

import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

import orapo
from orapo import cli

ROOT = Path(__file__).parents[1]
NAMES = {
    "FactSReward",
    "GradedFactSReward",
    "OraPOConfig",
    "OraPOTrainer",
    "OrapoError",
    "evaluate_reports",
    "extract_facts",
    "label_report",
}
COMMANDS = (
    *("demo", "facts", "label", "reward", "cache", "data", "train", "generate", "evaluate"),
    *("compare", "preferences", "reward_model", "ablate", "export", "serve", "doctor"),
)


def test_the_public_names_are_these_and_all_are_there():
    assert set(orapo.__all__) == NAMES
    for name in NAMES:
        assert getattr(orapo, name).__name__ == name
        assert getattr(orapo, name).__doc__


def test_a_name_that_is_not_public_is_none():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        orapo.nothing  # noqa: B018


def test_the_commands_are_these():
    assert set(COMMANDS) <= set(cli.COMMANDS)
    assert set(cli.COMMANDS) == set(COMMANDS)


def test_every_command_and_extra_is_on_the_page_of_commands_and_the_readme_leads_there():
    page = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    assert [name for name in COMMANDS if f"orapo {name.replace('_', '-')}" not in page] == []
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = set(project["optional-dependencies"]) - {"dev"}
    assert [name for name in sorted(extras) if f"'.[{name}]'" not in page] == []
    assert "(docs/commands.md)" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_one_version_everywhere():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert orapo.__version__ == project["version"] == citation["version"] == version("orapo")
    assert f"## {orapo.__version__}" in (ROOT / "CHANGELOG.md").read_text()
