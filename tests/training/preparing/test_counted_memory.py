"""The estimate's formula beside a step that is counted: torch's fake tensors have sizes and no values.

The text part of Qwen2.5-VL-3B, at its real size, with LoRA and checkpointing; the films' tower reads values
(which patches are of which window) and can't run so. Seconds, on any machine.
"""

import weakref

import pytest
import torch
from peft import LoraConfig
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter
from torch.utils.weak import WeakIdKeyDictionary
from trl.kernels import chunked_logprob

from checkpoints import qwen_3b
from orapo.training.preparing.estimate import (
    GIB,
    Engine,
    Load,
    memory_parts,
    meta_model,
    model_shape,
)

pytestmark = pytest.mark.slow

ROWS, PROMPT = 16, 381
"""Eight rollouts, each with a report beside it, after a prompt with a film of 512 x 512."""
ADAPTER = {
    "r": 16,
    "target_modules": r".*(language_model|text_model).*\.(q|k|v|o|gate|up|down)_proj",
}


class Counted(TorchDispatchMode):
    """Bytes of the storages that operations make, now and at most; those of ``before`` are not counted."""

    def __init__(self, before):
        super().__init__()
        self.now = self.most = 0
        self._known = WeakIdKeyDictionary()
        for tensor in before:
            self._known[tensor.untyped_storage()] = True

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        result = operation(*args, **(kwargs or {}))
        for tensor in tree_iter(result):
            if isinstance(tensor, torch.Tensor):
                self._count(tensor.untyped_storage())
        return result

    def _count(self, storage):
        if storage not in self._known:
            self._known[storage] = True
            weakref.finalize(storage, self._free, storage.nbytes())
            self.now += storage.nbytes()
            self.most = max(self.most, self.now)

    def _free(self, size):
        self.now -= size


def without_values(model):
    """Give a model of the meta device fake weights of the CPU; what is tied stays tied."""
    made = {}
    for module in model.modules():
        for name, weight in module._parameters.items():
            if weight is not None and id(weight) not in made:
                empty = torch.empty(weight.shape, dtype=weight.dtype, device="cpu")
                made[id(weight)] = torch.nn.Parameter(empty, weight.requires_grad)
            if weight is not None:
                module._parameters[name] = made[id(weight)]
        for name, buffer in module._buffers.items():
            module._buffers[name] = torch.empty(buffer.shape, dtype=buffer.dtype, device="cpu")
    return model


def counted_step(answer):
    """Bytes at the fullest moment of a forward and backward pass, beside the weights."""
    config = qwen_3b()
    config.dtype = "bfloat16"
    model = meta_model(config, LoraConfig(**ADAPTER))
    for name, weight in model.named_parameters():
        weight.data = weight.data.to(torch.float32 if "lora_" in name else torch.bfloat16)
    with FakeTensorMode():
        model = without_values(model).train()
        model.gradient_checkpointing_enable({"use_reentrant": False})
        counted = Counted([*model.parameters(), *model.buffers()])
        with counted, torch.autocast("cpu", torch.bfloat16):
            ids = torch.zeros(ROWS, PROMPT + answer, dtype=torch.long)
            states = model.get_input_embeddings()(ids).requires_grad_()
            last = model.get_base_model().model.language_model(
                inputs_embeds=states,
                attention_mask=torch.ones_like(ids),
                position_ids=ids.expand(3, -1, -1),
                use_cache=False,
            )[0]
            logps, *_ = chunked_logprob.ChunkedLogProbFunction.apply(
                *(last[:, -answer - 1 : -1].flatten(0, 1), model.get_output_embeddings().weight),
                *(None, ids[:, -answer:].flatten(), 1.0, 32768, None, 1.0, ("entropy",)),
            )
            logps.sum().backward()
    return counted.most


@pytest.mark.parametrize(
    ("answer", "gib"), [(256, 3.7), (800, 6.8)], ids=["256 tokens", "800 tokens"]
)
def test_a_step_of_the_papers_model_takes_what_the_formula_says(answer, gib, monkeypatch):
    # On a GPU these are kernels that work within a tile; in torch, copies of it.
    for name in ("_forward_tile", "_backward_tile", "_addmm_fp32"):
        monkeypatch.setattr(chunked_logprob, name, lambda *args, **kwargs: None)
    counted = counted_step(answer)
    assert counted / GIB == pytest.approx(gib, rel=0.05)
    shape = model_shape(meta_model(qwen_3b(), LoraConfig(**ADAPTER)))
    load = Load(
        rows=ROWS // 2,
        generated=ROWS // 2,
        reports=ROWS // 2,
        prompt=PROMPT,
        answer=answer,
        patches=0,
        films_shared=True,
        group=8,
    )
    parts = {part.name: part.bytes for part in memory_parts(shape, load, Engine())}
    learning = (*("activations of text", "activations of LoRA", "logits"), "gradients")
    estimate = sum(parts[name] for name in learning)
    assert estimate == pytest.approx(counted, rel=0.15)
    assert estimate > counted  # it is to warn too early rather than too late
