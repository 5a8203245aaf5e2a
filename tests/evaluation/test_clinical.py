"""Clinical scores against figures counted by hand, and the conventions that change them."""

import json
import math
import random

import pytest

from orapo.errors import OrapoError
from orapo.evaluation import clinical_scores, evaluate_reports
from orapo.labels import LABELS, UncertainPolicy

POSITIVE, NEGATIVE, IGNORE = (
    UncertainPolicy.POSITIVE,
    UncertainPolicy.NEGATIVE,
    UncertainPolicy.IGNORE,
)


def count(predicted, reference, label, policy):
    """TP, FP and FN of one label, counted study by study (not by the code under test)."""
    tp = fp = fn = 0
    for guess, truth in zip(predicted, reference, strict=True):
        has, says = truth.get(label), guess.get(label)
        if policy is IGNORE and has == -1:
            continue
        has = has == 1 or (has == -1 and policy is POSITIVE)
        says = says == 1 or (says == -1 and policy is not NEGATIVE)
        tp, fp, fn = tp + (has and says), fp + (says and not has), fn + (has and not says)
    return tp, fp, fn


def f1(tp, fp, fn):
    return 2 * tp / (2 * tp + fp + fn) if tp else 0.0


@pytest.fixture
def mixed():
    """Sixty studies with positive, negative, uncertain, blank and absent labels; no fracture."""
    rng = random.Random(4)

    def vector(values):
        names = [name for name in LABELS if rng.random() < 0.9]
        return {name: rng.choice(values) for name in names}

    reference = [vector((1, 1, 0, -1, None)) | {"Fracture": 0} for _ in range(60)]
    return [vector((1, 0, 0, -1, None)) for _ in range(60)], reference


@pytest.mark.parametrize("policy", UncertainPolicy)
def test_every_figure_equals_the_one_counted_by_hand(mixed, policy):
    scores = clinical_scores(*mixed, uncertain=policy)
    counts = {name: count(*mixed, name, policy) for name in LABELS}
    for name, (tp, fp, fn) in counts.items():
        assert scores.per_label[name] == pytest.approx(
            {
                "precision": tp / (tp + fp) if tp + fp else 0.0,
                "recall": tp / (tp + fn) if tp + fn else 0.0,
                "f1": f1(tp, fp, fn),
                "support": tp + fn,
                "predicted": tp + fp,
            },
            abs=1e-12,
        )
    supported = [name for name in LABELS if name != "Fracture"]
    assert list(scores.macro_labels) == supported

    def mean(figure):
        return sum(scores.per_label[name][figure] for name in supported) / len(supported)

    assert scores.macro_f1 == pytest.approx(mean("f1"), abs=1e-12)
    assert scores.macro_precision == pytest.approx(mean("precision"), abs=1e-12)
    assert scores.macro_recall == pytest.approx(mean("recall"), abs=1e-12)
    totals = [sum(one[cell] for one in counts.values()) for cell in range(3)]
    assert scores.micro_f1 == pytest.approx(f1(*totals), abs=1e-12)


@pytest.mark.parametrize("policy", UncertainPolicy)
def test_the_r2gen_figure_takes_uncertain_as_negative_and_all_14_labels(mixed, policy):
    by_hand = sum(f1(*count(*mixed, name, NEGATIVE)) for name in LABELS) / 14
    assert clinical_scores(*mixed, uncertain=policy).r2gen_macro_f1 == pytest.approx(by_hand)


def test_macro_f1_is_the_mean_of_f1_and_not_the_f1_of_the_means():
    # Edema: P 1, R 1; Fracture: P 0.5, R 1
    reference = [{"Edema": 1, "Fracture": 1}, {"Edema": 0, "Fracture": 0}]
    predicted = [{"Edema": 1, "Fracture": 1}, {"Edema": 0, "Fracture": 1}]
    scores = clinical_scores(predicted, reference)
    assert scores.macro_f1 == pytest.approx((1 + 2 / 3) / 2)
    assert scores.macro_precision == 0.75
    assert scores.macro_recall == 1


@pytest.mark.parametrize(
    ("policy", "support", "predicted"), [(POSITIVE, 2, 2), (NEGATIVE, 1, 0), (IGNORE, 1, 1)]
)
def test_uncertain_counts_as_the_policy_says(policy, support, predicted):
    reference = [{"Edema": -1}, {"Edema": 1}]
    guesses = [{"Edema": -1}, {"Edema": -1}]
    score = clinical_scores(guesses, reference, uncertain=policy).per_label["Edema"]
    assert (score["support"], score["predicted"]) == (support, predicted)


def test_ignore_leaves_out_the_cell_and_not_the_study():
    scores = clinical_scores(
        [{"Edema": 1, "Fracture": 1}], [{"Edema": -1, "Fracture": 1}], uncertain=IGNORE
    )
    assert scores.macro_labels == ("Fracture",)
    assert scores.micro_f1 == 1  # the call of Edema is no false alarm


def test_columns_are_matched_by_name_whatever_their_order():
    reference = [{"Edema": 1, "No Finding": 0, "Fracture": 1}]
    predicted = [{"Fracture": 1, "Edema": 1, "No Finding": 0}]
    assert clinical_scores(predicted, reference).micro_f1 == 1


def test_a_result_says_its_convention_and_survives_json(mixed):
    scores = clinical_scores(*mixed, uncertain=IGNORE).as_dict()
    assert json.loads(json.dumps(scores)) == scores
    assert "left out" in scores["convention"]["uncertain"]
    assert "14 labels" in scores["convention"]["r2gen_macro_f1"]


@pytest.mark.parametrize(
    ("policy", "uncertain"),
    [
        (POSITIVE, "counts as positive on both sides"),
        (NEGATIVE, "counts as negative on both sides"),
        (
            IGNORE,
            "in the reference: that label of that study is left out; in a prediction: positive",
        ),
    ],
)
def test_the_form_of_a_result_is_what_others_read(policy, uncertain):
    scores = clinical_scores([{"Edema": 1}], [{"Edema": 1}], uncertain=policy)
    record = scores.as_dict()
    assert record.pop("per_label")["Edema"] == {
        "precision": 1, "recall": 1, "f1": 1, "support": 1, "predicted": 1
    }  # fmt: skip
    assert record == {
        "macro_f1": 1,
        "macro_precision": 1,
        "macro_recall": 1,
        "micro_f1": 1,
        "r2gen_macro_f1": pytest.approx(1 / 14),
        "macro_labels": ["Edema"],
        "studies": 1,
        "convention": {
            "blank": "counts as negative",
            "uncertain": uncertain,
            "macro": "mean of the per-label figures over the labels with support in the references",
            "micro": "all cells of all 14 labels taken together",
            "r2gen_macro_f1": "blank and uncertain count as negative; mean of the F1 of all 14 "
            "labels; a label without support counts as 0",
        },
    }


def test_references_without_a_positive_label_have_no_score():
    scores = clinical_scores([{"Edema": 1}], [{"Edema": 0}])
    assert math.isnan(scores.macro_f1)
    assert math.isnan(scores.micro_f1)
    assert scores.macro_labels == ()


@pytest.mark.parametrize(
    ("predicted", "reference", "message"),
    [
        ([{}], [{}, {}], "1 predictions for 2 references"),
        ([], [], "no study"),
        ([{"Edma": 1}], [{}], "prediction 1: unknown label"),
        ([{}], [{"Edema": 2}], "reference 1: label value 2"),
    ],
)
def test_bad_input_is_named(predicted, reference, message):
    with pytest.raises(OrapoError, match=message):
        clinical_scores(predicted, reference)


def test_reports_are_matched_by_study_and_read_by_facts():
    predictions = {
        "b": "No pleural effusion. The heart is enlarged.",
        "a": "There is a left pleural effusion.",
        "c": "",
    }
    references = {
        "a": {"Pleural Effusion": 1},
        "b": "Cardiomegaly. There is a pneumothorax.",
        "c": {"Edema": 1},
    }
    per_label = evaluate_reports(predictions, references).per_label
    assert per_label["Pleural Effusion"]["f1"] == 1
    assert per_label["Cardiomegaly"]["f1"] == 1
    assert per_label["Pneumothorax"]["recall"] == 0
    assert per_label["Edema"] == {
        "precision": 0, "recall": 0, "f1": 0, "support": 1, "predicted": 0
    }  # fmt: skip


@pytest.mark.parametrize(
    ("predictions", "references", "message"),
    [
        ({"a": ""}, {"a": {}, "b": {}, "c": {}}, r"predictions: lacks 2 .* first: b"),
        ({"a": "", "z": ""}, {"a": {}}, r"references: lacks 1 .* first: z"),
    ],
)
def test_studies_on_one_side_only_are_an_error(predictions, references, message):
    with pytest.raises(OrapoError, match=message):
        evaluate_reports(predictions, references)
