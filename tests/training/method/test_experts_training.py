"""Training with experts: pairs by study, pairs alone, and a learned reward under its guard."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from run_recipe import recipe
from safetensors.torch import load_file

from orapo import OrapoError
from orapo.data.manifest import read_manifest
from orapo.facts import FactSReward
from orapo.preferences import Preference, write_preferences
from orapo.training.method.experts import ExpertPairs
from orapo.training.preparing.dry_run import GIB, Hardware, dry_run
from orapo.training.rewards.learned import LearnedReward
from orapo.training.rewards.reward_model import RewardModelPlan, train_reward_model
from orapo.training.run import train, training_studies


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def preferences(run_settings, tmp_path):
    """One rater prefers each training study's own report to that of the next one."""
    studies = [
        s for s in read_manifest(tmp_path / "phantom" / "manifest.jsonl") if s.split == "train"
    ]
    rows = [
        Preference(
            *(f"p{i}", one.study_id, one.patient_id, one.images, one.report),
            *(studies[(i + 1) % len(studies)].report, "left", "r", "a", "b"),
        )
        for i, one in enumerate(studies)
    ]
    path = tmp_path / "preferences.jsonl"
    write_preferences(path, rows)
    return path


@pytest.fixture
def reward_model(run_settings, preferences, tmp_path):
    manifest = tmp_path / "phantom" / "manifest.jsonl"
    train_reward_model(RewardModelPlan(preferences, manifest, tmp_path / "reward", test_share=0.4))
    return str(tmp_path / "reward")


def judged(choice, study="s"):
    return Preference("p", study, "", (), "left text", "right text", choice, "r", "a", "b")


def test_pairs_are_decided_judgements_and_take_turns():
    pairs = ExpertPairs([judged("left"), judged("tie"), judged("right"), judged("tie", "t")])
    assert pairs.studies() == {"s"}
    assert len(pairs) == 2
    turns = [pairs.turn("s", step) for step in range(4)]
    assert turns == [("left text", "right text"), ("right text", "left text")] * 2
    assert pairs.turn("t", 0) is None


def test_pairs_of_some_studies_are_theirs_alone():
    pairs = ExpertPairs([judged("left"), judged("right", "t"), judged("left", "t")])
    assert pairs.only({"t", "of no judgement"}).texts() == [
        *("right text", "left text"),
        *("left text", "right text"),
    ]
    assert len(pairs) == 3


def test_dpo_learns_what_the_expert_prefers(run_settings, preferences):
    settings = {"method": "dpo", "preferences": str(preferences), "max_steps": 30}
    settings |= {"learning_rate": 1e-2, "save_steps": 30}
    folder = train(*recipe(run_settings, **settings))
    margins = [
        line["rewards/margins"] for line in lines(folder / "metrics.jsonl") if "loss" in line
    ]
    assert sum(margins[-5:]) / 5 > 0.1 > abs(margins[0])
    assert (folder / "model.safetensors").is_file()
    assert "dpo" in (folder / "README.md").read_text()


def test_dpo_without_experts_takes_the_oracle_s_pairs(run_settings, monkeypatch):
    # a model of random weights earns nothing, so all that it writes is rejected
    folder = train(*recipe(run_settings, method="dpo", max_steps=2))
    assert len([line for line in lines(folder / "metrics.jsonl") if "loss" in line]) == 2
    monkeypatch.setattr(FactSReward, "__call__", lambda self, texts, *_, **__: [1.0] * len(texts))
    other = {"output_dir": run_settings["output_dir"] + "2"}
    with pytest.raises(OrapoError, match="no pair to learn from"):
        train(*recipe(run_settings, method="dpo", max_steps=2, **other))


def test_an_interrupted_dpo_run_goes_on_to_the_same_weights(run_settings, preferences, tmp_path):
    import shutil

    settings = {"method": "dpo", "preferences": str(preferences)}
    whole = train(*recipe(run_settings, **settings))
    settings |= {"output_dir": str(tmp_path / "cut")}
    folder = train(*recipe(run_settings, **settings))
    shutil.rmtree(folder / "checkpoint-4")
    (folder / "model.safetensors").unlink()
    train(*recipe(run_settings, **settings), resume=True)
    weights = [(each / "model.safetensors").read_bytes() for each in (whole, folder)]
    assert weights[0] == weights[1]


@pytest.mark.parametrize("method", ["rlhf", "orapo+rlhf"])
def test_a_learned_reward_stands_beside_facts(run_settings, reward_model, preferences, method):
    settings = {"method": method, "reward_model": reward_model, "learned_weight": 0.25}
    if method == "orapo+rlhf":
        settings["preferences"] = str(preferences)
    folder = train(*recipe(run_settings, **settings))
    logged = [line for line in lines(folder / "metrics.jsonl") if "reward" in line]
    assert len(logged) == 4
    for line in logged:
        parts = [line[f"rewards/{name}/mean"] for name in ("facts", "repetition", "learned")]
        assert line["reward"] == pytest.approx(
            parts[0] + 0.5 * parts[1] + 0.25 * parts[2], abs=1e-6
        )
        assert ("loss/expert_dpo" in line) is (method == "orapo+rlhf")
    assert all("learned" in line for line in lines(folder / "probe.jsonl"))
    assert not (folder / "guard_best.safetensors").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": "rlhf"}, "method rlhf needs reward_model"),
        ({"method": "orapo+rlhf", "reward_model": "x"}, "needs preferences"),
        ({"method": "rlhf", "reward_model": "x", "probe_every": 0}, "for its guard"),
        ({"method": "grpo", "reward_model": "x"}, "reward_model is for methods rlhf"),
    ],
)
def test_what_a_method_with_experts_lacks_is_said_first(run_settings, changes, message):
    with pytest.raises(OrapoError, match=message):
        train(*recipe(run_settings, **changes))


def test_judgements_of_other_studies_are_no_pairs(run_settings, tmp_path):
    path = tmp_path / "other.jsonl"
    write_preferences(path, [judged("left", "elsewhere")])
    with pytest.raises(OrapoError, match="no decided judgement of a training study"):
        train(*recipe(run_settings, method="dpo", preferences=str(path)))


@pytest.mark.parametrize("text", ["Clear.", "Clear. <image>"])
def test_experts_pairs_are_looked_at_before_a_run_and_in_its_dry_run(
    text, run_settings, reward_model, tmp_path
):
    path = tmp_path / "other.jsonl"
    run, config = recipe(
        run_settings, method="orapo+rlhf", reward_model=reward_model, preferences=str(path)
    )
    studies = training_studies(run)
    study = studies[0].study_id if "<" in text else "elsewhere"
    write_preferences(path, [replace(judged("left", study), left=text)])
    told = "1 reports hold special tokens" if "<" in text else "no decided judgement of a training"
    with pytest.raises(OrapoError, match=told):
        train(run, config)
    with pytest.raises(OrapoError, match=told):
        dry_run(run, config, studies, Hardware(22 * GIB, "a card"))


def test_a_kl_budget_needs_a_kl_weight(run_settings):
    with pytest.raises(OrapoError, match="max_kl needs beta above 0"):
        recipe(run_settings, method="rlhf", max_kl=1.0, beta=0.0)


def test_a_factor_lowers_what_training_gets_and_not_what_is_reported(reward_model):
    texts = ["Small left effusion.", "The lungs are clear."]
    labels = [{"Pleural Effusion": 1}, {"No Finding": 1}]
    reward = LearnedReward(Path(reward_model))
    whole = reward(texts, labels=labels)
    reward.factor = 0.25
    assert reward(texts, labels=labels) == [0.25 * one for one in whole]
    assert reward.rewards(texts, None, labels) == whole


def test_a_run_whose_rewards_part_keeps_the_best_weights(run_settings, reward_model, monkeypatch):
    """Through the whole trainer: the probes after the first are made to look worse."""
    from orapo.training.watching.probe import Probe

    seen = []
    score = Probe._score

    def worse(self, step, reports, start):
        score(self, step, reports, start)
        rows = lines(self.lines.path)
        rows[-1] |= {"macro_f1": 0.5 - 0.1 * len(seen), "learned": float(len(seen))}
        self.lines.path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        seen.append(step)

    monkeypatch.setattr(Probe, "_score", worse)
    said = []
    settings = {"method": "rlhf", "reward_model": reward_model, "max_steps": 4, "probe_every": 1}
    folder = train(*recipe(run_settings, **settings), say=said.append)
    assert seen == [0, 1, 2, 3, 4]
    assert [row["learned_factor"] for row in lines(folder / "probe.jsonl")] == [1, 1, 1, 0.5, 0.5]
    assert "0.25 of learned_weight" in said[1]
    before = load_file(run_settings["model"] + "/model.safetensors")
    after = load_file(folder / "model.safetensors")
    assert [name for name, value in before.items() if not after[name].equal(value)] == []
