"""The trivial baselines: what is scored without looking at a film."""

import pytest

from orapo.errors import OrapoError
from orapo.evaluation import trivial_scores
from orapo.evaluation.trivial import all_negative, most_frequent, prevalence
from orapo.labels import LABELS, UncertainPolicy

REFERENCE = [
    {"No Finding": 1},
    {"Pleural Effusion": 1},
    {"Pleural Effusion": 1, "Edema": 1},
    {"Support Devices": 1, "No Finding": 1},
]


def test_all_positive_finds_everything_and_its_precision_is_the_prevalence():
    row = trivial_scores(REFERENCE)["all_positive"]
    assert row.macro_recall == 1
    assert row.per_label["Pleural Effusion"]["precision"] == 0.5
    assert row.per_label["No Finding"]["precision"] == 0.5
    assert row.per_label["Fracture"]["predicted"] == 4


def test_all_negative_calls_no_finding_and_nothing_else():
    assert [name for name, value in all_negative().items() if value] == ["No Finding"]
    row = trivial_scores(REFERENCE)["all_negative"]
    assert row.per_label["No Finding"]["f1"] == pytest.approx(2 / 3)
    assert row.macro_f1 == pytest.approx(2 / 3 / 4)


def test_most_frequent_is_the_commonest_text_and_of_equals_the_first():
    effusion, edema = "Left pleural effusion.", "Pulmonary edema."
    assert most_frequent([edema, effusion, " Left  pleural effusion. "])["Pleural Effusion"] == 1
    assert most_frequent([edema, effusion])["Edema"] == 1
    assert most_frequent(["", "", edema])["Edema"] == 1
    with pytest.raises(OrapoError, match="training reports are empty"):
        most_frequent(["", " "])


@pytest.mark.parametrize(
    ("policy", "share"),
    [
        (UncertainPolicy.POSITIVE, 0.5),
        (UncertainPolicy.NEGATIVE, 0.25),
        (UncertainPolicy.IGNORE, 1 / 3),
    ],
)
def test_prevalence_follows_the_policy(policy, share):
    training = [{"Edema": 1}, {"Edema": -1}, {"Edema": 0}, {}]
    assert prevalence(training, policy)[LABELS.index("Edema")] == pytest.approx(share)


def test_random_calls_come_at_the_training_prevalence():
    training = [{"Edema": int(i < 3), "Fracture": 1, "Pneumonia": 0} for i in range(10)]
    row = trivial_scores([{"Edema": 1}] * 50, training)["prevalence_random"]
    assert row.per_label["Edema"]["recall"] == pytest.approx(0.3, abs=0.03)  # mean of 100 draws
    assert row.per_label["Fracture"]["predicted"] == 50
    assert row.per_label["Pneumonia"]["predicted"] == 0
    assert "100 random draws" in row.convention["draws"]


def test_random_calls_depend_on_the_seed_alone():
    training = [{"Edema": 1}, {"Edema": 0}]
    first, again, other = (
        trivial_scores(REFERENCE, training, seed=seed)["prevalence_random"] for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_rows_that_need_training_data_are_absent_without_it():
    assert list(trivial_scores(REFERENCE)) == ["all_positive", "all_negative"]
    assert "prevalence_random" in trivial_scores(REFERENCE, REFERENCE)
    assert "most_frequent" in trivial_scores(REFERENCE, None, ["Edema."])
    with pytest.raises(OrapoError, match="no training study"):
        trivial_scores(REFERENCE, [])
