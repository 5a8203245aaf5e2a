"""An optimiser step is the same however it is cut: into micro-batches, and over processes."""

import json
from pathlib import Path

import pytest
import torch
from cut_step import GROUPS, every_cut
from two_processes import run_as_two

SCRIPT = Path(__file__).with_name("cut_step.py")
# As in test_trainer.py: rotary embeddings and norms are computed in float32.
FLOAT64 = 1e-8


@pytest.fixture(scope="module")
def folder(tiny_processor, tiny_size, tiny_dataset, tmp_path_factory):
    """A base and a data set."""
    from orapo.models.tiny import build_model

    folder = tmp_path_factory.mktemp("cuts")
    build_model(tiny_processor, tiny_size, seed=1).save_pretrained(folder / "base")
    tiny_processor.save_pretrained(folder / "base")
    tiny_dataset.save_to_disk(folder / "data")
    return folder


@pytest.fixture(scope="module")
def of_one(folder):
    """Gradients of one process by group, iterations and cut."""
    return every_cut(folder, processes=1)


@pytest.fixture(scope="module")
def of_two(folder):
    """Gradients of two processes, and the passes that each of them made."""
    for process in run_as_two((SCRIPT,), folder):
        assert process.returncode == 0, process.stderr
    return torch.load(folder / "two.pt"), json.loads((folder / "passes.json").read_text())


@pytest.mark.parametrize("iterations", [1, 2])
@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize(
    ("processes", "cut"), [(1, "accumulated"), (2, "at once"), (2, "accumulated")]
)
def test_a_cut_changes_no_gradient(of_one, request, group, iterations, processes, cut):
    whole = of_one[group, iterations, "at once"]
    gradients = of_one if processes == 1 else request.getfixturevalue("of_two")[0]
    steps = gradients[group, iterations, cut]
    for expected, got in zip(whole, steps, strict=True):
        compared = 0
        for name, gradient in expected.items():
            if gradient is None or not gradient.any():
                assert got[name] is None or not got[name].any()
                continue
            torch.testing.assert_close(got[name], gradient, rtol=FLOAT64, atol=FLOAT64, msg=name)
            compared += 1
        assert compared > 20


def test_all_processes_make_the_same_forward_passes(of_two):
    # under FSDP and ZeRO-3, one that makes fewer lets the others wait for ever
    first, second = of_two[1]
    assert first == second
    assert max(first) > 1  # some had to be made up


@pytest.mark.parametrize("group", GROUPS)
def test_the_second_step_of_a_generation_is_another_one(of_one, group):
    first, second = of_one[group, 2, "at once"]
    assert any((first[name] - second[name]).abs().max() > 1e-5 for name in first)
