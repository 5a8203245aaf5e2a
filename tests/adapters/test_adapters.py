"""FactS in verl and ms-swift, called as their trainers call it (verl 0.9.1, ms-swift 4.6, by reading)."""

import asyncio
import importlib
import json
import math
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import ModuleType

import pytest

from orapo.adapters.verl_score import compute_score
from orapo.errors import OrapoError, RunFailedError

REPORT = "There is a left pleural effusion. The heart is enlarged."
LABELS = {"Pleural Effusion": 1, "Cardiomegaly": 1}
# of LABELS: both, one missed, one denied, nothing found, nothing at all
ROLLOUTS = {
    "Left effusion. The heart is enlarged.": 1.0,
    "Left effusion.": 2 / 3,
    "Left effusion. The heart is normal.": 0.5,
    "The lungs are clear.": 0.0,
    "": 0.0,
}
GERMAN = "Das Herz ist nicht vergrößert und es findet sich kein Erguss in der Lunge."


# ---------------------------------------------------------------- verl


def as_verl(config=None, **item):
    """What verl does with a rollout: its function with the config's arguments, by keyword, in a thread."""
    function = partial(compute_score, **(config or {}))
    item = {"data_source": "mimic-cxr", "extra_info": {"num_turns": None}, **item}

    async def run_single():
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(None, lambda: function(**item))

    return asyncio.run(run_single())


@pytest.mark.parametrize("reference", [REPORT, LABELS, json.dumps(LABELS)], ids=type)
def test_verl_gets_a_float_from_report_or_labels(reference):
    for text, reward in ROLLOUTS.items():
        got = as_verl(solution_str=text, ground_truth=reference)
        assert isinstance(got, float)
        assert got == pytest.approx(reward)


def test_verls_published_positional_call_works_without_extra_info():
    assert compute_score("mimic-cxr", "Left effusion.", REPORT) == pytest.approx(2 / 3)


def test_verl_hands_on_the_configs_arguments_and_those_of_a_reward_model_beside():
    beside = {"reward_router_address": "127.0.0.1:1", "reward_model_tokenizer": object()}
    recall = as_verl(
        {"facts_beta": 2.0}, solution_str="Left effusion.", ground_truth=REPORT, **beside
    )
    assert recall == pytest.approx(5 / 9)
    with pytest.raises(TypeError, match="fact_beta"):
        as_verl({"fact_beta": 2.0}, solution_str="Left effusion.", ground_truth=REPORT)


def test_for_verl_an_unknown_reward_stops_the_run_and_is_no_number():
    named = {"study_id": "s7"}
    with pytest.raises(
        RunFailedError, match="mimic-cxr, study s7: a rollout is not in English"
    ) as one:
        as_verl(solution_str=GERMAN, ground_truth=REPORT, extra_info=named)
    assert "Herz" not in str(one.value)
    with pytest.raises(OrapoError, match="study 3: its reference gives nothing to score by"):
        as_verl(solution_str="Effusion.", ground_truth="Thank you.", extra_info={"index": 3})
    with pytest.raises(OrapoError, match="must be the radiologist's report, or labels"):
        as_verl(solution_str="Effusion.", ground_truth=None)
    with pytest.raises(OrapoError, match="is no JSON"):
        as_verl(solution_str="Effusion.", ground_truth="{'Edema': 1}")


def test_threads_get_what_one_after_another_gets():
    texts = [f"{text} Seen on day {day}." for day in range(40) for text in ROLLOUTS]
    alone = [compute_score("d", text, REPORT) for text in texts]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda text: compute_score("d", text, REPORT), texts))
    assert together == alone


# ---------------------------------------------------------------- ms-swift


class PublishedORM:
    """Its base class, as it is published."""

    def __init__(self, args=None, **kwargs):
        self.args = args

    def __call__(self, **kwargs):
        raise NotImplementedError


@pytest.fixture(params=["swift.rewards", "swift.plugin"])
def swift(request, monkeypatch):
    """The part of ms-swift 4 (3: `swift.plugin`) that a plugin sees."""
    part = ModuleType(request.param)
    part.ORM, part.orms = PublishedORM, {}
    monkeypatch.setitem(sys.modules, "swift", ModuleType("swift"))
    monkeypatch.setitem(sys.modules, "swift.rewards", None)
    monkeypatch.setitem(sys.modules, request.param, part)
    monkeypatch.delitem(sys.modules, "orapo.adapters.swift_plugin", raising=False)
    importlib.import_module("orapo.adapters.swift_plugin")
    yield part
    sys.modules.pop("orapo.adapters.swift_plugin", None)


def as_swift(plugin, completions, **columns):
    """What ms-swift does with a batch: the class out of `orms`, then texts and columns."""
    reward = plugin.orms["facts"](args=object())
    output = reward(completions, trainer_state=None, **columns)
    return [math.nan if value is None else value for value in output]


@pytest.mark.parametrize("reference", [REPORT, LABELS, json.dumps(LABELS)], ids=type)
def test_ms_swift_gets_a_number_a_rollout(swift, reference):
    solution = [reference] * len(ROLLOUTS)
    assert as_swift(swift, list(ROLLOUTS), solution=solution) == pytest.approx(
        list(ROLLOUTS.values())
    )


def test_a_plugin_file_sets_another_b(swift):
    swift.orms["facts"] = partial(swift.orms["facts"], facts_beta=2.0)
    assert as_swift(swift, ["Left effusion."], solution=[REPORT]) == pytest.approx([5 / 9])


def test_for_ms_swift_an_unknown_reward_stops_the_run_and_is_no_number(swift):
    both = {"solution": [REPORT, REPORT], "study_id": ["s1", "s2"]}
    with pytest.raises(RunFailedError, match="study s2: a rollout is not in English"):
        as_swift(swift, ["Left effusion.", GERMAN], **both)
    with pytest.raises(OrapoError, match="2 rollouts, but 1 references"):
        as_swift(swift, ["Effusion.", "Effusion."], solution=[REPORT])
    with pytest.raises(TypeError, match="solution"):
        as_swift(swift, ["Effusion."], report=[REPORT])


# ---------------------------------------------------------------- workers


def test_the_reward_travels_to_workers_and_needs_no_torch():
    """As TRL's asynchronous GRPO and verl's workers want it: pickled, and the processor alone."""
    script = """
import pickle, sys
from orapo import FactSReward
from orapo.adapters.verl_score import compute_score
reward = pickle.loads(pickle.dumps(FactSReward(facts_beta=2.0)))
assert reward(["Left effusion."], report=["Left effusion."]) == [1.0]
assert pickle.loads(pickle.dumps(compute_score))("d", "Left effusion.", "Left effusion.") == 1.0
print(sorted({"torch", "transformers", "trl", "ray"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
