"""What needs no model is compared with what the methods have seen, and with no more."""

import pytest

from orapo.ablation.run import baselines
from orapo.data.manifest import read_manifest
from orapo.data.phantom import PhantomConfig, write_phantom
from orapo.data.study import drawn
from orapo.labels import UncertainPolicy


@pytest.fixture
def studies(tmp_path):
    counts = {"train": 24, "validate": 2, "test": 6}
    return read_manifest(write_phantom(tmp_path, counts, 0, PhantomConfig(size=32)))


def test_a_film_that_no_method_has_seen_is_no_nearest_film(studies):
    """With few training studies the nearest of all of the split would be a bar that moves."""
    train = [study for study in studies if study.split == "train"]
    test = [train[place].model_copy(update={"split": "test"}) for place in range(6)]  # known films
    positive = UncertainPolicy.POSITIVE
    whole = baselines({}, train, test, "sections", positive)["nearest_image"]
    assert whole.macro_f1 == 1
    few = baselines({"train_studies": 3}, train, test, "sections", positive)
    shown = drawn(train, 3, 0)
    assert len(shown) == 3
    assert few == baselines({}, shown, test, "sections", positive)
    assert few["nearest_image"].macro_f1 < 1


def test_a_smaller_draw_is_part_of_a_larger_one(studies):
    ids = [[study.study_id for study in drawn(studies, count, 7)] for count in (3, 9, 0)]
    assert set(ids[0]) < set(ids[1]) < set(ids[2])
    assert len(ids[2]) == len(studies)
