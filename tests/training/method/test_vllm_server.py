"""Whole runs whose rollouts a vLLM server writes: a stand-in has its part, with weights of its own.

vLLM itself needs a GPU, and TRL's way to a server needs a second one; what orapo adds around it does not.
"""

import copy
import json
from types import SimpleNamespace

import pytest
import torch
from trl.trainer import grpo_trainer

from small_runs import LORA, call, recipe


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


class Server:
    """Samples as a server does: from weights it was handed, from films it sees itself, with its own biases.

    Attributes:
        handed: How often weights were handed over.
        written: Rollouts.
    """

    vllm_client = SimpleNamespace(
        get_server_info=lambda: {"model_config": {"logprobs_mode": "processed_logprobs"}}
    )
    handed = written = 0

    def __init__(
        self, model, processing_class, temperature, max_completion_length, generation_kwargs, **_
    ):
        self.policy, self.processor = model, processing_class
        self.temperature, self.longest = temperature, max_completion_length
        self.generation_kwargs = generation_kwargs or {}
        self.own = copy.deepcopy(model).eval()
        for weight in self.own.parameters():
            torch.nn.init.zeros_(weight)  # nothing to write from before weights are handed over

    def sync_weights(self):
        self.own.load_state_dict(self.policy.state_dict())
        type(self).handed += 1

    @torch.no_grad()
    def generate(self, prompts, images, num_generations, profiler):
        answers, logps = [], []
        for prompt, films in zip(prompts, images, strict=True):
            seen = self.processor.image_processor([films], return_tensors="pt")
            ids, said = torch.tensor([prompt]), []
            for _ in range(self.longest):
                # without it the class takes films for text, and counts positions otherwise
                kinds = (ids == self.processor.image_token_id).int()
                logits = self.own(input_ids=ids, mm_token_type_ids=kinds, **seen).logits[0, -1]
                logits = logits / self.temperature
                for token, bias in self.generation_kwargs["logit_bias"].items():
                    logits[token] += bias
                drawn = torch.distributions.Categorical(logits=logits)
                token = drawn.sample()
                said.append((token.item(), drawn.log_prob(token).item()))
                ids = torch.cat([ids, token[None, None]], dim=1)
                if token == self.processor.tokenizer.eos_token_id:
                    break
            answers.append([token for token, _ in said])
            logps.append([[logp] for _, logp in said])
        type(self).written += len(answers)
        return prompts, answers, logps, None


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(Server, "handed", 0)
    monkeypatch.setattr(Server, "written", 0)
    monkeypatch.setattr(grpo_trainer, "VLLMGeneration", Server)
    return Server


@pytest.mark.parametrize("fields", [{}, LORA], ids=["full", "lora"])
def test_a_run_beside_a_server_is_probed_and_ends_and_both_models_agree(
    server, checkpoints, manifest, tmp_path, fields
):
    file = recipe(
        checkpoints("qwen2.5-vl"),
        manifest,
        tmp_path,
        use_vllm=True,
        vllm_mode="server",
        max_steps=3,
        logging_steps=1,
        probe_split="test",
        probe_every=1,
        **fields,
    )
    call("train", "--config", file)
    assert [line["step"] for line in lines(tmp_path / "run" / "probe.jsonl")] == [0, 1, 2, 3]
    steps = [line for line in lines(tmp_path / "run" / "metrics.jsonl") if "loss" in line]
    assert [line["step"] for line in steps] == [1, 2, 3]
    assert server.handed == 3  # new weights for every step; a probe needs none
    assert server.written > 0
    for line in steps:
        for bound in ("min", "mean", "max"):
            ratio = line[f"sampling/importance_sampling_ratio/{bound}"]
            assert ratio == pytest.approx(1, abs=1e-4)
