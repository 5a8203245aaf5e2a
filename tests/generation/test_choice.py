"""Which of several samples becomes the report."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orapo.facts import label_report, score_report
from orapo.generation.choice import OPERATING_POINTS, choose, consensus_scores, votes
from orapo.generation.reports import Sample, Selection

CLEAR = "The lungs are clear."
EFFUSION = "There is a small left pleural effusion."
BOTH = "There is a small left pleural effusion. The heart is enlarged."
GIBBERISH = "the the the"


def chosen(texts, selection, likelihoods=None):
    likelihoods = likelihoods or [None] * len(texts)
    samples = [Sample(text, value) for text, value in zip(texts, likelihoods, strict=True)]
    return choose(samples, [label_report(text) for text in texts], selection)


def test_the_consensus_is_the_report_that_most_others_share_facts_with():
    assert chosen([CLEAR, EFFUSION, BOTH, EFFUSION], Selection.CONSENSUS) == 1


def test_the_agreement_is_the_mean_facts_against_each_other_report():
    texts = [BOTH, EFFUSION, CLEAR]
    expected = [
        sum(
            score_report(mine, label_report(theirs).labels).reward
            for j, theirs in enumerate(texts)
            if i != j
        )
        / 2
        for i, mine in enumerate(texts)
    ]
    assert consensus_scores([label_report(t) for t in texts]) == pytest.approx(expected)


def test_the_operating_point_prefers_what_all_claim_or_what_any_claims():
    # one sample claims what all of them do; another one all that any of them does
    read = [
        label_report(text)
        for text in (
            EFFUSION,
            BOTH + " There is a right pneumothorax.",
            EFFUSION + " There is a right pneumothorax.",
            BOTH,
        )
    ]
    by_point = {}
    for point, b in OPERATING_POINTS.items():
        scores = consensus_scores(read, b)
        by_point[point] = scores.index(max(scores))
    assert by_point["precision"] == 0
    assert by_point["recall"] == 1


def test_reports_without_facts_neither_win_nor_vote():
    texts = [GIBBERISH, GIBBERISH, GIBBERISH, EFFUSION]
    assert chosen(texts, Selection.CONSENSUS, [-0.1, -0.1, -0.1, -2.0]) == 3
    assert consensus_scores([label_report(t) for t in texts]) == [0, 0, 0, 0]


def test_two_that_agree_alike_are_told_apart_by_likelihood_then_by_place():
    assert chosen([EFFUSION, EFFUSION], Selection.CONSENSUS, [-2.0, -1.0]) == 1
    assert chosen([EFFUSION, EFFUSION], Selection.CONSENSUS) == 0


def test_the_first_and_the_likeliest():
    texts, likelihoods = [CLEAR, EFFUSION, BOTH], [-1.0, -0.5, -0.5]
    assert chosen(texts, Selection.FIRST, likelihoods) == 0
    assert chosen(texts, Selection.LIKELIHOOD, likelihoods) == 1


def test_votes_count_the_samples_that_claim_a_label_surely_or_not():
    texts = [CLEAR, EFFUSION, "Possible pleural effusion.", "No pleural effusion."]
    counted = votes([label_report(text) for text in texts])
    assert counted["Pleural Effusion"] == 2
    assert counted["No Finding"] >= 1
    assert counted["Fracture"] == 0


@given(st.lists(st.sampled_from([CLEAR, EFFUSION, BOTH, GIBBERISH]), min_size=2, max_size=7))
def test_the_chosen_text_does_not_depend_on_the_order_of_the_samples(texts):
    """Up to texts that say the same: those agree with the others alike."""
    forwards = texts[chosen(texts, Selection.CONSENSUS)]
    backwards = texts[::-1][chosen(texts[::-1], Selection.CONSENSUS)]
    scores = consensus_scores([label_report(text) for text in texts])
    by_text = dict(zip(texts, scores, strict=True))
    assert by_text[forwards] == pytest.approx(by_text[backwards])
    assert by_text[forwards] == pytest.approx(max(scores))
