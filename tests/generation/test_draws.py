"""Sampling that belongs to the study: the same whatever else is in the batch, and unbiased."""

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")

from orapo.data.conversation import user_message  # noqa: E402
from orapo.generation import Decoding, sample_reports  # noqa: E402
from orapo.generation.draws import StudyDraws, study_seed  # noqa: E402
from orapo.generation.reports import placeholder_tokens  # noqa: E402

SAMPLED = Decoding(max_new_tokens=12, temperature=1.0, seed=3, samples=3)


@pytest.fixture
def films():
    rng = np.random.default_rng(0)
    return [[Image.fromarray(rng.integers(0, 255, (16, 16), dtype=np.uint8))] for _ in range(4)]


def written(model, processor, films, names, decoding):
    prompts = [f"Report.{' Please.' * place}" for place in range(len(films))]
    return sample_reports(model, processor, films, prompts, names, decoding)


def test_a_study_has_the_same_samples_alone_and_in_any_batch(tiny_model, tiny_processor, films):
    names = ["a", "b", "c", "d"]
    together = written(tiny_model, tiny_processor, films, names, SAMPLED)
    backwards = sample_reports(
        tiny_model,
        tiny_processor,
        films[::-1],
        [f"Report.{' Please.' * place}" for place in (3, 2, 1, 0)],
        names[::-1],
        SAMPLED,
    )
    alone = written(tiny_model, tiny_processor, films[:1], names[:1], SAMPLED)
    texts = [[sample.text for sample in samples] for samples in together]
    assert texts == [[sample.text for sample in samples] for samples in backwards[::-1]]
    assert texts[0] == [sample.text for sample in alone[0]]
    assert len({text for samples in texts for text in samples}) > 8  # they differ among themselves


def test_more_samples_begin_with_the_same_ones(tiny_model, tiny_processor, films):
    few = written(tiny_model, tiny_processor, films, list("abcd"), SAMPLED)
    one = Decoding(max_new_tokens=12, temperature=1.0, seed=3, samples=1)
    single = written(tiny_model, tiny_processor, films, list("abcd"), one)
    assert [samples[0].text for samples in few] == [samples[0].text for samples in single]


def test_another_seed_and_another_study_are_other_numbers():
    seeds = {tuple(study_seed(seed, name, sample)) for seed, name, sample in
             [(0, "a", 0), (1, "a", 0), (0, "b", 0), (0, "a", 1)]}  # fmt: skip
    assert len(seeds) == 4
    assert study_seed(0, "Österreich \ud800", 0) == study_seed(0, "Österreich \ud800", 0)


@pytest.mark.parametrize(("temperature", "top_p"), [(1.0, 1.0), (0.5, 1.0), (1.0, 0.8)])
def test_tokens_come_as_often_as_their_probability_says(temperature, top_p):
    logits = torch.tensor([2.0, 1.0, 0.0, -1.0, -torch.inf])
    rows = 20_000
    draws = StudyDraws([[7, row] for row in range(rows)], 1, temperature, top_p)
    scores = draws(torch.zeros(rows, 1, dtype=torch.long), logits.expand(rows, 5))
    often = scores.argmax(-1).bincount(minlength=5) / rows
    expected = (logits / temperature).softmax(-1)
    if top_p < 1:
        expected = torch.where(expected.cumsum(-1) - expected < top_p, expected, 0.0)
        expected = expected / expected.sum()
    # five standard deviations of a share
    assert torch.allclose(often, expected, atol=5 * (0.25 / rows) ** 0.5)
    assert often[4] == 0
    assert (scores > -torch.inf).sum(-1).eq(1).all()


def test_the_likelihood_is_that_of_the_tokens_that_stand_in_the_report(
    tiny_model, tiny_processor, films, monkeypatch
):
    """Recomputed with one forward pass over prompt and answer, its end included."""
    answers = []
    decode = type(tiny_processor).batch_decode

    def watched(self, ids, **options):
        answers.extend(ids)
        return decode(self, ids, **options)

    monkeypatch.setattr(type(tiny_processor), "batch_decode", watched)
    decoding = Decoding(max_new_tokens=150, temperature=0.7, top_p=0.9, seed=1, samples=8)
    (samples,) = written(tiny_model, tiny_processor, films[:1], ["a"], decoding)
    assert len({sample.cut for sample in samples}) == 2  # some ended by themselves, some did not
    prompt = tiny_processor.apply_chat_template(
        user_message("Report.", 1), add_generation_prompt=True
    )
    inputs = tiny_processor(images=[films[0]], text=[prompt], return_tensors="pt")
    asked, end = inputs["input_ids"], tiny_model.generation_config.eos_token_id
    for sample, answer in zip(samples, answers, strict=True):
        ended = (answer == end).nonzero()
        assert sample.cut == (len(ended) == 0)
        tokens = answer if sample.cut else answer[: int(ended[0]) + 1]
        whole = torch.cat([asked, tokens[None]], 1)
        inputs |= {"input_ids": whole, "attention_mask": torch.ones_like(whole)}
        with torch.no_grad():
            logits = tiny_model(**inputs).logits[0, asked.shape[1] - 1 : -1].float()
        logits[:, placeholder_tokens(end, tiny_processor.tokenizer)] = -torch.inf
        expected = logits.log_softmax(-1).gather(-1, tokens[:, None]).mean()
        assert sample.log_likelihood == pytest.approx(float(expected), abs=1e-4)


def test_a_report_that_reaches_the_limit_is_said_to_be_cut(tiny_model, tiny_processor, films):
    short = Decoding(max_new_tokens=1)
    ((sample,), *_) = written(tiny_model, tiny_processor, films, list("abcd"), short)
    assert sample.cut
    assert sample.log_likelihood is None
