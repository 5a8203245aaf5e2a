"""Each kind of mistake is seen and called by its name."""

import pytest
from graded_cases import BY_CATEGORY, PARAPHRASES

from orapo import FactSReward, GradedFactSReward
from orapo.facts.graded import Category

GRADED = GradedFactSReward()
CASES = [
    (category, reference, report)
    for category, pairs in BY_CATEGORY.items()
    for reference, report in pairs
]


def explained(reference, report):
    (score,) = GRADED.explain([report], [reference])
    return score


def test_there_are_enough_cases_of_every_category():
    assert len(CASES) >= 60
    assert {Category(name) for name in BY_CATEGORY} == set(Category) - {Category.IMPRECISE}


@pytest.mark.parametrize(("category", "reference", "report"), CASES)
def test_the_dearest_error_has_the_right_category(category, reference, report):
    score = explained(reference, report)
    assert score.errors[0].category == category
    assert score.score < 1


@pytest.mark.parametrize(("category", "reference", "report"), CASES)
def test_the_reference_itself_has_no_error(category, reference, report):
    if explained(reference, reference) is not None:
        assert explained(reference, reference).score == 1
        assert explained(reference, reference).errors == ()


@pytest.mark.parametrize(("one", "other"), PARAPHRASES)
def test_a_right_paraphrase_is_right_both_ways(one, other):
    assert GRADED([other, one], report=[one, other]) == pytest.approx([1, 1], abs=0.05)


def test_the_radiologists_own_verdict_counts_more_than_the_number():
    reference = "ET tube 1.8 cm above the carina, in good position."
    assert GRADED(["ET tube 1.8 cm above the carina."], report=[reference]) == [1.0]
    (error,) = explained(reference, "ET tube 1.8 cm above the carina, too low.").errors
    assert error.category == "wrong device position"


def test_a_green_one_for_the_wrong_side_is_over():
    reference, report = (
        "Tiny left pneumothorax.",
        "Large right pneumothorax with mediastinal shift.",
    )
    assert FactSReward()([report], report=[reference]) == [1.0]
    score = explained(reference, report)
    assert score.score < 0
    assert [(error.category.value, error.detail) for error in score.errors] == [
        ("false finding", "not in the reference"),
        ("wrong location", "right for left"),
        ("wrong severity or size", "large for tiny"),
    ]


def test_an_error_names_both_sentences():
    score = explained("Heart is normal. Left effusion.", "No pneumothorax. Right effusion.")
    (error,) = score.errors
    assert (error.sentence, error.reference_sentence) == (1, 1)
    assert "No pneumothorax. Right effusion."[slice(*error.span)] == "effusion"


def test_a_missed_finding_points_into_the_reference():
    (error,) = explained("Cardiomegaly. Left effusion.", "Cardiomegaly.").errors
    assert error.sentence is None
    assert "Cardiomegaly. Left effusion."[slice(*error.span)] == "effusion"


def test_a_resolved_finding_is_absent():
    assert GRADED(["No effusion."], report=["The left effusion has resolved."]) == [1.0]
    assert GRADED(["Left effusion."], report=["The left effusion has resolved."])[0] < 0.1


def test_a_denial_of_one_sort_contradicts_nothing():
    said = "Small left effusion. No large effusion."
    assert GRADED([said], report=["Small left effusion."]) == [1.0]
