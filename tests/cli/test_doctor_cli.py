"""`orapo doctor` says what is there, what is missing, and what for."""

import json

import pytest
from typer.testing import CliRunner

from orapo import __version__
from orapo.cli import doctor

REQUIRED = [
    "numpy>=1.26",
    "typer>=0.15",
    'torch>=2.6; extra == "train"',
    "pillow>=999; extra == 'dicom'",
    'no-such-package>=1; extra == "vllm"',
    'pytest>=8; extra == "dev"',
    'numpy>=1; extra == "brand-new"',
]


@pytest.fixture
def call(monkeypatch):
    import typer

    app = typer.Typer()
    doctor.add_to(app)
    app.command("other")(lambda: None)  # so that `doctor` stays a command of its own
    monkeypatch.setattr(doctor.metadata, "requires", lambda name: REQUIRED)

    def run(*arguments):
        result = CliRunner().invoke(app, ["doctor", *arguments], env={"COLUMNS": "200"})
        assert result.exit_code == 0, result.output
        return result.output

    return run


def test_it_tells_what_is_there_from_what_is_missing_or_too_old(call):
    extras = json.loads(call("--json"))["extras"]
    assert extras["core"]["ready"]
    assert extras["train"]["ready"]
    states = {
        name: [package["state"] for package in extra["packages"]] for name, extra in extras.items()
    }
    assert states == {
        "core": ["ok", "ok"],
        "train": ["ok"],
        "dicom": ["other version"],
        "vllm": ["missing"],
        "brand-new": ["ok"],
    }
    assert not extras["vllm"]["ready"]


def test_it_says_what_to_install_for_what(call):
    text = call()
    assert f"orapo {__version__}" in text
    assert "For reading DICOM films: pip install 'orapo[dicom]'" in text
    assert "pip install 'orapo[vllm]'" in text
    assert "orapo[train]" not in text
    assert "(not tested)" in text


def test_without_a_gpu_it_says_so(monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(doctor.shutil, "which", lambda name: None)
    cards, note = doctor.accelerators()
    assert cards == []
    assert note.startswith("No GPU")


def test_a_driver_that_torch_cannot_use_is_said(monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(doctor.shutil, "which", lambda name: "/usr/bin/nvidia-smi")
    assert "can't use it" in doctor.accelerators()[1]


def test_every_extra_of_the_package_has_a_purpose():
    import tomllib
    from pathlib import Path

    project = tomllib.loads(
        (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    )["project"]
    assert set(project["optional-dependencies"]) - {"dev"} <= set(doctor.PURPOSES)
