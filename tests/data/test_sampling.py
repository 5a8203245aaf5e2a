"""Samples: seeded, nested, apart from held-out patients, and with rare labels if asked."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orapo.data.sampling import sample_studies
from orapo.data.study import Study
from orapo.errors import OrapoError


def studies(count=400, rare=3):
    """Of a hundred studies fifty have an effusion; the first few of all a fracture."""
    return [
        Study(
            study_id=f"s{i}",
            patient_id=f"p{i // 2}",
            labels={"Pleural Effusion": i % 2, "Fracture": 1 if i < rare else None},
            split="test" if i >= count - 20 else "train",
        )
        for i in range(count)
    ]


def ids(sample):
    return [study.study_id for study in sample]


def positive(sample, name):
    return sum(study.labels[name] == 1 for study in sample)


@given(
    seed=st.integers(0, 1000),
    small=st.integers(1, 380),
    large=st.integers(1, 380),
    stratified=st.booleans(),
)
@settings(max_examples=30, deadline=None)
def test_a_smaller_sample_is_part_of_a_larger_one(seed, small, large, stratified):
    small, large = sorted((small, large))
    every = studies()
    few, many = (
        ids(sample_studies(every, size, seed, stratified=stratified)) for size in (small, large)
    )
    assert many[:small] == few
    assert len(set(many)) == large


@pytest.mark.parametrize("stratified", [False, True])
def test_the_seed_decides_and_the_order_of_the_rows_does_not(stratified):
    every = studies()
    mixed = random.Random(1).sample(every, len(every))
    first = ids(sample_studies(every, 50, 0, stratified=stratified))
    assert ids(sample_studies(mixed, 50, 0, stratified=stratified)) == first
    assert ids(sample_studies(every, 50, 1, stratified=stratified)) != first


def test_patients_of_another_split_are_left_out():
    every = [
        Study(study_id="a", patient_id="p1"),
        Study(study_id="b", patient_id="p2"),
        Study(study_id="c", patient_id="p1", split="test"),
        Study(study_id="d"),
        Study(study_id="e", split="test"),
    ]
    assert sorted(ids(sample_studies(every, 2, 0))) == ["b", "d"]
    with pytest.raises(OrapoError, match=r"--size 3: .* has 2 studies \(1 of held-out patients"):
        sample_studies(every, 3, 0)


def test_a_stratified_sample_has_the_rare_label_and_keeps_the_common_one():
    every = studies(count=4000, rare=8)
    for seed in range(5):
        sample = sample_studies(every, 100, seed, stratified=True)
        assert positive(sample, "Fracture") == 2, "2 % of 100; by chance 0.2"
        assert positive(sample, "Pleural Effusion") == pytest.approx(50, abs=2)


def test_a_label_with_too_few_studies_is_taken_whole_and_the_sample_filled_up():
    sample = sample_studies(studies(count=400, rare=2), 300, 0, stratified=True)
    assert len(sample) == 300
    assert positive(sample, "Fracture") == 2


def test_a_random_sample_has_the_shares_of_the_split():
    sample = sample_studies(studies(count=4000), 400, 0)
    assert positive(sample, "Pleural Effusion") == pytest.approx(200, abs=40)
