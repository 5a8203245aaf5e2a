"""Agreement of raters: the libraries' figures, exact intervals, and chance worked out by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from orapo.preferences.agreement import (
    ORDER,
    Ratings,
    kappa_with_others,
    krippendorff_alpha,
    pairwise_kappa,
    position_bias,
    ratings_table,
    self_agreement,
    share,
)
from orapo.preferences.judgements import Judgement
from orapo.preferences.records import Pair, PairKey

CODES = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=2, max_size=40)


def table(*rows):
    codes = np.array(rows, dtype=np.int64)
    pairs = [f"p{at}" for at in range(codes.shape[1])]
    return Ratings([f"r{at}" for at in range(len(codes))], pairs, codes, [""] * len(pairs))


def session(*shown):
    """Pairs and keys of (pair, repeats, swapped)."""
    pairs, keys = {}, {}
    for name, repeats, swapped in shown:
        texts = (f"{repeats or name} a", f"{repeats or name} b")
        left, right = reversed(texts) if swapped else texts
        pairs[name] = Pair(name, "s", (), left, right)
        keys[name] = PairKey(name, "s", "", "x", "y", repeats)
    return pairs, keys


def said(**choices):
    return [Judgement(pair, "r", choice) for pair, choice in choices.items()]


@settings(max_examples=50, deadline=None)
@given(CODES)
def test_the_resampled_kappa_is_scikit_learn_s(both):
    """`kappa_with_others` of two raters uses the table that is resampled; undefined stays unknown."""
    mine, theirs = zip(*both, strict=True)
    found = kappa_with_others(table(mine, theirs), 0, resamples=10, seed=0)["value"]
    if len({*mine, *theirs}) == 1:
        assert found is None
    else:
        assert found == pytest.approx(cohen_kappa_score(mine, theirs, labels=[0, 1, 2]), abs=1e-9)


def test_kappa_of_every_two_raters_leaves_out_what_one_of_them_did_not_judge():
    found = pairwise_kappa(table([0, 2, 0, 2, -1], [0, 2, 2, 2, 1], [-1] * 5), 200, 0)
    first = next(one for one in found if one["raters"] == ["r0", "r1"])
    assert first["pairs"] == 4
    assert first["equal"] == 0.75
    assert first["kappa"]["value"] == pytest.approx(0.5)
    assert first["kappa"]["low"] <= 0.5 <= first["kappa"]["high"]
    alone = next(one for one in found if one["raters"] == ["r0", "r2"])
    assert alone["pairs"] == 0
    assert alone["kappa"]["value"] is None


def test_a_tie_is_half_way_in_weighted_kappa():
    one_step, two_steps = (
        pairwise_kappa(table([0, 0, 2, 2], [0, other, 2, 2]), 200, 0)[0] for other in (1, 2)
    )
    assert one_step["weighted_kappa"]["value"] > two_steps["weighted_kappa"]["value"]


def test_alpha_is_that_of_krippendorff_s_example():
    """Krippendorff, Computing Krippendorff's alpha-reliability (2011), example A: 0.095."""
    first = [0, 1, 0, 0, 0, 0, 0, 0, 1, 0]
    second = [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]
    assert krippendorff_alpha(table(first, second)) == pytest.approx(0.095, abs=5e-4)
    # a judgement that nobody else gave changes nothing
    assert krippendorff_alpha(table([*first, 2], [*second, -1])) == pytest.approx(0.095, abs=5e-4)


def test_alpha_is_unknown_where_nobody_can_disagree():
    assert krippendorff_alpha(table([0, 0], [0, 0])) is None
    assert krippendorff_alpha(table([0, 1], [-1, -1])) is None


def test_a_repetition_counts_in_the_sides_of_its_first_showing():
    pairs, keys = session(("p1", None, False), ("p2", None, False), ("p3", "p2", True))
    ratings = ratings_table(said(p1="tie", p3="left"), pairs, keys)
    assert ratings.pairs == ["p1", "p2"]
    assert ratings.codes.tolist() == [[ORDER["tie"], ORDER["right"]]]
    # but the first showing counts where both are judged
    ratings = ratings_table(said(p3="left", p2="left"), pairs, keys)
    assert ratings.codes.tolist() == [[ORDER["left"]]]


def test_self_agreement_knows_what_chance_gives():
    shown = [("p1", None, False), ("p2", None, False), ("p3", "p1", True), ("p4", "p2", False)]
    pairs, keys = session(*shown)
    steady = self_agreement(said(p1="left", p2="right", p3="right", p4="right"), pairs, keys)
    assert (steady["agreed"], steady["repeated"]) == (2, 2)
    # shares: left 1/4, right 3/4; swapped 2 * 3/16, same side 10/16, half of each
    assert steady["chance"] == pytest.approx((6 / 16 + 10 / 16) / 2)
    always_left = self_agreement(said(p1="left", p2="left", p3="left", p4="left"), pairs, keys)
    assert always_left["agreed"] == 1
    assert always_left["chance"] == 0.5


def test_without_a_repeated_pair_self_agreement_is_unknown():
    pairs, keys = session(("p1", None, False))
    found = self_agreement(said(p1="left"), pairs, keys)
    assert found["value"] is None
    assert found["chance"] is None


def test_position_bias_leaves_ties_out_and_is_exact():
    found = position_bias(said(p1="left", p2="left", p3="left", p4="left", p5="left", p6="tie"))
    assert (found["left"], found["decided"], found["value"]) == (5, 5, 1.0)
    assert found["p"] == pytest.approx(2 / 2**5)
    assert found["low"] == pytest.approx(0.025 ** (1 / 5))  # Clopper and Pearson at 5 of 5
    assert share(0, 0)["value"] is None
