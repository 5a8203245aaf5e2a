"""The writer for vLLM, against a stand-in with vLLM's documented offline API."""

import sys
from types import ModuleType, SimpleNamespace

import pytest
from PIL import Image

pytest.importorskip("torch")

from orapo import OrapoError
from orapo.generation import Decoding
from orapo.generation.vllm_engine import VllmWriter


class SamplingParams:
    """Takes what vLLM's own takes, by name; an unknown name is a TypeError as there."""

    def __init__(self, *, n=1, temperature=1.0, top_p=1.0, top_k=0, max_tokens=16, seed=None,
                 logprobs=None, logit_bias=None):  # fmt: skip
        assert n == 1
        for value in (logit_bias or {}).values():
            assert -100 <= value <= 100
        self.__dict__ |= {"temperature": temperature, "top_p": top_p, "max_tokens": max_tokens}
        self.__dict__ |= {"seed": seed, "logprobs": logprobs, "logit_bias": logit_bias}


class LLM:
    made = None

    def __init__(self, model, *, trust_remote_code=False, limit_mm_per_prompt=None, seed=0):
        LLM.made = self
        self.model, self.limit, self.seed, self.asked = model, limit_mm_per_prompt, seed, []

    def generate(self, prompts, sampling_params=None, *, use_tqdm=True):
        assert len(prompts) == len(sampling_params)
        self.asked += list(zip(prompts, sampling_params, strict=True))
        return [
            SimpleNamespace(outputs=[self.answer(asked)])
            for asked in zip(prompts, sampling_params, strict=True)
        ]

    @staticmethod
    def answer(asked):
        _, how = asked
        return SimpleNamespace(
            text=f" Report {how.seed}. ",
            token_ids=[5, 6, 7, 8],
            cumulative_logprob=-2.0 if how.logprobs is not None else None,
            finish_reason="length" if how.max_tokens < 9 else "stop",
        )


@pytest.fixture
def vllm(monkeypatch):
    module = ModuleType("vllm")
    module.LLM, module.SamplingParams, module.__version__ = LLM, SamplingParams, "0.30.0"
    monkeypatch.setitem(sys.modules, "vllm", module)
    return module


def films(*counts):
    return [[Image.linear_gradient("L").resize((16, 16))] * count for count in counts]


def test_each_sample_is_a_prompt_with_its_films_and_a_seed_of_its_own(vllm, checkpoint):
    decoding = Decoding(max_new_tokens=20, temperature=0.8, top_p=0.9, seed=3, samples=2)
    write = VllmWriter(str(checkpoint), decoding, most_films=2)
    written = write(films(1, 2), ["Report.", "Report, please."], ["a", "b"])
    llm = LLM.made
    assert (llm.model, llm.limit, llm.seed) == (str(checkpoint), {"image": 2}, 3)
    assert [len(samples) for samples in written] == [2, 2]
    assert [len(p["multi_modal_data"]["image"]) for p, _ in llm.asked] == [1, 1, 2, 2]
    assert [p["prompt"].count("<image>") for p, _ in llm.asked] == [1, 1, 2, 2]
    assert all(p["multi_modal_data"]["image"][0].mode == "RGB" for p, _ in llm.asked)
    assert "Report, please." in llm.asked[2][0]["prompt"]
    seeds = [how.seed for _, how in llm.asked]
    assert len(set(seeds)) == 4
    assert written[0][0].text == f"Report {seeds[0]}."
    assert (written[0][0].log_likelihood, written[0][0].cut) == (-0.5, False)
    assert {(h.temperature, h.top_p, h.max_tokens) for _, h in llm.asked} == {(0.8, 0.9, 20)}
    # the same study, alone and in another order: the same seeds
    write(films(2), ["Report, please."], ["b"])
    assert [how.seed for _, how in llm.asked[4:]] == seeds[2:]


def test_marks_of_the_template_are_never_written_and_the_end_is(vllm, checkpoint, tiny_processor):
    write = VllmWriter(str(checkpoint), Decoding(max_new_tokens=5))
    ((sample,),) = write(films(1), ["Report."], ["a"])
    (_, how), tokenizer = LLM.made.asked[0], tiny_processor.tokenizer
    assert tokenizer.convert_tokens_to_ids("<image>") in how.logit_bias
    assert tokenizer.eos_token_id not in how.logit_bias
    assert (how.temperature, how.logprobs) == (0, None)
    assert (sample.log_likelihood, sample.cut) == (None, True)


def test_the_command_writes_the_same_table_with_vllm(vllm, checkpoint, tmp_path):
    import typer
    from typer.testing import CliRunner

    from orapo.cli import generate
    from orapo.data.tables.reading import read_rows
    from orapo.generation.rows import COLUMNS

    app = typer.Typer()
    app.command("other")(lambda: None)
    generate.add_to(app)
    film, out = tmp_path / "film.png", tmp_path / "out.jsonl"
    Image.linear_gradient("L").save(film)
    words = ["generate", film, "--model", checkpoint, "--out", out, "--backend", "vllm"]
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    (row,) = (row.values for row in read_rows(out))
    assert tuple(row) == COLUMNS
    assert row["decoding"]["engine"] == "vllm 0.30.0"
    assert row["report"].startswith("Report ")


def test_films_that_the_template_leaves_out_are_refused(vllm, checkpoint):
    write = VllmWriter(str(checkpoint), Decoding(), most_films=2)
    template = write._processor.chat_template
    shown = "part['type'] == 'image'"
    assert shown in template
    write._processor.chat_template = template.replace(shown, f"{shown} and loop.first")
    with pytest.raises(OrapoError, match="puts 1 of the 2 films of a study into the prompt"):
        write(films(1, 2), ["Report.", "Report."], ["a", "b"])
    assert len(write(films(1), ["Report."], ["a"])) == 1
