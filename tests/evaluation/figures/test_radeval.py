"""RadEval in a process of its own: what it scores, and what is said where it can't."""

import importlib
import sys

import numpy as np
import pytest

from orapo import OrapoError
from orapo.evaluation.bootstrap import Resampler
from orapo.evaluation.figures.radeval import METRICS, radeval_detail, radeval_metrics, run_radeval
from orapo.evaluation.figures.radeval_runner import OldName

GENERATED = ["No edema seen.", "Left effusion.", "Cardiomegaly."]
REFERENCES = ["No edema.", "Small left effusion.", "Normal heart."]
FAKE = """
import os
import time

from RadEval.levels import simple


class RadEval:
    def __init__(self, metrics, per_sample, show_progress):
        (self.metric,) = metrics
        self.per_sample = per_sample
        if self.metric == "green":
            raise OSError("weights not found\\nNo edema seen.")
        if self.metric == "radcliq":
            print("Left effusion.")
            os._exit(9)
        if self.metric == "ratescore":
            raise ValueError("can't read 'Small left effusion.'")
        if self.metric == "temporal":
            time.sleep(600)

    def __call__(self, refs, hyps):
        if self.metric == "f1chexbert":
            assert not self.per_sample
            return {"f1chexbert_5_micro_f1": 0.5}
        assert self.per_sample
        if self.metric == "bertscore":
            open("written", "w").close()
            return {"bertscore": [1.0, float("nan"), 0.5], "whole": float("inf")}
        if self.metric == "bleu":
            return {"bleu": [1.0]}
        return {simple: [float(len(a) - len(b)) for a, b in zip(refs, hyps)]}
"""


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """A Python that holds a package `radeval` with RadEval 2.2's interface."""
    package = tmp_path / "site" / "radeval"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(FAKE)
    (package / "levels.py").write_text("simple = 'radgraph_simple'")
    meta = tmp_path / "site" / "radeval-2.2.1.dist-info"
    meta.mkdir()
    (meta / "METADATA").write_text("Metadata-Version: 2.1\nName: radeval\nVersion: 2.2.1\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    return sys.executable


@pytest.fixture
def resampler():
    return Resampler(["a", "a", "b"], resamples=50)


def test_figures_of_each_report_get_an_interval_and_those_of_the_set_none(fake, resampler):
    metrics = ["radgraph", "f1chexbert"]
    result = run_radeval(GENERATED, REFERENCES, metrics, fake)
    detail, said = radeval_detail(result, metrics, resampler)
    lengths = [len(r) - len(g) for r, g in zip(REFERENCES, GENERATED, strict=True)]
    simple = detail["figures"]["radgraph_simple"]
    assert simple["value"] == pytest.approx(np.mean(lengths))
    assert simple["low"] < simple["value"] < simple["high"]
    chexbert = {"value": 0.5, "low": None, "high": None}
    assert detail["figures"]["f1chexbert_5_micro_f1"] == chexbert
    assert (detail["version"], detail["studies"], said) == ("2.2.1", 3, [])


def test_a_metric_without_weights_takes_no_other_along(fake, resampler, capfd):
    metrics = ["green", "radgraph"]
    detail, said = radeval_detail(
        run_radeval(GENERATED, REFERENCES, metrics, fake), metrics, resampler
    )
    assert list(detail["figures"]) == ["radgraph_simple"]
    note, what_to_do = said
    assert "green absent: OSError: weights not found." in note
    assert "It fetches StanfordAIMI/GREEN-radllama2-7b." in note
    assert "HF_HOME" in what_to_do
    assert "edema" not in note  # an error may hold a report's text
    assert capfd.readouterr() == ("", "")


def test_what_was_scored_before_a_crash_is_kept(fake, resampler):
    metrics = ["radgraph", "radcliq", "green"]
    detail, said = radeval_detail(
        run_radeval(GENERATED, REFERENCES, metrics, fake), metrics, resampler
    )
    assert list(detail["figures"]) == ["radgraph_simple"]
    assert [note.split(" absent")[0] for note in said[:-1]] == [
        "RadEval's radcliq",
        "RadEval's green",
    ]
    assert "exit code 9" in said[0]


def test_what_was_scored_before_it_was_stopped_is_kept(fake, resampler):
    metrics = ["radgraph", "temporal"]
    result = run_radeval(GENERATED, REFERENCES, metrics, fake, timeout=4)
    detail, (note, _) = radeval_detail(result, metrics, resampler)
    assert list(detail["figures"]) == ["radgraph_simple"]
    assert "temporal absent: stopped after 4 seconds" in note


def test_a_message_that_quotes_a_report_is_not_shown(fake):
    result = run_radeval(GENERATED, REFERENCES, ["ratescore"], fake)
    assert result["metrics"]["ratescore"] == {"error": "ValueError: its message quotes a report"}


def test_what_is_no_number_is_none_and_its_study_does_not_count(fake, resampler):
    result = run_radeval(GENERATED, REFERENCES, ["bertscore"], fake)
    assert result["metrics"]["bertscore"]["figures"] == {
        "bertscore": [1.0, None, 0.5],
        "whole": None,
    }
    detail, _ = radeval_detail(result, ["bertscore"], resampler)
    assert detail["figures"]["bertscore"]["value"] == 0.75
    assert detail["figures"]["whole"] == {"value": None, "low": None, "high": None}


def test_files_that_a_metric_writes_do_not_stay(fake, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    run_radeval(GENERATED, REFERENCES, ["bertscore"], fake)
    assert list((tmp_path / "here").iterdir()) == []


def test_as_many_figures_as_reports_or_none(fake, resampler):
    result = run_radeval(GENERATED, REFERENCES, ["bleu"], fake)
    detail, (note, _) = radeval_detail(result, ["bleu"], resampler)
    assert detail["figures"] == {}
    assert "bleu absent: its output is not understood" in note


@pytest.mark.parametrize(
    "output",
    [
        "no JSON",
        "[]",
        '{"metrics": []}',
        '{"metrics": {"radgraph": 1}}',
        '{"metrics": {"radgraph": {"figures": {"a": ["0.5", "x", ""]}}}}',
        '{"metrics": {"radgraph": {"figures": {"a": [[1], [2], [3]]}}}}',
        '{"metrics": {"radgraph": {"figures": {"a": [1, 2, NaN]}}}}',
        '{"metrics": {"radgraph": {"figures": "good"}}}',
        '{"metrics": {"radgraph": {}}}',
    ],
)
def test_garbage_is_said_and_scores_nothing(tmp_path, resampler, output):
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\nprintf '%s' '{output}' > \"$3\"\n")
    python.chmod(0o755)
    result = run_radeval(GENERATED, REFERENCES, ["radgraph"], str(python))
    detail, (note, _) = radeval_detail(result, ["radgraph"], resampler)
    assert detail["figures"] == {}
    assert "radgraph absent: " in note


def test_the_package_s_other_name_gives_the_same_modules(tmp_path, monkeypatch):
    package = tmp_path / "radeval"
    (package / "inner").mkdir(parents=True)
    for name in ("__init__.py", "inner/__init__.py"):
        (package / name).write_text("")
    (package / "inner" / "model.py").write_text("class Model: ...")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "meta_path", [OldName(), *sys.meta_path])
    monkeypatch.setattr(sys, "modules", sys.modules.copy())
    old = importlib.import_module("RadEval.inner.model")
    new = importlib.import_module("radeval.inner.model")
    assert old.Model is new.Model
    assert new.__spec__.name == new.__name__ == "radeval.inner.model"
    with pytest.raises(ModuleNotFoundError, match=r"radeval\.nothing"):
        importlib.import_module("RadEval.nothing")


def test_a_python_is_found_beside_where_the_command_runs(tmp_path, monkeypatch, fake):
    (tmp_path / "python").symlink_to(fake)
    monkeypatch.chdir(tmp_path)
    result = run_radeval(GENERATED, REFERENCES, ["radgraph"], "./python")
    assert "figures" in result["metrics"]["radgraph"]


def test_without_radeval_it_is_said_how_to_get_it(resampler, monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "radeval.py").write_text("raise ImportError('none here')")
    result = run_radeval(GENERATED, REFERENCES, ["radgraph"], sys.executable)
    detail, (note,) = radeval_detail(result, ["radgraph"], resampler)
    assert detail == {}
    assert "pip install 'orapo[radeval]'" in note
    assert "--radeval-python" in note
    assert "ImportError: none here" in note


def test_a_python_that_is_none_is_named(tmp_path):
    with pytest.raises(OrapoError, match=r"--radeval-python .*nowhere"):
        run_radeval(GENERATED, REFERENCES, ["radgraph"], str(tmp_path / "nowhere"))


def test_metrics_are_named_and_those_that_ask_an_api_are_not_offered():
    assert radeval_metrics("all") == list(METRICS)
    assert radeval_metrics("radgraph, green") == ["radgraph", "green"]
    for name in ("crimson", "nonsense"):
        with pytest.raises(OrapoError, match=f"'{name}': expected all"):
            radeval_metrics(name)
