"""RadEval as a reward term: a process that stays, and figures of which the unknown are no zeros."""

import json
import sys

import pytest

from orapo import OrapoError
from orapo.training.rewards.radeval import RadEvalReward
from orapo.training.rewards.terms import reward_terms

FAKE = """
import os


class RadEval:
    def __init__(self, metrics, per_sample, show_progress):
        assert per_sample
        (self.metric,) = metrics
        print("loading", flush=True)
        if self.metric == "green":
            raise OSError("weights not found\\nNo edema seen.")

    def __call__(self, refs, hyps):
        print("scoring", flush=True)
        if "die" in hyps:
            os._exit(9)
        if "fail" in hyps:
            raise ValueError("no")
        if self.metric == "rouge":
            return {"rouge1": [0.5] * len(refs), "rouge2": [0.25] * len(refs)}
        figures = [float(len(a) - len(b)) for a, b in zip(refs, hyps)]
        return {self.metric: [float("nan") if f == 0 else f for f in figures], "process": os.getpid()}
"""


@pytest.fixture(autouse=True)
def fake(tmp_path, monkeypatch):
    """A package `radeval` with RadEval 2.2's interface."""
    package = tmp_path / "site" / "radeval"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(FAKE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))


def test_each_report_gets_its_figure_and_what_has_none_is_unknown():
    reward = RadEvalReward("radeval/bleu")
    chat = [{"role": "assistant", "content": "abc"}]
    assert reward([chat, "a", "abcde", "x", " "], ["abcde", "abc", "abcde", None, "abc"]) == [
        *(2.0, 2.0, None),  # NaN
        *(None, None),  # no reference; no report
    ]
    assert reward(["a"]) == [None]


def test_one_process_answers_all_calls_and_a_failure_later_is_unknown():
    reward = RadEvalReward("radeval/bleu")
    assert reward(["a"], ["abc"]) == [2.0]
    first = reward._process.pid
    assert reward(["a", "fail"], ["abc", "abc"]) == [None, None]
    assert reward(["a"], ["abc"]) == [2.0]
    assert reward._process.pid == first
    assert reward(["a", "die"], ["abc", "abc"]) == [None, None]
    assert reward(["a"], ["abc"]) == [2.0]  # of a new one


def test_a_metric_of_several_figures_wants_one_named():
    with pytest.raises(OrapoError, match="expected radeval/rouge/rouge1, radeval/rouge/rouge2"):
        RadEvalReward("radeval/rouge")(["a"], ["abc"])
    assert RadEvalReward("radeval/rouge/rouge2")(["a"], ["abc"]) == [0.25]


def test_a_metric_that_fails_at_once_says_why_and_shows_no_report():
    with pytest.raises(OrapoError, match="weights not found; it fetches StanfordAIMI") as said:
        RadEvalReward("radeval/green")(["No edema seen."], ["No edema."])
    assert "edema" not in str(said.value)


@pytest.mark.parametrize("name", ["radeval/f1chexbert", "radeval/nothing", "radeval/"])
def test_a_metric_without_figures_of_single_reports_is_refused(name):
    with pytest.raises(OrapoError, match="expected radeval/ and radgraph"):
        reward_terms([f"{name}=1"])


def test_an_interpreter_that_is_not_there_is_named():
    ((reward,), weights) = reward_terms(["radeval/bleu=-0.5"], radeval_python="/no/such/python")
    assert weights == [-0.5]
    with pytest.raises(OrapoError, match="radeval_python /no/such/python: No such file"):
        reward(["a"], ["abc"])


def test_a_run_is_trained_with_it(run_settings, tmp_path):
    from orapo.training.recipe import read_recipe
    from orapo.training.run import train

    settings = {**run_settings, "reward_terms": ["radeval/bleu=0.25"], "max_steps": 2}
    settings["radeval_python"] = sys.executable
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(json.dumps(settings))
    run, config = read_recipe(["--config", str(recipe)])
    assert run.radeval_python == sys.executable
    folder = train(run, config)
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert all(isinstance(line["rewards/radeval/bleu/mean"], float) for line in lines[:2])
