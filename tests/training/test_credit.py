"""Credit by the sentence: whose tokens earn what."""

from types import SimpleNamespace

import pytest
import torch
from run_recipe import recipe
from safetensors.torch import load_file

from orapo.errors import OrapoError
from orapo.facts import FactSReward
from orapo.training.credit import (
    give_sentence_credit,
    group_means,
    sentence_values,
    with_sentence_credit,
)
from orapo.training.run import train

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


def stub(tokenizer):
    return SimpleNamespace(
        _tokenizer=tokenizer,
        num_generations=2,
        args=SimpleNamespace(credit_weight=0.5),
        accelerator=SimpleNamespace(gather=lambda values: values, process_index=0),
    )


def test_a_batch_gets_an_advantage_a_token(tokens):
    tokenizer, encode = tokens
    right, wrong = encode("Left pleural effusion."), encode("No pleural effusion.")
    ids = torch.full((2, max(right.shape[1], wrong.shape[1])), tokenizer.pad_token_id)
    mask = torch.zeros_like(ids)
    for row, text in enumerate((right, wrong)):
        ids[row, : text.shape[1]] = text[0]
        mask[row, : text.shape[1]] = 1
    batch = {
        "completion_ids": ids,
        "completion_mask": mask,
        "advantages": torch.tensor([0.5, -0.5]),
    }
    rows = [{"labels": {"Pleural Effusion": 1}}] * 2
    give_sentence_credit(stub(tokenizer), FactSReward(), rows, batch)
    advantages = batch["advantages"]
    assert advantages.shape == ids.shape
    # +1 and -1 a token, less the group's mean, at half weight
    lengths = mask.sum(dim=1) - 1  # the end token is of no sentence
    mean = (lengths[0] - lengths[1]) / mask.sum()
    assert advantages[0, 1].item() == pytest.approx(0.5 + 0.5 * (1 - mean.item()))
    assert advantages[1, 1].item() == pytest.approx(-0.5 - 0.5 * (1 + mean.item()))


def test_another_reward_than_facts_has_no_sentences(tokens):
    with pytest.raises(OrapoError, match="needs FactS"):
        give_sentence_credit(stub(tokens[0]), lambda *_: [], [], {})


def test_credit_of_no_weight_trains_as_none_does(run_settings):
    weights = []
    for credit in ("report", "sentence"):
        changes = {"method": "grpo", "credit": credit, "credit_weight": 0.0, "max_steps": 2}
        changes["output_dir"] = f"{run_settings['output_dir']}-{credit}"
        folder = train(*recipe(run_settings, **changes))
        weights.append(load_file(folder / "model.safetensors"))
    for name, value in weights[0].items():
        torch.testing.assert_close(weights[1][name], value)
