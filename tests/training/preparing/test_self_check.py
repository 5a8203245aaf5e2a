"""The radiologist's own report has to score, and a training says if it does not."""

import json
import logging

import pytest
from run_recipe import recipe

from orapo import OrapoError
from orapo.data.study import Study
from orapo.training.preparing import self_check as module
from orapo.training.preparing.dry_run import Hardware, dry_run
from orapo.training.preparing.estimate import GIB
from orapo.training.preparing.self_check import self_check
from orapo.training.run import train, training_studies

EFFUSION = "There is a small left pleural effusion."


def study(name, text=EFFUSION, **labels):
    return Study(study_id=name, findings=text, report=text, labels=labels)


@pytest.fixture
def check(run_settings):
    def run(studies, **changes):
        return self_check(*recipe(run_settings, **changes), studies)

    return run


def test_references_that_say_what_their_labels_say_score_1(check):
    found = check([study("a", **{"Pleural Effusion": 1}), study("b", "The lungs are clear.")])
    assert (found.mean, found.unknown, found.worst, found.warning) == (1.0, 0, (), None)
    assert found.sentence == (
        "Self-check: the references of 2 training studies have a mean FactS of 1.000 against their own "
        "labels; 1 have none of their own: FactS read them from the text"
    )


def test_labels_of_other_studies_are_noticed_and_the_worst_ten_named_by_id_alone(check):
    """As when a table was sorted and the other was not."""
    right = [study(f"right{n}", **{"Pleural Effusion": 1}) for n in range(28)]
    half = study("half", **{"Pleural Effusion": 1, "Cardiomegaly": 1})
    wrong = [study(f"wrong{n:02}", Pneumothorax=1) for n in range(11)]
    found = check([*right, half, *wrong])
    assert found.mean == pytest.approx((28 + 2 / 3) / 40)
    assert found.worst == tuple(f"wrong{n:02}" for n in range(10))
    assert found.warning.startswith("the mean FactS of the references is 0.717, below 0.95")
    assert found.warning.endswith(f"look at the studies {', '.join(found.worst)}")
    assert "effusion" not in found.warning


def test_reports_that_earn_nothing_are_counted_and_named_though_the_mean_is_high(check):
    """The oracle makes no pair with them; the ids say which, no word of a report does."""
    right = [study(f"right{n}", **{"Pleural Effusion": 1}) for n in range(78)]
    wrong = [study("wrong1", Pneumothorax=1), study("wrong0", Pneumothorax=1)]
    found = check([*right, *wrong, study("silent", "XXXX.")])
    assert (found.zero, found.zeros, found.warning) == (2, ("wrong0", "wrong1"), None)
    assert (
        "2 (2.5%) earn 0 and are no chosen answers of the oracle's pairs, the first: wrong0, wrong1"
        in found.sentence
    )
    assert "effusion" not in found.sentence
    assert "earn 0" not in check(right).sentence


def test_what_the_run_s_reward_is_told_counts_here_too(check):
    """b weighs the missing label; a lexicon's own word makes its report readable."""
    half = [study("half", **{"Pleural Effusion": 1, "Cardiomegaly": 1})]
    assert check(half, facts_beta=2.0).mean == pytest.approx(5 / 9)
    unsure = [study("unsure", **{"Pleural Effusion": 1, "Edema": -1})]
    assert check(unsure, uncertain="positive").mean == pytest.approx(2 / 3)
    assert check(unsure, uncertain="negative").mean == 1


def test_a_report_that_reads_as_nothing_is_counted_and_named_and_no_zero(check):
    found = check([study("a"), study("silent", "XXXX.")])
    assert (found.mean, found.unknown, found.worst) == (1.0, 1, ("silent",))
    assert found.warning.startswith("1 of 2 references give no score")
    assert "1 give no score" in found.sentence
    nothing = check([study("silent", "XXXX.")])
    assert nothing.mean is None
    assert "can't be scored" in nothing.sentence
    assert nothing.warning.endswith("look at the studies silent")


def test_a_few_that_give_no_score_are_said_without_a_warning(check):
    found = check([*(study(f"s{n}") for n in range(40)), study("silent", "XXXX.")])
    assert found.unknown == 1
    assert found.warning is None


def test_of_many_studies_a_sample_is_looked_at_and_said(check, monkeypatch):
    monkeypatch.setattr(module, "MOST_STUDIES", 20)
    studies = [study(f"s{n}") for n in range(1200)]
    found = check(studies)
    assert found.looked_at == 20
    assert "of 20 of 1,200, drawn at random, training studies" in found.sentence
    assert check(studies) == found


def test_a_judge_is_asked_nothing(check):
    found = check([study("a")], engine="llm", judge_model="none", judge_url="http://127.0.0.1:1")
    assert found.sentence == (
        "Self-check of the references: skipped, since each report would be a call of the judge"
    )
    assert (found.mean, found.warning) == (None, None)


def test_an_engine_that_is_none_is_refused(check):
    with pytest.raises(OrapoError, match="engine must be rules or llm"):
        check([study("a")], engine="magic")


@pytest.fixture
def mislabelled(run_settings):
    """The recipe of a run whose every study has the label that its report does not speak of."""
    path = run_settings["data"]
    with open(path, encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    names = {row["study_id"] for row in rows if row["split"] == "train"}
    for row in rows:
        row["labels"] = {"Pleural Other": 1}
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    return names


def test_a_training_says_what_its_references_score_and_warns(run_settings, mislabelled, caplog):
    said = []
    changes = {"max_steps": 1, "probe_every": 0, "disable_tqdm": False}
    with caplog.at_level(logging.WARNING, "orapo.training.run"):
        train(*recipe(run_settings, **changes), say=said.append)
    assert said[0].startswith("Self-check: the references of 6 training studies have a mean FactS")
    (warning,) = [text for text in caplog.messages if "below 0.95" in text]
    assert set(warning.rpartition("studies ")[2].split(", ")) == mislabelled


def test_a_quiet_training_warns_and_says_nothing_else(run_settings, mislabelled, caplog):
    said = []
    with caplog.at_level(logging.WARNING, "orapo.training.run"):
        train(*recipe(run_settings, max_steps=1, probe_every=0), say=said.append)
    assert said == []
    assert "below 0.95" in caplog.text


def test_a_dry_run_has_it_in_its_json(run_settings, mislabelled):
    run, config = recipe(run_settings)
    found = dry_run(run, config, training_studies(run), Hardware(22 * GIB, "some GPU"))
    told = json.loads(json.dumps(found.as_dict()))["self_check"]
    assert told["studies"] == told["looked_at"] == 6
    assert set(told["worst"]) == mislabelled
