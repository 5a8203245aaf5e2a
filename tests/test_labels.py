"""The 14 labels: their names, how their values are read and written."""

import math

import pytest

from orapo.labels import CHEXPERT, LABELS, format_label, parse_label


def test_there_are_fourteen_labels_each_once():
    assert len(LABELS) == len(set(LABELS)) == 14
    assert list(CHEXPERT.blank()) == list(LABELS)
    assert set(CHEXPERT.blank().values()) == {None}


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        (1, 1),
        (0, 0),
        (-1, -1),
        (1.0, 1),
        ("1", 1),
        ("1.0", 1),
        (" -1.0 ", -1),
        ("0", 0),
        (None, None),
        ("", None),
        ("  ", None),
        ("nan", None),
        ("NaN", None),
        (math.nan, None),
    ],
)
def test_reading_a_cell(cell, value):
    assert parse_label(cell) == value


@pytest.mark.parametrize("cell", [2, -2, 0.5, "yes", "1,0", True, [1], math.inf, "inf", 10**400])
def test_anything_else_is_refused_by_its_value(cell):
    with pytest.raises(ValueError, match=r"is not one of 1, 0, -1 or blank"):
        parse_label(cell)


@pytest.mark.parametrize(("value", "text"), [(1, "1.0"), (0, "0.0"), (-1, "-1.0"), (None, "")])
def test_writing_and_reading_back(value, text):
    assert format_label(value) == text
    assert parse_label(format_label(value)) == value


def test_missing_names_are_blank_and_come_in_order():
    labels = CHEXPERT.complete({"Edema": 1, "No Finding": 0})
    assert list(labels) == list(LABELS)
    assert {name for name, value in labels.items() if value is not None} == {"Edema", "No Finding"}


def test_an_unknown_name_is_named():
    with pytest.raises(ValueError, match="Oedema"):
        CHEXPERT.complete({"Oedema": 1})
