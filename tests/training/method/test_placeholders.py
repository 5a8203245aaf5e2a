"""What is no word is neither sampled nor scored, and leaves no trace in a checkpoint."""

import copy

import pytest
import torch
from test_trainer import REWARDS, make_trainer
from torch import nn

from orapo.training.method.placeholders import take_out


def special_of(processor):
    tokenizer = processor.tokenizer
    return [one for one in tokenizer.all_special_ids if one != tokenizer.eos_token_id]


def logits_of(model, processor):
    ids = processor.tokenizer("The lungs are clear.", return_tensors="pt")["input_ids"]
    with torch.no_grad():
        return model(input_ids=ids).logits


def test_they_have_no_probability_and_the_others_keep_their_order(tiny_model, tiny_processor):
    special = special_of(tiny_processor)
    before = logits_of(tiny_model, tiny_processor)
    assert take_out(tiny_model, special)
    after = logits_of(tiny_model, tiny_processor)
    probability = after.softmax(-1)
    assert (probability[..., special] == 0).all()
    words = [one for one in range(before.shape[-1]) if one not in special]
    expected = before[..., words].softmax(-1)
    torch.testing.assert_close(probability[..., words], expected)


def test_a_checkpoint_is_as_any_other_of_its_class(tiny_model, tiny_processor, tmp_path):
    whole = {name: one.clone() for name, one in tiny_model.state_dict().items()}
    take_out(tiny_model, special_of(tiny_processor))
    assert tiny_model.state_dict().keys() == whole.keys()
    tiny_model.save_pretrained(tmp_path)
    loaded = type(tiny_model).from_pretrained(tmp_path)
    plain = logits_of(loaded, tiny_processor)
    assert plain[..., special_of(tiny_processor)].isfinite().all()
    assert (plain > -1e3).all()


def test_it_can_be_done_again_with_other_tokens(tiny_model, tiny_processor):
    assert take_out(tiny_model, [0])
    assert take_out(tiny_model, [1])
    assert (logits_of(tiny_model, tiny_processor)[..., :2] < -1e3).all()


def test_a_head_with_a_bias_of_its_own_is_left_alone(tiny_model):
    head = tiny_model.get_output_embeddings()
    del head._parameters["bias"]
    head.bias = nn.Parameter(torch.zeros(head.out_features))
    assert not take_out(tiny_model, [0])
    assert not head.bias.any()


def test_a_step_that_pushes_every_rollout_down_gives_nothing_to_what_cannot_be_said(
    tiny_model, tiny_processor, tiny_dataset, tmp_path
):
    """Without it, the loss has a way out that no rollout shows."""
    special = special_of(tiny_processor)
    before = copy.deepcopy(tiny_model)
    trainer = make_trainer(
        tiny_model, tiny_processor, tiny_dataset, tmp_path, rewards=REWARDS, beta=0.0, max_steps=3
    )
    trainer.train()
    (lines,) = [trainer.state.log_history[:3]]
    assert all(line["loss"] == line["loss"] for line in lines)
    # The gradient of a logit that has no probability is none: its row of the head is moved by other
    # words' gradients alone, through the tied embedding, which no prompt of these tokens feeds.
    embedding = tiny_model.get_output_embeddings().weight
    same = before.get_output_embeddings().weight
    prompt = {"<image>", "<user>", "<assistant>", "<fake_token_around_image>", "<global-img>"}
    unseen = [
        one for one in special if tiny_processor.tokenizer.convert_ids_to_tokens(one) not in prompt
    ]
    assert unseen
    for one in unseen:
        torch.testing.assert_close(embedding[one], same[one])


@pytest.mark.parametrize("part", ["policy", "reference"])
def test_policy_and_reference_speak_the_same_words(
    tiny_model, tiny_processor, tiny_dataset, tmp_path, part
):
    trainer = make_trainer(tiny_model, tiny_processor, tiny_dataset, tmp_path)
    model = trainer.model if part == "policy" else trainer.ref_model
    probability = logits_of(model, tiny_processor).softmax(-1)
    assert (probability[..., special_of(tiny_processor)] == 0).all()
