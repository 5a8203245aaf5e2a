"""Steps of gpu_check about vLLM: what it is sent, what it samples, and the base that it must not change.

One GPU cannot hold a run with a vLLM server: weights go from one GPU to another. So vLLM is asked
directly, for what `orapo train` would take from it; that a run beside a server is probed and ends is tested
with a stand-in for it (tests/training/method/test_vllm_server.py).
"""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.util import find_spec
from types import SimpleNamespace

import requests
import torch
from on_gpu.alone import answer_logps, bits
from on_gpu.shape import adapter, build_processor, phantom, random_model, train_studies, write_model
from on_gpu.verdict import Findings, Skipped
from peft import get_peft_model
from PIL import Image
from trl.generation.vllm_client import VLLMClient

from orapo.data.conversation import user_message
from orapo.generation import load_checkpoint
from orapo.models.clean_base import clean_after
from orapo.training import trl_contract
from orapo.training.preparing.policy import limit_pixels

SYNCS = 5


def merge(scale, folder):
    """Five times an adapter is merged for vLLM and taken out: the base stays, bit for bit."""
    found = Findings()
    processor = build_processor(scale, train_studies(phantom(scale, folder)))
    model = get_peft_model(random_model(scale.few_layers(), processor), adapter())
    torch.manual_seed(0)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:  # as after some training; it begins at 0, which changes nothing
                weight.normal_(std=0.02)
    adapted = [w for n, w in model.named_parameters() if "base_layer.weight" in n]
    before = [bits(weight).clone() for weight in adapted]

    def sync():
        model.merge_adapter()
        model.unmerge_adapter()

    clean = clean_after(sync, model, sharded=False)
    for _ in range(SYNCS):
        clean()
    found.demand(
        all(torch.equal(bits(now), then) for now, then in zip(adapted, before, strict=True)),
        f"the base has moved after {SYNCS} syncs",
    )
    for _ in range(SYNCS):
        sync()
    changed = sum(int((bits(w) != b).sum()) for w, b in zip(adapted, before, strict=True))
    share = changed / sum(weight.numel() for weight in adapted)
    found.figures["share that moves unless it is brought back"] = share
    found.demand(share > 0, "merging changes nothing here, so nothing was checked")
    return found.verdict()


class Recorder(BaseHTTPRequestHandler):
    """Answers as vLLM's server does, and keeps what it was sent."""

    sent = ""

    def do_POST(self):
        type(self).sent = self.rfile.read(int(self.headers["Content-Length"])).decode()
        entry = {"token": "token_id:7", "logprob": -1.0, "top_logprobs": []}
        answer = {"choices": [{"token_ids": [7], "logprobs": {"content": [entry]}}]}
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        """Say nothing."""


def bias(scale, folder):
    """What keeps placeholders out of rollouts arrives at a server: JSON has no numbers for keys."""
    found = Findings()
    processor = build_processor(scale, train_studies(phantom(scale, folder)))
    tokens = set(processor.tokenizer.all_special_ids)
    trainer = SimpleNamespace(
        use_vllm=True, vllm_generation=SimpleNamespace(generation_kwargs={"logit_bias": {3: 1.5}})
    )
    trl_contract.suppress_tokens(trainer, tokens)
    with HTTPServer(("127.0.0.1", 0), Recorder) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        client = VLLMClient.__new__(VLLMClient)  # its __init__ wants vLLM, and a server that is up
        client.session, client.model = requests.Session(), "model"
        client.base_url = f"http://127.0.0.1:{server.server_port}"
        client.generate(
            [[1, 2]], features=[None], generation_kwargs=trainer.vllm_generation.generation_kwargs
        )
        server.shutdown()
    sent = json.loads(Recorder.sent)["sampling_params"]
    wanted = {3: 1.5, **dict.fromkeys(tokens, -100.0)}
    arrived = {int(token): value for token, value in (sent.get("logit_bias") or {}).items()}
    found.figures["tokens with a bias"] = len(arrived)
    found.demand(arrived == wanted, f"{len(arrived)} of {len(wanted)} biases arrived, or others")
    if find_spec("vllm") is None:
        found.notes.append("vllm is not installed: what its server makes of it is not checked")
    else:
        from pydantic import TypeAdapter
        from vllm import SamplingParams

        read = TypeAdapter(SamplingParams).validate_json(json.dumps(sent))
        found.demand(read.logit_bias == wanted, "vLLM reads other biases than were sent")
    return found.verdict()


def vllm(scale, folder):
    """No suppressed token is sampled; both models agree; films of all sizes have as many tokens in both."""
    if scale.device == "cpu":
        raise Skipped("on a GPU alone")
    from vllm import LLM, SamplingParams

    found = Findings()
    checkpoint = write_model(scale, train_studies(phantom(scale, folder)), folder / "model")
    model, processor = load_checkpoint(checkpoint, device=scale.device)
    # between these limits, which vLLM reads from the checkpoint, a film keeps its own size
    limit_pixels(processor, 56**2, 1280**2)
    processor.save_pretrained(checkpoint)
    text = processor.apply_chat_template(
        user_message("What do you see?", 1), add_generation_prompt=True
    )
    engine = LLM(
        model=str(checkpoint),
        max_model_len=4096,
        enforce_eager=True,
        gpu_memory_utilization=0.4,
        limit_mm_per_prompt={"image": 1},
    )
    image, counts = processor.image_token_id, {}
    for size in ((1024, 1024), (700, 512), (2048, 1500)):  # the last is above the limit
        film = Image.linear_gradient("L").resize(size).convert("RGB")
        asked = [{"prompt": text, "multi_modal_data": {"image": [film]}}]
        parameters = SamplingParams(max_tokens=1)
        (output,) = engine.generate(asked, sampling_params=parameters, use_tqdm=False)
        own = processor(images=[[film]], text=[text], return_tensors="pt")["input_ids"][0]
        both = [ids.count(image) for ids in (list(output.prompt_token_ids), own.tolist())]
        counts[f"{size[0]} x {size[1]}"] = both
        found.demand(both[0] == both[1], f"{size}: {both[0]} image tokens in vLLM, {both[1]} here")
    found.figures["image tokens of vLLM and of the processor"] = [
        f"{name}: {one} and {other}" for name, (one, other) in counts.items()
    ]
    found.demand(
        len({own for _, own in counts.values()}) == len(counts),
        "films of other sizes have as many tokens: their sizes were not asked for",
    )
    film = Image.linear_gradient("L").resize((1024, 1024)).convert("RGB")
    inputs = processor(images=[[film]], text=[text], return_tensors="pt").to(scale.device)

    def sample(forbidden):
        parameters = SamplingParams(
            n=8,
            max_tokens=64,
            temperature=1.0,
            seed=0,
            logprobs=0,
            logit_bias=dict.fromkeys(sorted(forbidden), -100.0) or None,
        )
        asked = [{"prompt": text, "multi_modal_data": {"image": [film]}}]
        (output,) = engine.generate(asked, sampling_params=parameters, use_tqdm=False)
        return output

    free = sample(set())
    ratios = []
    for rollout in free.outputs:
        ids = torch.tensor([list(rollout.token_ids)], device=scale.device)
        with torch.no_grad():
            own = answer_logps(model, dict(inputs), ids)[0]
        theirs = [
            step[token].logprob
            for step, token in zip(rollout.logprobs, rollout.token_ids, strict=True)
        ]
        ratios.append(float((own - torch.tensor(theirs, device=scale.device)).mean().exp()))
    found.figures["importance ratio a token at step 0"] = ratios
    found.demand(all(0.9 <= ratio <= 1.1 for ratio in ratios), f"importance ratios {ratios}")
    # what came by itself is forbidden, at the same seed: the random model says the real ones too seldom
    forbidden = {token for rollout in free.outputs for token in list(rollout.token_ids)[:32]}
    said = {token for rollout in sample(forbidden).outputs for token in rollout.token_ids}
    found.figures["tokens suppressed"] = len(forbidden)
    found.demand(not said & forbidden, f"{len(said & forbidden)} suppressed tokens were sampled")
    return found.verdict()
