"""A language model gets eyes (benchmarks/real_language_base.py): what it was is kept, and a kill costs ten steps."""

from pathlib import Path

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from checkpoints import CORPUS
from orapo.data.phantom import draw_study
from orapo.data.target import target_text
from orapo.generation import load_checkpoint
from orapo.models import tiny
from orapo.training.method.answers import ChosenAnswers

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")


@pytest.fixture
def base(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import real_language_base as module

    # films of the tiny tower's size
    monkeypatch.setattr(module, "BATCH", 2)
    monkeypatch.setattr(module, "SAVE_EVERY", 2)
    return module


@pytest.fixture
def text(tmp_path):
    """A language model of SmolLM2's class and tokens, tiny and with random weights."""
    folder = tmp_path / "text"
    end = SPECIAL[2]
    tokenizer = tiny.build_tokenizer(CORPUS, 400, special=SPECIAL, pad=end, end=end)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=24,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=3,
        num_key_value_heads=3,
        tie_word_embeddings=True,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def joined(base, text, checkpoints):
    """The language model, and it with the tower of the tests' tiny model."""
    eyes, tiny_processor = load_checkpoint(checkpoints("demo"), device="cpu")
    language = LlamaForCausalLM.from_pretrained(text)
    processor = base.build_processor(text, tiny_processor)
    torch.manual_seed(1)
    return language, base.join(language, eyes, processor), processor


def test_the_joined_model_says_of_a_text_what_the_language_model_says(joined):
    language, model, processor = joined
    ids = torch.tensor([processor.tokenizer(CORPUS[0])["input_ids"]])
    with torch.no_grad():
        before, after = language(input_ids=ids).logits, model(input_ids=ids).logits
    assert torch.allclose(after[..., : before.shape[-1]], before, atol=1e-5)
    assert after.shape[-1] % 64 == 0  # rows that no token has, as published models have them
    end, as_before = (
        processor.tokenizer.convert_tokens_to_ids(token)
        for token in ("<end_of_utterance>", "<|im_end|>")
    )
    assert torch.equal(after[..., end], after[..., as_before])


def test_the_warm_up_teaches_the_tokens_that_a_training_takes_for_the_report(base, joined):
    _, _, processor = joined
    batch = base._batch(processor, 0)
    study = draw_study(base.PATIENTS, 0, base.PHANTOM).study
    ends = {processor.tokenizer.eos_token_id}
    answers = ChosenAnswers(processor, processor.tokenizer, ends, {})
    prompt = [{"role": "user", "content": "?"}]
    (wanted,) = answers.tokens([prompt], [target_text(study, "sections")])
    labels = batch["labels"][0]
    assert labels[labels != -100].tolist() == wanted


@pytest.mark.slow
def test_a_warm_up_that_was_killed_goes_on_to_the_same_weights(base, joined, tmp_path):
    _, model, processor = joined
    start = {name: value.clone() for name, value in model.state_dict().items()}

    def warm_up(folder, stop=None):
        folder.mkdir(exist_ok=True)

        def progress(what, done, total):
            if done == stop:
                raise KeyboardInterrupt

        model.load_state_dict(start)
        base.warm_up(model, processor, folder, 5, progress)
        return {name: value.clone() for name, value in model.state_dict().items()}

    whole = warm_up(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        warm_up(tmp_path / "killed", stop=3)
    again = warm_up(tmp_path / "killed")
    moved = {name for name in whole if not torch.equal(whole[name], start[name])}
    assert moved
    assert all("connector" in name for name in moved)
    assert all(torch.equal(again[name], whole[name]) for name in whole)
    logs = [(tmp_path / name / "warm-up.jsonl").read_text() for name in ("whole", "killed")]
    assert logs[0] == logs[1]
    assert len(logs[0].splitlines()) == 5
