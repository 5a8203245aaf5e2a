"""What is no word has no probability, and that leaves no trace in a checkpoint."""

import pytest
import torch
from PIL import Image
from torch import nn

from checkpoints import SPARE
from orapo.generation import Decoding, load_checkpoint, sample_reports
from orapo.models.placeholders import no_words, rows_of, take_out


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


@pytest.mark.parametrize(
    ("kind", "unnamed"),
    [("gemma3", "<start_of_turn>"), ("smolvlm", "<row_1_col_1>"), ("idefics3", "<global-img>")],
)
def test_no_word_is_what_a_tokenizer_marks_and_what_it_has_no_token_for(kind, unnamed, checkpoints):
    """`all_special_ids` knows the named ones alone; published heads have more rows than there are tokens."""
    model, processor = load_checkpoint(checkpoints(kind), device="cpu")
    tokenizer = processor.tokenizer
    found = no_words(tokenizer, rows_of(model))
    assert tokenizer.convert_tokens_to_ids(unnamed) in found - set(tokenizer.all_special_ids)
    assert set(range(len(tokenizer), len(tokenizer) + SPARE)) <= found
    assert all(not tokenizer.decode([one], skip_special_tokens=True) for one in found)
    words = tokenizer("The lungs are clear.", add_special_tokens=False)["input_ids"]
    assert not found & set(words)


@pytest.mark.parametrize("kind", ["gemma3", "smolvlm"])
def test_none_of_them_is_written_by_a_model_that_wants_nothing_else(kind, checkpoints):
    model, processor = load_checkpoint(checkpoints(kind), device="cpu")
    ends = model.generation_config.eos_token_id
    wanted = no_words(processor.tokenizer, rows_of(model)) - set(ends)
    bias = torch.zeros(rows_of(model))
    bias[sorted(wanted)] = 100.0
    model.lm_head.register_forward_hook(lambda module, args, logits: logits + bias)
    film = Image.new("RGB", (20, 18))
    ((sample,),) = sample_reports(
        *(model, processor, [[film]], ["Report."], ["s"]), Decoding(max_new_tokens=4)
    )
    assert sample.text
