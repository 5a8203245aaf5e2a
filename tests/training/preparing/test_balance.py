"""Studies with rare findings are shown more often."""

from collections import Counter

import pytest
import run_recipe
from hypothesis import given
from hypothesis import strategies as st

from orapo import OrapoError
from orapo.data.study import Study
from orapo.labels import LABELS
from orapo.training import run as runs
from orapo.training.preparing import balance
from orapo.training.preparing import pairs as pairs_module
from orapo.training.preparing.balance import repeat_factors, shown_rows
from orapo.training.preparing.dry_run import Hardware, dry_run, schedule
from orapo.training.preparing.estimate import GIB
from orapo.training.run import train, training_studies


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


def test_a_finding_counts_that_is_there_surely_or_perhaps_and_no_finding_is_none():
    labels = [{"Fracture": -1}, {"Fracture": 0}, {"Fracture": None}, {}, {"No Finding": 1}]
    assert repeat_factors(labels, 0.8).tolist() == pytest.approx([2, 1, 1, 1, 1])


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


@pytest.fixture
def seen(monkeypatch):
    """Keep the data sets that trainers are given, and the studies of which pairs are sampled."""
    found = {}
    for name in ("OraPOTrainer", "SupervisedTrainer", "OfflineTrainer"):

        class Seen(getattr(runs, name)):
            def __init__(self, *args, **kwargs):
                super().__init__(*args, **kwargs)
                found["rows"] = self.train_dataset.with_format(None)

        monkeypatch.setattr(runs, name, Seen)

    def sampled(run, config, studies, *rest):
        found["sampled"] = [study.study_id for study in studies]
        found["pairs"] = pairs(run, config, studies, *rest)
        return found["pairs"]

    pairs = pairs_module.oracle_pairs
    monkeypatch.setattr(pairs_module, "oracle_pairs", sampled)
    return found


@pytest.mark.parametrize("method", ["orapo", "sft", "dpo"])
def test_a_training_is_given_rare_studies_again(run_settings, method, seen):
    changes = {"method": method, "probe_every": 0, "repeat_rare": 1.0, "max_steps": 1}
    run, config = run_recipe.recipe(run_settings, **changes)
    studies = training_studies(run)
    shown = [studies[row] for row in shown_rows(studies, "sections", 1.0, 0)]
    assert len(shown) > len(studies)
    train(run, config)
    if method != "dpo":
        assert seen["rows"]["study_id"][:] == [study.study_id for study in shown]
        return
    # the pairs of a study that is shown twice stand twice, and are sampled once
    assert seen["sampled"] == [study.study_id for study in studies]
    films = Counter(row["image_paths"][0] for row in seen["rows"])
    wanted = Counter()
    for study in shown:
        wanted[str(study.images[0])] += len(seen["pairs"][study.study_id])
    assert films == +wanted


def test_a_run_with_few_studies_shown_often_fills_a_generation_as_its_dry_run_says(run_settings):
    wide = {"per_device_train_batch_size": 16, "repeat_rare": 1.0, "probe_every": 0}
    run, config = run_recipe.recipe(run_settings, **wide, max_steps=1, train_studies=6)
    studies = training_studies(run)
    found = dry_run(run, config, studies, Hardware(24 * GIB, "a card"))
    assert found.studies == 6 < 8 <= found.shown
    assert (train(run, config) / "model.safetensors").is_file()


def test_a_dry_run_counts_what_is_shown_again(run_settings):
    epoch = {"max_steps": -1, "num_train_epochs": 1, "repeat_rare": 1.0}
    run, config = run_recipe.recipe(run_settings, **epoch)
    studies = training_studies(run)
    found = dry_run(run, config, studies, Hardware(24 * GIB, "a card"))
    shown = len(shown_rows(studies, "sections", 1.0, run.studies_seed))
    assert (found.studies, found.shown) == (6, shown)
    assert shown > 6
    assert found.schedule == schedule(config, shown, processes=1)


def test_a_share_is_from_0_to_1(run_settings):
    with pytest.raises(OrapoError, match="repeat_rare must be from 0 to 1, not 2"):
        run_recipe.recipe(run_settings, repeat_rare=2)
