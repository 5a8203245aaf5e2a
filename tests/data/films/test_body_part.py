"""Which films are of another part of the body, by what stands in a header or a table."""

import pytest

from orapo.data.films.body_part import other_part


@pytest.mark.parametrize(
    ("named", "part"),
    [
        ("ABDOMEN", "ABDOMEN"),
        ("shoulder", "SHOULDER"),
        ("CLAVICLE", "CLAVICLE"),
        ("T-SPINE", "TSPINE"),
        ("WHOLE BODY", "WHOLEBODY"),
        ("RIGHT KNEE", "KNEE"),
        ("L KNEE", "KNEE"),
        ("L SPINE", "LSPINE"),  # the lumbar one, none on the left
        ("Thoracic Spine", "THORACICSPINE"),
    ],
)
def test_other_parts_are_told_whatever_their_side(named, part):
    assert other_part(named) == part


@pytest.mark.parametrize(
    "named",
    [
        "",
        "CHEST",
        "THORAX",
        "CHEST PA",
        "CHESTABDOMEN",
        "RIB",
        "LUNG",
        "PORT CHEST",
        "LEFT",
        "DOE^JANE",
    ],
)
def test_what_may_be_a_chest_is_taken_for_one(named):
    assert other_part(named) == ""
