"""What is no word has no probability, and that leaves no trace in a checkpoint."""

import torch
from torch import nn

from orapo.models.placeholders import take_out


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
