"""Reward models from judgements: the choice model, features, both kinds, and the reward they become."""

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from orapo import OrapoError
from orapo.data.manifest import read_manifest
from orapo.data.phantom import PhantomConfig, write_phantom
from orapo.preferences import Preference, write_preferences
from orapo.preferences.records import Pair
from orapo.preferences.simulated import SimulatedRater, facts_taste, simulate
from orapo.training.rewards.checks import check_choices
from orapo.training.rewards.choices import LEFT, RIGHT, TIE, fit_linear, log_probabilities
from orapo.training.rewards.fit import VisionFit
from orapo.training.rewards.learned import LearnedReward
from orapo.training.rewards.linear import (
    FEATURES,
    FactsRewardModel,
    facts_features,
    fit_facts_model,
)
from orapo.training.rewards.reward_model import (
    RewardModelPlan,
    check_reward_model,
    split_by_patient,
    train_reward_model,
)
from orapo.training.rewards.vision import VisionRewardModel

floats = st.floats(-20, 20)


def judged(choice="left", study="s", patient="", rater="r", left="Effusion.", right="Normal."):
    return Preference("p", study, patient, (), left, right, choice, rater, "a", "b")


@given(arrays.arrays(float, st.integers(1, 5), elements=floats), floats)
def test_the_three_choices_have_all_the_probability(difference, log_tie):
    assert np.exp(log_probabilities(difference, log_tie)).sum(axis=1) == pytest.approx(1)


@given(floats, floats)
def test_swapping_sides_swaps_the_chances(difference, log_tie):
    one = log_probabilities(np.array([difference]), log_tie)[0]
    other = log_probabilities(np.array([-difference]), log_tie)[0]
    assert one[[LEFT, RIGHT, TIE]] == pytest.approx(other[[RIGHT, LEFT, TIE]])


@given(floats)
def test_without_ties_it_is_bradley_and_terry_s_model(difference):
    chances = np.exp(log_probabilities(np.array([difference]), -math.inf))[0]
    assert chances == pytest.approx(
        [1 / (1 + math.exp(-difference)), 1 / (1 + math.exp(difference)), 0]
    )


def test_equal_reports_tie_as_often_as_nu_says():
    chances = np.exp(log_probabilities(np.zeros(1), math.log(0.5)))[0]
    assert chances == pytest.approx([0.4, 0.4, 0.2])


def test_weights_are_found_again_from_many_choices():
    generator = np.random.default_rng(0)
    features = generator.normal(size=(20_000, 3))
    weights, log_tie = np.array([1.5, -0.7, 0.0]), math.log(0.4)
    chances = np.exp(log_probabilities(features @ weights, log_tie))
    choices = np.array([generator.choice(3, p=row) for row in chances])
    found, tie = fit_linear(features, choices, strength=0.0)
    assert found == pytest.approx(weights, abs=0.06)
    assert tie == pytest.approx(log_tie, abs=0.06)


def test_where_nobody_calls_a_tie_none_is_expected():
    found, tie = fit_linear(np.array([[1.0], [-1.0]]), np.array([LEFT, RIGHT]), strength=0.1)
    assert found[0] > 0
    assert tie == -math.inf


def test_the_features_are_what_facts_counts():
    labels = {"Pleural Effusion": 1, "Cardiomegaly": 1}
    text = "Large left effusion. Possible pneumonia. The heart is normal in size."
    row = dict(zip(FEATURES, facts_features([text], [labels])[0], strict=True))
    assert row["true_findings"] == 1  # effusion
    assert row["contradictions"] == 1  # the heart is large
    assert row["false_alarms"] == 2 + row["contradictions"] - 1  # pneumonia, and the denial
    assert row["missed"] == 1
    assert row["precision"] == pytest.approx(1 / 3)
    assert row["f1"] == pytest.approx(2 / (2 + 2 + 1))
    assert row["uncertain_facts"] == 1
    assert row["words"] == pytest.approx(1.1)
    assert row["sentences"] == 3
    assert row["repeated_facts"] == 0


def test_a_study_without_labels_has_no_features():
    assert np.isnan(facts_features(["Effusion."], [None])).all()


def test_a_taste_for_truth_is_learned_and_read_from_the_weights():
    labels = {"Pleural Effusion": 1}
    pairs = [
        judged("left", f"s{i}", f"p{i}", left="Effusion.", right="Cardiomegaly.") for i in range(20)
    ]
    model = fit_facts_model(pairs, [labels] * len(pairs))
    right, wrong = model.score(["Effusion.", "Cardiomegaly."], [labels] * 2)
    assert right > wrong
    weights = model.as_dict()["weights"]
    assert weights["true_findings"] > 0 > weights["false_alarms"]
    assert weights["words"] == 0  # both sides have as many: nothing is known of it
    assert FactsRewardModel.from_dict(json.loads(json.dumps(model.as_dict()))).weights.tolist() == (
        model.weights.tolist()
    )


def test_no_patient_is_on_both_sides():
    rows = [judged(study=f"s{i}", patient=f"p{i // 3}") for i in range(60)]
    fit, held_out = split_by_patient(rows, 0.2, seed=0)
    assert len(fit) + len(held_out) == 60
    assert len({one.patient_id for one in held_out}) == 4
    assert not {one.patient_id for one in fit} & {one.patient_id for one in held_out}


def test_judgements_of_one_patient_or_of_ties_alone_are_refused():
    with pytest.raises(OrapoError, match="two patients"):
        split_by_patient([judged(patient="p"), judged(patient="p")], 0.5, 0)
    with pytest.raises(OrapoError, match="ties"):
        split_by_patient([judged("tie", patient=f"p{i}") for i in range(4)], 0.5, 0)


def test_the_check_counts_decided_pairs_and_names_each_rater():
    rows = [
        judged("left", "a", rater="one"),
        judged("right", "b", rater="one"),
        judged("tie", "c", rater="two"),
        judged("left", "d", rater="two"),
    ]
    found = check_choices(
        rows, np.array([1.0, 2.0, 3.0, 0.0]), -1.0, np.array([1.0, -1.0, 0.0, np.nan])
    )
    assert (found["judgements"], found["decided"]) == (4, 3)
    assert found["accuracy"]["value"] == pytest.approx((1 + 0 + 0.5) / 3)
    assert found["facts_accuracy"]["value"] == 1
    assert found["agreement_with_facts"]["value"] == 0.5  # of the two that FactS orders
    assert found["raters"]["one"]["accuracy"]["value"] == 0.5
    assert found["ties"]["said"] == 0.25
    assert sum(one["pairs"] for one in found["calibration"]["bins"]) == 3


# ---------------------------------------------------------------- from files


@pytest.fixture(scope="module")
def phantom(tmp_path_factory):
    folder = tmp_path_factory.mktemp("phantom")
    return write_phantom(folder / "p", {"train": 24, "test": 12}, 0, PhantomConfig(size=32))


def write_judgements(manifest, path, split="train", rounds=4, raters=("r",)):
    """Let raters of FactS' taste judge a study's own report and another study's."""
    studies = [one for one in read_manifest(manifest) if one.split == split]
    experts = [SimulatedRater(name, facts_taste(1.0), temperature=0.05) for name in raters]
    generator = np.random.default_rng(0)
    rows = []
    for turn in range(rounds):
        for place, study in enumerate(studies):
            sides = [study.report, studies[(place + turn + 1) % len(studies)].report]
            left, right = sides if generator.random() < 0.5 else sides[::-1]
            name = f"p{turn}-{place}"
            shown = Pair(name, study.study_id, study.images, left, right)
            for said in simulate([shown], {study.study_id: study.labels}, experts, seed=turn):
                about = (name, study.study_id, study.patient_id, study.images, left, right)
                rows.append(Preference(*about, said.choice, said.rater, "a", "b"))
    write_preferences(path, rows)
    return path


def test_a_linear_model_from_files_and_as_a_reward(phantom, tmp_path):
    given = write_judgements(phantom, tmp_path / "preferences.jsonl")
    check = train_reward_model(RewardModelPlan(given, phantom, tmp_path / "out"))
    assert check["accuracy"]["value"] > 0.75
    names = {"reward_model.json", "check.json", "held_out.csv", "calibration.png"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == names
    assert json.loads((tmp_path / "out" / "check.json").read_text()) == check
    reward = LearnedReward(tmp_path / "out")
    study = read_manifest(phantom)[0]
    columns = {"labels": [study.labels] * 2 + [None], "images": None}
    good, bad, unknown = reward([study.report, "Nothing.", study.report], **columns)
    assert unknown is None  # a study without labels: no reward, and no zero
    assert -3 <= bad < good <= 3
    others = write_judgements(phantom, tmp_path / "others.jsonl", split="test")
    again = check_reward_model(tmp_path / "out", others, phantom, tmp_path / "again")
    assert again["judgements"] == 48
    assert again["accuracy"]["value"] > 0.7


def test_a_rater_can_be_left_out_and_an_unknown_one_is_named(phantom, tmp_path):
    given = write_judgements(phantom, tmp_path / "preferences.jsonl", raters=("good", "bad"))
    plan = RewardModelPlan(given, phantom, tmp_path / "out", without=("bad",))
    check = train_reward_model(plan)
    assert list(check["raters"]) == ["good"]
    with pytest.raises(OrapoError, match=r"no rater 'ugly'; it has bad, good"):
        train_reward_model(RewardModelPlan(given, phantom, tmp_path / "x", without=("ugly",)))


def test_a_judged_study_that_the_manifest_lacks_is_named(phantom, tmp_path):
    path = tmp_path / "preferences.jsonl"
    write_preferences(path, [judged(study="elsewhere")])
    with pytest.raises(OrapoError, match=r"lacks study elsewhere of preferences\.jsonl"):
        train_reward_model(RewardModelPlan(path, phantom, tmp_path / "out"))


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{}",
        '{"kind": "facts", "mean": 0, "spread": 1}',
        '{"kind": "facts", "mean": NaN, "spread": 1}',
        '{"kind": "vision", "mean": 0, "spread": 0}',
    ],
)
def test_a_broken_reward_model_is_said(content, tmp_path):
    with pytest.raises(OrapoError, match="no reward model here"):
        LearnedReward(tmp_path)
    (tmp_path / "reward_model.json").write_text(content)
    with pytest.raises(OrapoError, match="can't be read as a reward model"):
        LearnedReward(tmp_path)


# ---------------------------------------------------------------- over films


def film(value):
    return Image.new("L", (32, 32), value)


def test_a_vision_model_reads_its_score_at_the_report_s_end(tiny_model, tiny_processor):
    model = VisionRewardModel(tiny_model, tiny_processor).eval()
    torch.nn.init.normal_(model.head.weight, generator=torch.Generator().manual_seed(0))
    films = [[film(0)], [film(200)], [film(0)]]
    short, long = "Normal.", "Large left effusion with atelectasis of the left base."
    together = model.score(films, [short, short, long])
    alone = [
        model.score([shown], [text])[0]
        for shown, text in zip(films, (short, short, long), strict=True)
    ]
    assert together == pytest.approx(alone, abs=1e-5)  # padding changes nothing
    assert abs(together[0] - together[1]) > 1e-4  # the film matters
    assert abs(together[0] - together[2]) > 1e-4  # the report too


def test_its_loss_is_the_choice_model(tiny_model, tiny_processor):
    model = VisionRewardModel(tiny_model, tiny_processor)
    with torch.no_grad():
        model.log_tie.fill_(-0.7)
    difference, choices = torch.tensor([1.0, -2.0, 0.3]), torch.tensor([0, 0, 2])
    expected = log_probabilities(difference.double().numpy(), -0.7)[[0, 1, 2], choices.numpy()]
    assert model.choice_loss(difference, choices).item() == pytest.approx(
        -expected.mean(), abs=1e-6
    )


def test_no_cell_of_the_held_out_judgements_is_a_formula(phantom, tmp_path):
    """Raters give their names themselves."""
    given = tmp_path / "preferences.jsonl"
    write_judgements(phantom, given, raters=("=HYPERLINK(1)",))
    train_reward_model(RewardModelPlan(given, phantom, tmp_path / "out"))
    with (tmp_path / "out" / "held_out.csv").open(newline="") as file:
        assert {row["rater"] for row in csv.DictReader(file)} == {"'=HYPERLINK(1)"}


def test_a_vision_model_from_files_and_as_a_reward(phantom, tiny_model, tiny_processor, tmp_path):
    base = tmp_path / "base"
    tiny_model.save_pretrained(base)
    tiny_processor.save_pretrained(base)
    given = write_judgements(phantom, tmp_path / "preferences.jsonl", rounds=1)
    fit = VisionFit(1.0, 1.0, 1e-3, 8, quiet=True, on_cpu=True)
    plan = RewardModelPlan(given, phantom, tmp_path / "out", "vision", model=str(base), vision=fit)
    check = train_reward_model(plan)
    described = json.loads((tmp_path / "out" / "reward_model.json").read_text())
    hidden = len(
        {
            row.split(",")[1]
            for row in (tmp_path / "out" / "held_out.csv").read_text().splitlines()[1:]
        }
    )
    assert described["counted_reports"] == 8 * (24 - hidden)  # none of a held-out patient
    reward = LearnedReward(tmp_path / "out", "cpu")
    rows = [
        line.split(",") for line in (tmp_path / "out" / "held_out.csv").read_text().splitlines()[1:]
    ]
    one = next(p for p in json_lines(given) if p["pair"] == rows[0][0])
    shown = [[Image.open(path) for path in (given.parent / image for image in one["images"])]] * 2
    left, right = reward.model.scores([one["left"], one["right"]], films=shown)
    # the same figures after a round through files
    assert (left - right) * reward.model.spread == pytest.approx(float(rows[0][4]), abs=1e-4)
    assert check["judgements"] == len(rows)
    with pytest.raises(OrapoError, match="needs films"):
        reward(["Normal."])


def test_an_adapter_is_merged_into_what_is_saved(phantom, tiny_model, tiny_processor, tmp_path):
    base = tmp_path / "base"
    tiny_model.save_pretrained(base)
    tiny_processor.save_pretrained(base)
    given = write_judgements(phantom, tmp_path / "preferences.jsonl", rounds=1)
    fit = VisionFit(0.2, 0.0, 1e-3, 8, lora_r=2, quiet=True, on_cpu=True)
    plan = RewardModelPlan(given, phantom, tmp_path / "out", "vision", model=str(base), vision=fit)
    train_reward_model(plan)
    assert not (tmp_path / "out" / "adapter_config.json").exists()
    assert VisionRewardModel.load(tmp_path / "out", "cpu").score([[film(9)]], ["Normal."])


def test_kind_vision_needs_a_model(phantom, tmp_path):
    given = write_judgements(phantom, tmp_path / "preferences.jsonl", rounds=1)
    with pytest.raises(OrapoError, match="needs a model"):
        train_reward_model(RewardModelPlan(given, phantom, tmp_path / "out", "vision"))


def json_lines(path: Path):
    return [json.loads(line) for line in path.read_text().splitlines()]
