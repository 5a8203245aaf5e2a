"""Studies with rare labels are shown more often."""

import json
from collections import Counter
from pathlib import Path

import pytest
import run_recipe
from hypothesis import given
from hypothesis import strategies as st

from orapo import OrapoError
from orapo.data.study import Study
from orapo.labels import LABELS
from orapo.training import balance
from orapo.training.balance import repeat_factors, shown_rows
from orapo.training.dry_run import Hardware, dry_run, schedule
from orapo.training.estimate import GIB
from orapo.training.run import studies_of, train


def studies_with(*labels):
    return [
        Study(study_id=str(number), patient_id=str(number), report="A report.", labels=one)
        for number, one in enumerate(labels)
    ]


def test_a_label_s_factor_is_the_root_of_threshold_over_share_and_never_below_one():
    labels = [{"Fracture": 1, "Edema": 1}, {"Edema": 1}, *[{"Edema": 0}] * 14]
    # Fracture: 1 of 16, sqrt(0.25 * 16) = 2; Edema: 2 of 16, sqrt(0.25 * 8)
    assert repeat_factors(labels, 0.25).tolist() == pytest.approx([2, 2**0.5, *[1] * 14])
    assert repeat_factors(labels, 0.05).tolist() == [1] * 16


def test_only_what_is_surely_there_makes_a_study_rare():
    labels = [{"Fracture": -1}, {"Fracture": 0}, {"Fracture": None}, {}, {"Edema": 1}]
    assert repeat_factors(labels, 0.8).tolist() == pytest.approx([1, 1, 1, 1, 2])


def test_a_study_without_labels_has_those_of_its_report():
    reports = ["There is a rib fracture.", *["The lungs are clear."] * 8]
    studies = [Study(study_id=str(i), patient_id="", report=text) for i, text in enumerate(reports)]
    assert Counter(shown_rows(studies, "report", 1.0, seed=0))[0] == 3


@given(
    st.lists(
        st.dictionaries(st.sampled_from(LABELS), st.sampled_from([1, 0, -1, None]), max_size=4),
        min_size=1,
        max_size=40,
    ),
    st.floats(0.01, 1.0),
    st.integers(0, 5),
)
def test_every_study_is_shown_its_factor_rounded_up_or_down(labels, threshold, seed):
    labels = [{**one, "Edema": 0} for one in labels]  # else the report would be asked
    studies = studies_with(*labels)
    rows = shown_rows(studies, "report", threshold, seed)
    factors = repeat_factors(labels, threshold)
    counts = Counter(rows)
    assert rows == sorted(rows) == shown_rows(studies, "report", threshold, seed)
    assert all(abs(counts[i] - factor) < 1 for i, factor in enumerate(factors))
    assert set(counts) == set(range(len(studies)))


def test_without_a_threshold_each_is_shown_once_and_no_report_is_read(monkeypatch):
    monkeypatch.setattr(balance, "study_labels", None)
    assert shown_rows(studies_with({"Fracture": 1}, {"Edema": 1}), "report", 0.0, 0) == [0, 1]


@pytest.mark.parametrize("method", ["orapo", "sft", "dpo"])
def test_an_epoch_is_longer_by_what_is_shown_again(run_settings, method):
    epoch = {"max_steps": -1, "num_train_epochs": 1, "method": method, "probe_every": 0}
    steps = []
    for threshold in (0.0, 1.0):
        folder = f"{run_settings['output_dir']}-{threshold:g}"
        changes = {**epoch, "repeat_rare": threshold, "output_dir": folder}
        done = train(*run_recipe.recipe(run_settings, **changes))
        log = (done / "metrics.jsonl").read_text().splitlines()
        steps.append(max(json.loads(line)["step"] for line in log))
    assert steps[0] < steps[1]


def test_a_dry_run_counts_what_is_shown_again(run_settings):
    epoch = {"max_steps": -1, "num_train_epochs": 1, "repeat_rare": 1.0}
    run, config = run_recipe.recipe(run_settings, **epoch)
    studies = studies_of(Path(run.data), "train")
    found = dry_run(run, config, studies, Hardware(24 * GIB, "a card"))
    shown = len(shown_rows(studies, "sections", 1.0, run.studies_seed))
    assert found.studies == 6 < shown
    assert found.schedule == schedule(config, shown, processes=1)


def test_a_share_is_from_0_to_1(run_settings):
    with pytest.raises(OrapoError, match="repeat_rare must be from 0 to 1, not 2"):
        run_recipe.recipe(run_settings, repeat_rare=2)
