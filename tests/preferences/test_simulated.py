"""Simulated experts behave as their taste and their noise say, and the check finds the careless."""

import json
from collections import Counter

import numpy as np
import pytest

from orapo.facts import label_report, score_report
from orapo.preferences.check import check_judgements
from orapo.preferences.judgements import Judgements
from orapo.preferences.page import write_check
from orapo.preferences.pairing import PairingOptions, make_sheet
from orapo.preferences.records import Pair
from orapo.preferences.simulated import (
    SimulatedRater,
    best_accuracy,
    facts_taste,
    no_taste,
    simulate,
    simulated_raters,
    style_taste,
)

EDEMA = {"Edema": 1}
PAIR = Pair("p", "s", (), "Edema.", "Clear lungs.")


@pytest.fixture(scope="module")
def shown(sheet):
    pairs = {one.pair: one for one in sheet.pairs}
    return pairs, {one.pair: one for one in sheet.keys}


@pytest.fixture(scope="module")
def labels(truth):
    return {name: one.labels for name, one in truth.items()}


def checked(judgements, shown, **options):
    return check_judgements(Judgements(judgements), *shown, resamples=200, **options)


def test_choices_follow_bradley_and_terry_with_davidson_s_ties():
    rater = SimulatedRater("r", lambda text, _: {"Edema.": 0.3}.get(text, 0.0), 0.1, ties=0.5)
    left, right, tie = rater.probabilities(PAIR, EDEMA)
    assert left / right == pytest.approx(np.exp(3))
    assert tie / np.sqrt(left * right) == pytest.approx(0.5)
    assert left + right + tie == pytest.approx(1)


def test_small_temperatures_do_not_overflow_and_no_ties_can_be_asked_for():
    rater = SimulatedRater("r", facts_taste(1.0), temperature=1e-6, ties=0.0)
    assert rater.probabilities(PAIR, EDEMA) == pytest.approx([1, 0, 0])


def test_tastes_are_what_they_are_called():
    all_of_it = "Edema. Pleural effusion. Cardiomegaly. Pneumothorax."
    truth = {"Edema": 1, "Pleural Effusion": 1}
    assert facts_taste(2.0)(all_of_it, truth) > facts_taste(2.0)("Edema.", truth)
    assert facts_taste(0.5)(all_of_it, truth) < facts_taste(0.5)("Edema.", truth)
    assert style_taste("Edema.", {}) > style_taste("There is edema in both of the lungs today.", {})
    assert style_taste("Edema. Clear heart.", {}) > style_taste("Edema. Edema.", {})
    assert no_taste("Edema.", truth) == no_taste("", truth)


def test_the_same_seed_says_the_same_whoever_else_is_there(sheet, labels):
    recall, precision, *_ = simulated_raters()
    alone = simulate(sheet.pairs, labels, [precision], seed=3)
    assert simulate(sheet.pairs, labels, [recall, precision], seed=3)[len(alone) :] == alone
    assert simulate(sheet.pairs, labels, [precision], seed=4) != alone


def test_nobody_predicts_a_rater_better_than_the_best_accuracy(sheet, labels):
    """Who knows the utilities reaches it, up to chance; who knows another taste stays below."""
    recall, precision, style, careless = simulated_raters()
    decided = [
        one
        for seed in range(20)
        for one in simulate(sheet.pairs, labels, [recall], seed)
        if one.choice != "tie"
    ]
    pairs = {one.pair: one for one in sheet.pairs}

    def accuracy(rater):
        prefers_left = {}
        for name, pair in pairs.items():
            left, right, _ = rater.probabilities(pair, labels[pair.study_id])
            prefers_left[name] = left >= right
        return np.mean([prefers_left[one.pair] == (one.choice == "left") for one in decided])

    best = best_accuracy(sheet.pairs, labels, recall)
    assert accuracy(recall) == pytest.approx(best, abs=0.02)
    assert accuracy(precision) < best - 0.01
    assert accuracy(style) < best - 0.03
    assert best_accuracy(sheet.pairs, labels, careless) == pytest.approx(0.5)
    assert best_accuracy(sheet.pairs, labels, careless, ties=True) == pytest.approx(0.4)


@pytest.mark.parametrize("seed", range(8))
def test_the_careless_rater_is_flagged_and_no_other(sheet, labels, shown, seed):
    judgements = simulate(sheet.pairs, labels, simulated_raters(), seed)
    found = checked(judgements, shown, seed=seed)
    assert found["flagged"] == ["careless"]
    (flag,) = found["raters"]["careless"]["flags"]
    assert flag["kind"] == "careless"
    assert "repeated pairs" in flag["reason"]


@pytest.mark.parametrize("seed", range(3))
def test_each_taste_agrees_most_with_facts_of_its_own_beta(sheet, labels, seed):
    pairs = {one.pair: one for one in sheet.pairs}
    judgements = simulate(sheet.pairs, labels, simulated_raters(), seed)

    def agreement(rater, beta):
        right = []
        for one in judgements:
            pair = pairs[one.pair]
            left, other = (
                score_report(label_report(text), labels[pair.study_id], facts_beta=beta).reward
                for text in (pair.left, pair.right)
            )
            if one.rater == rater and one.choice != "tie" and left != other:
                right.append((left > other) == (one.choice == "left"))
        return np.mean(right)

    assert agreement("recall", 2.0) > agreement("recall", 0.5)
    assert agreement("precision", 0.5) > agreement("precision", 2.0)
    for taste, beta in (("recall", 2.0), ("precision", 0.5)):
        assert agreement(taste, beta) > max(agreement("style", beta), agreement("careless", beta))


def test_raters_who_press_one_side_or_do_not_read_are_flagged_for_that(sheet, labels, shown):
    raters = [
        SimulatedRater("leftist", facts_taste(1.0), left_bias=5.0),
        SimulatedRater("hasty", facts_taste(1.0), words_per_second=60.0),
        SimulatedRater("fair", facts_taste(1.0)),
    ]
    found = checked(simulate(sheet.pairs, labels, raters), shown)["raters"]
    kinds = {name: {flag["kind"] for flag in one["flags"]} for name, one in found.items()}
    assert {"one side", "one answer"} <= kinds["leftist"]
    assert kinds["hasty"] == {"too fast"}
    assert kinds["fair"] == set()


def test_a_rater_who_tires_agrees_less_in_the_last_third(sheet, labels, shown):
    fair = SimulatedRater("fair", facts_taste(1.0), temperature=0.02)
    fresh = simulate(sheet.pairs, labels, [SimulatedRater("r", facts_taste(1.0), 0.02)])
    tired = simulate(sheet.pairs, labels, [SimulatedRater("r", no_taste, words_per_second=20)])
    cut = len(fresh) * 2 // 3
    judgements = [*fresh[:cut], *tired[cut:], *simulate(sheet.pairs, labels, [fair])]
    drift = checked(judgements, shown)["raters"]["r"]["drift"]
    assert drift["change_in_agreement"]["high"] < 0
    seconds = [third["median_seconds"] for third in drift["thirds"]]
    assert seconds[2] < seconds[0] / 2


def test_few_judgements_are_no_ground_for_a_flag(sheet, labels, shown):
    few = simulate(sheet.pairs[:15], labels, simulated_raters())
    assert checked(few, shown)["flagged"] == []


def test_the_better_system_wins_more_often_and_rates_add_up(studies, truth, labels):
    # of 300 pairs too few are chosen at random to tell these systems apart
    patients = {name: one.patient_id for name, one in truth.items()}
    sheet = make_sheet(studies, {}, patients, PairingOptions(pairs=600), "cosine")
    shown = {one.pair: one for one in sheet.pairs}, {one.pair: one for one in sheet.keys}
    raters = [SimulatedRater("fair", facts_taste(1.0), temperature=0.02)]
    checked_all = checked(simulate(sheet.pairs, labels, raters), shown)
    found = checked_all["systems"]
    careful, wild = found["each"]["careful"], found["each"]["wild"]
    assert careful["value"] + wild["value"] == pytest.approx(1)
    assert careful["low"] > 0.5
    (against,) = found["pairs"]
    assert against["systems"] == ["careful", "wild"]
    assert against["value"] == careful["value"]
    # pairs that were chosen by what the rewards say favour the worse system
    assert checked_all["systems_all_pairs"]["each"]["careful"]["value"] < careful["low"]
    # pairs of two reports by one system, and repetitions, say nothing about systems
    mixed = [
        key
        for key in shown[1].values()
        if key.why == "random" and key.repeats is None and key.left_source != key.right_source
    ]
    assert careful["judgements"] == len(mixed)


def test_one_rater_alone_can_be_checked(sheet, labels, shown, tmp_path):
    found = checked(simulate(sheet.pairs, labels, simulated_raters()[:1]), shown)
    assert found["kappa"] == []
    assert found["alpha"]["value"] is None
    write_check(tmp_path, found)
    assert "nobody to agree with" in (tmp_path / "check.html").read_text()


def test_one_judgement_is_no_certainty(sheet, labels, shown):
    alone = simulate(sheet.pairs, labels, [SimulatedRater("fair", facts_taste(1.0), ties=0.0)])
    mixed = next(
        one
        for one in alone
        if shown[1][one.pair].why == "random"
        and shown[1][one.pair].left_source != shown[1][one.pair].right_source
    )
    rates = checked([mixed], shown)["systems"]["each"].values()
    assert sorted(one["value"] for one in rates) == [0, 1]
    assert all(one["high"] - one["low"] > 0.5 for one in rates)


@pytest.mark.filterwarnings("error")
def test_raters_may_be_called_anything(sheet, labels, shown, tmp_path):
    raters = [SimulatedRater(name, facts_taste(1.0)) for name in ("a$b_{$", "李医生", "y" * 100)]
    write_check(tmp_path, checked(simulate(sheet.pairs, labels, raters), shown))
    assert "李医生" in (tmp_path / "check.html").read_text()


def test_the_page_asks_for_nothing_and_holds_no_report(sheet, labels, shown, tmp_path):
    raters = [*simulated_raters(), SimulatedRater("<b>bold</b>", no_taste)]
    found = checked(simulate(sheet.pairs, labels, raters), shown)
    write_check(tmp_path, found)
    page = (tmp_path / "check.html").read_text()
    assert "http" not in page.replace("http-equiv", "")
    assert "<b>bold" not in page
    assert "&lt;b&gt;bold" in page
    assert sheet.pairs[0].left not in page
    assert "default-src 'none'" in page
    for name in ("raters", "kappa", "drift", "systems"):
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((tmp_path / "check.json").read_text()) == json.loads(json.dumps(found))


def test_choices_of_a_careless_rater_are_left_to_chance(sheet, labels):
    said = [
        one.choice
        for seed in range(10)
        for one in simulate(sheet.pairs, labels, [SimulatedRater("c", no_taste)], seed)
    ]
    counts = Counter(said)
    assert counts["left"] / len(said) == pytest.approx(0.4, abs=0.03)
    assert counts["tie"] / len(said) == pytest.approx(0.2, abs=0.03)
