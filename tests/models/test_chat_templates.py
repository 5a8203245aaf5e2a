"""A checkpoint has a chat template, and its prompts begin once."""

import re

import pytest
from PIL import Image

from checkpoints import BUILDERS, CORPUS, shipped
from orapo import OrapoError
from orapo.data.conversation import user_message
from orapo.generation import load_checkpoint
from orapo.models.chat_templates import (
    FilmsLeftOutError,
    begins_twice,
    check_films,
    prepare_processor,
)


@pytest.mark.parametrize("kind", ["gemma3", "idefics3", "lfm2-vl", "llava", "smolvlm"])
def test_a_prompt_has_one_begin_token_at_most(kind, checkpoints):
    """Gemma's and Llama 3's template and tokenizer each put one there."""
    _, processor = load_checkpoint(checkpoints(kind), device="cpu")
    text = processor.apply_chat_template(user_message("Report.", 1), add_generation_prompt=True)
    begin = processor.tokenizer.bos_token_id
    assert begins_twice(processor) == (kind in ("gemma3", "idefics3", "lfm2-vl"))
    if begin is not None:
        assert processor.tokenizer(text)["input_ids"].count(begin) == 1 + begins_twice(processor)
    film = Image.new("RGB", (20, 18))
    ids = processor(images=[[film]], text=[text], return_tensors="pt")["input_ids"][0].tolist()
    assert ids.count(begin) == (begin is not None)


def test_what_is_set_is_not_saved_with_the_checkpoint(checkpoints, tmp_path):
    _, processor = load_checkpoint(checkpoints("gemma3"), device="cpu")
    processor.save_pretrained(tmp_path)
    assert "add_special_tokens" not in (tmp_path / "processor_config.json").read_text()


def test_a_checkpoint_without_a_template_is_refused_by_name(checkpoints):
    _, processor = load_checkpoint(checkpoints("paligemma2"), device="cpu")
    processor.chat_template = processor.tokenizer.chat_template = None
    with pytest.raises(OrapoError, match=r"pali: has no chat template.*docs/recipes\.md"):
        prepare_processor(processor, "pali")


@pytest.mark.parametrize("name", ["qwen3_5_think", "qwen3_6", "qwen3_8"])
def test_a_model_that_thinks_first_is_refused_and_taken_when_its_template_says_no(
    name, checkpoints
):
    _, processor = load_checkpoint(checkpoints("qwen3-vl"), device="cpu")
    processor.chat_template = shipped(name)
    with pytest.raises(OrapoError, match="what it thinks would be taken for the report"):
        prepare_processor(processor, "a model")
    processor.chat_template = "{%- set enable_thinking = false %}" + shipped(name)
    assert prepare_processor(processor, "a model") is processor


def test_a_template_that_leaves_out_the_question_is_refused(checkpoints):
    """Qwen3's own, for text alone: of a list of parts it renders nothing."""
    _, processor = load_checkpoint(checkpoints("qwen3-vl"), device="cpu")
    processor.chat_template = shipped("qwen3")
    with pytest.raises(OrapoError, match="leaves out a question"):
        prepare_processor(processor, "a model")


@pytest.mark.parametrize("kind", list(BUILDERS))
def test_the_templates_of_all_classes_show_every_film(kind):
    """By the special tokens that a film adds, which each class names and counts in its own way."""
    _, processor = BUILDERS[kind](CORPUS)
    for films in (1, 2, 3):
        check_films(prepare_processor(processor, kind), kind, films)
    first = "messages[0]['content'][:1] + messages[0]['content'][-1:]"
    processor.chat_template = (
        f"{{% set messages = [{{'role': 'user', 'content': {first}}}] %}}{processor.chat_template}"
    )
    with pytest.raises(FilmsLeftOutError, match=rf"^{re.escape(kind)}: .* puts 1 of the 3 films"):
        check_films(processor, kind, 3)
