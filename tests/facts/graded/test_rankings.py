"""The graded score orders reports as a radiologist would."""

import pytest
from graded_rankings import RANKINGS

from orapo import GradedFactSReward

ROWS = [(category, row) for category, rows in RANKINGS.items() for row in rows]


def test_every_category_has_three_rankings():
    assert len(RANKINGS) == 10
    assert all(len(rows) >= 3 for rows in RANKINGS.values())


@pytest.mark.parametrize(("category", "row"), ROWS)
def test_the_better_report_scores_higher(category, row):
    better, worse = GradedFactSReward()(
        [row.better, row.worse],
        report=[row.reference] * 2,
        age=[row.age] * 2,
        indication=[row.indication] * 2,
    )
    assert better > worse


def test_the_same_omission_weighs_more_in_the_young():
    reference, report = "Aortic calcification.", "The lungs are clear."
    young, old = GradedFactSReward()([report] * 2, report=[reference] * 2, age=["025Y", 81])
    assert young < old


def test_what_the_indication_asks_about_weighs_more():
    reference, report = "Left rib fracture. Cardiomegaly.", "Cardiomegaly."
    asked, plain = GradedFactSReward()(
        [report] * 2, report=[reference] * 2, indication=["Fall, rib pain", None]
    )
    assert asked < plain
