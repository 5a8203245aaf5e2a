"""FactS with rare labels paid for."""

import pytest

from orapo import FactSReward
from orapo.facts.rare import RareFactSReward, rarity_weights
from orapo.labels import LABELS, UncertainPolicy

# 16 studies: half with edema, one with a fracture, the rest normal
STUDIES = [{"Edema": 1}] * 7 + [{"Edema": -1}, {"Fracture": 1}] + [{}] * 7
EVEN = dict.fromkeys(LABELS, 1.0)


def test_a_label_weighs_the_inverse_root_of_its_prevalence():
    weights = rarity_weights(STUDIES)
    assert weights["Edema"] == pytest.approx((16 / 8) ** 0.5)
    assert weights["Fracture"] == 4
    assert weights["No Finding"] == pytest.approx((16 / 7) ** 0.5)
    assert weights["Pneumothorax"] == 4  # never seen: as if once
    strict = rarity_weights(STUDIES, uncertain=UncertainPolicy.NEGATIVE)
    assert strict["Edema"] == pytest.approx((16 / 7) ** 0.5)


def test_naming_the_rare_one_of_two_pays_more():
    reward = RareFactSReward(rarity_weights(STUDIES))
    truth = [{"Edema": 1, "Fracture": 1}] * 2
    rare, common = reward(["Rib fracture.", "Edema."], labels=truth)
    assert rare == pytest.approx(2 * 4 / (2 * 4 + 2**0.5))
    assert common == pytest.approx(2 * 2**0.5 / (2 * 2**0.5 + 4))
    assert FactSReward()(["Rib fracture.", "Edema."], labels=truth) == pytest.approx([2 / 3, 2 / 3])


@pytest.mark.parametrize("options", [{}, {"facts_beta": 2.0}, {"contradictions": "none"}])
def test_even_weights_are_facts(options):
    texts = ["Edema. No fracture.", "Rib fracture.", "The lungs are clear.", "the the", "Edema."]
    truth = [{"Edema": 1, "Fracture": 1}] * 4 + [None]
    assert RareFactSReward(EVEN, **options)(texts, labels=truth) == pytest.approx(
        FactSReward(**options)(texts, labels=truth)
    )


def test_zero_exactly_where_facts_is_zero():
    texts = ["Edema.", "Pneumothorax.", "the the", "No edema.", "Edema. Pneumothorax."]
    truth = [{"Edema": 1}] * 5
    plain = FactSReward()(texts, labels=truth)
    rare = RareFactSReward(rarity_weights(STUDIES))(texts, labels=truth)
    assert [value == 0 for value in rare] == [value == 0 for value in plain]


def test_it_bears_the_name_that_the_zero_reward_rate_reads():
    assert RareFactSReward(EVEN).__name__ == "facts"


def test_weights_are_needed_for_every_label():
    with pytest.raises(ValueError, match="Edema needs a weight"):
        RareFactSReward({**EVEN, "Edema": 0})
    with pytest.raises(ValueError, match="need training studies"):
        rarity_weights([])
