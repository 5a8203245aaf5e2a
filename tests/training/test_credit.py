"""Credit by the sentence: whose tokens earn what."""

import pytest
import torch

from orapo.facts import FactSReward
from orapo.training.credit import group_means, sentence_values, with_sentence_credit

TEXT = "There is a left pleural effusion. No pneumothorax. The heart is enlarged."
LABELS = {"Pleural Effusion": 1, "Pneumothorax": 1, "Cardiomegaly": 0}


@pytest.fixture
def tokens(tiny_processor):
    tokenizer = tiny_processor.tokenizer

    def encode(text):
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        return torch.tensor([[*ids, tokenizer.eos_token_id]])

    return tokenizer, encode


def by_sentence(tokenizer, ids, values):
    """Return (text, value) of each run of tokens of the same value."""
    runs = []
    for token, value in zip(ids[0].tolist(), values[0].tolist(), strict=True):
        if not runs or runs[-1][1] != value:
            runs.append(("", value))
        piece = tokenizer.decode([token], skip_special_tokens=True)
        runs[-1] = (runs[-1][0] + piece, value)
    return [(text.strip(), value) for text, value in runs if text.strip()]


def test_each_sentence_s_tokens_carry_its_own_verdict(tokens):
    tokenizer, encode = tokens
    ids = encode(TEXT)
    values = sentence_values(
        FactSReward(), tokenizer, [{"labels": LABELS}], ids, torch.ones_like(ids)
    )
    # right; denies what is there; claims what is not: the last two are one run
    assert by_sentence(tokenizer, ids, values) == [
        ("There is a left pleural effusion.", 1.0),
        ("No pneumothorax. The heart is enlarged.", -1.0),
    ]
    assert values[0, -1] == 0  # the end token belongs to no sentence


def test_a_right_denial_earns_nothing(tokens):
    tokenizer, encode = tokens
    ids = encode("No pleural effusion.")
    row = {"labels": {"Pneumothorax": 1}}
    assert not sentence_values(FactSReward(), tokenizer, [row], ids, torch.ones_like(ids)).any()


def test_padding_and_a_study_without_labels_have_no_value(tokens):
    tokenizer, encode = tokens
    ids = encode(TEXT)
    mask = torch.ones_like(ids)
    mask[:, 4:] = 0
    values = sentence_values(FactSReward(), tokenizer, [{"labels": LABELS}], ids, mask)
    assert not values[:, 4:].any()
    unknown = sentence_values(FactSReward(), tokenizer, [{}], ids, torch.ones_like(ids))
    assert not unknown.any()


def test_credit_is_relative_to_the_group_and_leaves_padding_alone():
    values = torch.tensor([[1.0, 1.0], [-1.0, 0.0], [0.0, 0.0], [1.0, 0.0]])
    mask = torch.tensor([[1, 1], [1, 0], [1, 1], [1, 1]])
    means = group_means((values * mask).sum(1), mask.sum(1), size=2)
    assert means.tolist() == pytest.approx([1 / 3, 1 / 3, 0.25, 0.25])
    found = with_sentence_credit(torch.tensor([0.5, -0.5, 0.0, 0.0]), values, mask, means, 0.5)
    assert found[0].tolist() == pytest.approx([0.5 + 0.5 * 2 / 3] * 2)
    assert found[1].tolist() == pytest.approx([-0.5 - 0.5 * 4 / 3, -0.5])
    # the credit of a group adds up to nothing: it shifts, it does not reward as such
    credit = (found - torch.tensor([0.5, -0.5, 0.0, 0.0])[:, None]) * mask
    assert credit[:2].sum().item() == pytest.approx(0, abs=1e-6)
    assert credit[2:].sum().item() == pytest.approx(0, abs=1e-6)
