"""What is no word is neither sampled nor scored while a model is trained."""

import copy

import pytest
import torch
from test_trainer import REWARDS, make_trainer


def special_of(processor):
    tokenizer = processor.tokenizer
    return [one for one in tokenizer.all_special_ids if one != tokenizer.eos_token_id]


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
    ids = tiny_processor.tokenizer("The lungs are clear.", return_tensors="pt")["input_ids"]
    with torch.no_grad():
        probability = model(input_ids=ids).logits.softmax(-1)
    assert (probability[..., special_of(tiny_processor)] == 0).all()
