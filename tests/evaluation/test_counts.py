"""Every convention against scikit-learn, computed in another way."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import precision_recall_fscore_support

from orapo.evaluation.bootstrap import Resampler
from orapo.evaluation.counts import (
    CONVENTIONS,
    FIVE_LABELS,
    Average,
    convention_figures,
    counts_by_policy,
    label_figures,
)
from orapo.labels import LABELS, UncertainPolicy

CELLS = st.sampled_from([1.0, 0.0, -1.0, np.nan])
MATRICES = st.integers(1, 12).flatmap(
    lambda rows: st.tuples(
        *(
            st.lists(CELLS, min_size=14 * rows, max_size=14 * rows).map(
                lambda cells: np.array(cells).reshape(-1, 14)
            )
            for _ in range(2)
        )
    )
)


def binary(predicted, reference, policy):
    """Cells as 0/1 with those left out marked, by plain loops over values."""
    call, truth, keep = [], [], []
    for mine, theirs in zip(predicted.ravel(), reference.ravel(), strict=True):
        claims = (1.0,) if policy is UncertainPolicy.NEGATIVE else (1.0, -1.0)
        call.append(int(mine in claims))
        truth.append(int(theirs in claims))
        keep.append(not (policy is UncertainPolicy.IGNORE and theirs == -1))
    shape = predicted.shape
    return (np.array(each).reshape(shape) for each in (call, truth, keep))


def by_sklearn(predicted, reference, convention):
    call, truth, keep = binary(predicted, reference, convention.uncertain)
    columns = [LABELS.index(name) for name in convention.labels]

    def scores(y_true, y_pred):
        return precision_recall_fscore_support(
            y_true, y_pred, average="binary", pos_label=1, zero_division=0
        )[:3]

    if convention.average is Average.MACRO:
        each = [
            scores(truth[keep[:, c] == 1, c], call[keep[:, c] == 1, c])
            for c in columns
            if not convention.supported_only or (truth[:, c] & keep[:, c]).any()
        ]
        return np.mean(each, axis=0) if each else np.zeros(3)
    if convention.average is Average.WEIGHTED:  # never with IGNORE, which leaves cells out
        return precision_recall_fscore_support(
            truth[:, columns], call[:, columns], average="weighted", zero_division=0
        )[:3]
    if convention.average is Average.MICRO:
        kept = keep[:, columns].ravel() == 1
        return scores(truth[:, columns].ravel()[kept], call[:, columns].ravel()[kept])
    each = [
        scores(truth[r, columns][keep[r, columns] == 1], call[r, columns][keep[r, columns] == 1])
        for r in range(len(call))
    ]
    return np.mean(each, axis=0)


@pytest.mark.parametrize("convention", CONVENTIONS, ids=lambda one: one.name)
@settings(max_examples=25, deadline=None)
@given(matrices=MATRICES)
def test_a_convention_is_what_scikit_learn_makes_of_it(convention, matrices):
    predicted, reference = matrices
    counts = counts_by_policy(predicted, reference)[convention.uncertain]
    figures = convention_figures(counts, convention, np.ones((1, len(reference))))
    expected = list(by_sklearn(predicted, reference, convention))
    call, truth, keep = binary(predicted, reference, convention.uncertain)
    columns = [LABELS.index(name) for name in convention.labels]
    if not (truth & keep)[:, columns].any():
        expected = [np.nan] * 3  # scikit-learn's zero_division=0 would be a verdict on the system
    elif convention.average is Average.MICRO and not (call & keep)[:, columns].any():
        expected[0] = np.nan
    got = [figures[name][0] for name in ("precision", "recall", "f1")]
    assert got == pytest.approx(expected, abs=1e-9, nan_ok=True)


@settings(max_examples=50, deadline=None)
@given(MATRICES, st.sampled_from(list(UncertainPolicy)))
def test_weights_stand_for_studies_that_are_there_so_often(matrices, policy):
    predicted, reference = matrices
    often = np.arange(len(reference)) % 3
    repeated = counts_by_policy(predicted.repeat(often, 0), reference.repeat(often, 0))[policy]
    weighted = label_figures(counts_by_policy(predicted, reference)[policy], often[None, :] * 1.0)
    plain = label_figures(repeated, np.ones((1, often.sum())))
    for name, values in plain.items():
        assert weighted[name] == pytest.approx(values)


def test_names_are_unique_and_the_five_are_labels():
    assert len({one.name for one in CONVENTIONS}) == len(CONVENTIONS)
    assert set(FIVE_LABELS) < set(LABELS)


# over five labels a study may have none of them, which counts as 0 however right the system is
VARYING = "chexbert_5_example"


@pytest.mark.parametrize(
    "convention", [one for one in CONVENTIONS if one.name != VARYING], ids=lambda one: one.name
)
def test_who_is_always_right_is_so_in_every_resample(convention):
    reference = np.full((30, len(LABELS)), np.nan)
    for study in range(30):  # each study has a finding, five labels have one study alone
        reference[study, study if study < 5 else 5] = 1
    counts = counts_by_policy(reference, reference)[convention.uncertain]
    resampler = Resampler([""] * 30, 200)
    (found,) = resampler.interval(lambda w: convention_figures(counts, convention, w)["f1"])
    assert found.low == found.high == pytest.approx(found.value)
