"""How much memory of a GPU a run will take, part by part, before a weight is loaded.

Parameters are counted exactly, on torch's meta device; what passes through the model is counted from
its widths, as autograd keeps it with torch's fused attention. What no formula knows (fragments, work
space of kernels, the CUDA context) is the part ``reserve``. All figures are of one GPU, in bytes.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import torch

from orapo.errors import OrapoError
from orapo.models.shared_films import film_encoder

GIB: Final = 2**30
CONTEXT: Final = 0.8 * GIB
"""What CUDA and its libraries take before the first tensor (0.5 to 1 GiB on today's cards)."""
FRAGMENTS: Final = 0.08
"""Of all else, what the allocator can't use. An assumption."""
_QUANTISED: Final = {4: 0.5 + 4 / 64, 8: 1.0}
"""Bytes a weight of bitsandbytes; in 4 bits with a scale of 4 bytes for each 64."""
_STATES: Final = {"adamw": 2.0, "adam": 2.0, "adafactor": 0.05, "sgd": 0.0, "lion": 1.0}
"""Values that an optimiser keeps of each parameter, by the beginning of its name."""
_PROCESS: Final = 3.0 * GIB
"""Of the host's memory, what a process takes without a model."""
_VLLM_SPACE: Final = 1.0 * GIB
"""What vLLM needs on a GPU beside weights and KV cache: CUDA graphs, activations. An assumption."""
_TILE: Final = (4096, 32768)
"""Tokens, and words of the vocabulary, that TRL's fused head looks at in one go (TRL 1.16)."""


@dataclass(frozen=True)
class Tower:
    """Widths of a stack of transformer layers."""

    layers: int
    heads: int
    hidden: int
    intermediate: int
    queries: int
    """Width of all query heads together."""
    keys: int
    """Width of all key heads together."""
    gated: bool

    def activations(self, size: int) -> float:
        """Return the bytes that one layer keeps of one token for its backward pass.

        Args:
            size: Bytes of a value.
        """
        norms = 2 * (4 + size) * self.hidden  # computed in float32
        # queries, and keys and values spread over all query heads; result, before and after reordering
        attention = size * (self.hidden + 3 * self.queries + 2 * self.queries)
        inner = (4 if self.gated else 2) * self.intermediate
        return norms + attention + size * (self.hidden + inner)


@dataclass(frozen=True)
class ModelShape:
    """What of a model its memory depends on."""

    parameters: int
    """All, without an adapter."""
    trainable: int
    adapter: int
    """Of them, those that the adapter adds."""
    quantisable: int
    """Weights that 4 and 8 bits apply to: linear layers but the head."""
    text: Tower
    vision: Tower
    vision_trainable: bool
    head_trainable: bool
    vocabulary: int
    films_shareable: bool
    """Whether equal films can be encoded once; by the class alone, no film is looked at."""


def meta_model(config: Any, adapter: Any = None) -> Any:
    """Build a model without memory for its weights.

    Args:
        config: Of a vision-language model (transformers).
        adapter: A PEFT configuration.
    """
    from transformers import AutoModelForImageTextToText

    # of fields that transformers renames while both names work
    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return adapted(AutoModelForImageTextToText.from_config(config), adapter)


def adapted(model: Any, adapter: Any) -> Any:
    """Return a model without weights with its adapter, a PEFT configuration; None leaves it as it is."""
    if adapter is None:
        return model
    from peft import get_peft_model

    with torch.device("meta"):
        return get_peft_model(model, adapter)


def model_shape(model: Any) -> ModelShape:
    """Count parameters and widths of a model.

    Args:
        model: A vision-language model, of `meta_model`, with its adapter.

    Raises:
        OrapoError: Its config names its widths otherwise than the supported classes do.
    """
    config, head = model.config, model.get_output_embeddings()
    linear = [
        module.weight.numel()
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and module is not head and "lora_" not in name
    ]
    named = list(model.named_parameters())
    added = sum(p.numel() for name, p in named if "lora_" in name)
    vision = [p for name, p in named if ".vis" in name or name.startswith("vis")]
    text_config = config.get_text_config()
    try:
        return ModelShape(
            parameters=sum(p.numel() for _, p in named) - added,
            trainable=sum(p.numel() for _, p in named if p.requires_grad),
            adapter=added,
            quantisable=sum(linear),
            text=_tower(text_config, gated=True),
            vision=_tower(
                config.vision_config, gated="qwen2_5_vl" in config.vision_config.model_type
            ),
            vision_trainable=any(p.requires_grad for p in vision),
            head_trainable=any(p.requires_grad for p in head.parameters()),
            vocabulary=text_config.vocab_size,
            films_shareable=film_encoder(model) is not None,
        )
    except AttributeError as error:
        raise OrapoError(
            f"{type(config).__name__}: its memory can't be estimated ({error})"
        ) from None


def _tower(config: Any, gated: bool) -> Tower:
    # Qwen's vision towers have names of their own before transformers 5.23
    heads = getattr(config, "num_attention_heads", None) or config.num_heads
    size = getattr(config, "head_dim", None) or config.hidden_size // heads
    keys = getattr(config, "num_key_value_heads", None) or heads
    return Tower(
        layers=getattr(config, "num_hidden_layers", None) or config.depth,
        heads=heads,
        hidden=config.hidden_size,
        intermediate=config.intermediate_size,
        queries=heads * size,
        keys=keys * size,
        gated=gated,
    )


@dataclass(frozen=True)
class Load:
    """What passes through a model on one GPU.

    Attributes:
        rows: Rollouts of a micro-batch.
        generated: Rollouts that are sampled at a time.
        reports: Radiologists' reports that ride along in a micro-batch, at most.
        prompt: Tokens of a prompt, image tokens among them.
        answer: Tokens of an answer, at most.
        patches: Patches that the vision tower sees of one row's films.
        films_shared: Whether equal films of a micro-batch are encoded once.
        group: K, the rollouts of a study.
        report: Tokens of the longest radiologist's report, which rides along whole.
    """

    rows: int
    generated: int
    reports: int
    prompt: int
    answer: int
    patches: int
    films_shared: bool
    group: int
    report: int = 0


@dataclass(frozen=True)
class Engine:
    """How weights and gradients lie on a GPU.

    Attributes:
        processes: GPUs that train.
        sharded: What is spread over them: ``nothing``, ``optimiser`` (ZeRO-1), ``gradients`` (and
            the former: ZeRO-2) or ``weights`` (and both: ZeRO-3, FSDP).
        weight_size: Bytes of a weight.
        reference_size: Of the reference model's, if that is another.
        compute_size: Bytes of a value in a forward pass.
        bits: 4 or 8 where linear layers are quantised.
        optimizer: Its name.
        master_weights: Whether the optimiser keeps float32 copies (DeepSpeed).
        reference: Whether a reference model lies beside the policy.
        checkpointing: Whether a layer's activations are computed again in the backward pass.
        eager: Whether attention is computed without a fused kernel.
        generates: Where rollouts are sampled: ``here``, ``colocate`` (vLLM on the same GPU) or
            ``server`` (vLLM elsewhere).
        vllm_share: Of the GPU, what vLLM takes if colocated.
    """

    processes: int = 1
    sharded: str = "nothing"
    weight_size: int = 2
    reference_size: int | None = None
    compute_size: int = 2
    bits: int | None = None
    optimizer: str = "adamw"
    master_weights: bool = False
    reference: bool = False
    checkpointing: bool = True
    eager: bool = False
    generates: str = "here"
    vllm_share: float = 0.0


@dataclass(frozen=True)
class Part:
    """One part of the memory."""

    name: str
    bytes: float
    when: str
    """``always``, ``sampling`` or ``learning``; sampling and learning take turns."""


def memory_parts(shape: ModelShape, load: Load, engine: Engine, gpu: float = 0.0) -> list[Part]:
    """Name the parts of the memory of one GPU.

    Args:
        shape: The model.
        load: What passes through it.
        engine: How it lies on the GPU.
        gpu: Bytes of the GPU, which colocated vLLM takes a share of.
    """
    parts = [*_standing(shape, engine), *_sampling(shape, load, engine, gpu)]
    parts += _learning(shape, load, engine)
    parts = [part for part in parts if part.bytes > 0]
    taken = _highest(parts)
    return [
        *parts,
        Part("reserve (CUDA context, fragments)", CONTEXT + FRAGMENTS * taken, "always"),
    ]


def peak(parts: Iterable[Part]) -> float:
    """Return the bytes at the fullest moment."""
    return _highest(list(parts))


def _highest(parts: list[Part]) -> float:
    taken = {"always": 0.0, "sampling": 0.0, "learning": 0.0}
    for part in parts:
        taken[part.when] += part.bytes
    return taken["always"] + max(taken["sampling"], taken["learning"])


def _standing(shape: ModelShape, engine: Engine) -> list[Part]:
    share = engine.processes
    by_weights = share if engine.sharded == "weights" else 1
    by_gradients = share if engine.sharded in ("weights", "gradients") else 1
    by_optimiser = 1 if engine.sharded == "nothing" else share
    weights = float(shape.parameters * engine.weight_size)
    if engine.bits:
        rest = shape.parameters - shape.quantisable
        weights = rest * engine.weight_size + shape.quantisable * _QUANTISED[engine.bits]
    reference = shape.parameters * (engine.reference_size or engine.weight_size)
    # PEFT keeps adapters in float32; TRL makes them bfloat16 on a quantised model and under ZeRO-3.
    narrow = engine.bits is not None or (engine.sharded == "weights" and engine.master_weights)
    adapter_size = 2 if narrow else 4
    size = adapter_size if shape.adapter else engine.weight_size
    kept = next(
        (count for name, count in _STATES.items() if engine.optimizer.startswith(name)), 2.0
    )
    state_size = 1 if "8bit" in engine.optimizer else (4 if engine.master_weights else size)
    states = shape.trainable * kept * state_size
    if engine.master_weights:
        states += shape.trainable * 4
    return [
        Part("weights", weights / by_weights, "always"),
        Part("LoRA weights", shape.adapter * adapter_size / by_weights, "always"),
        Part("gradients", shape.trainable * size / by_gradients, "always"),
        Part("optimiser states", states / by_optimiser, "always"),
        Part("reference model", reference / by_weights if engine.reference else 0, "always"),
    ]


def _sampling(shape: ModelShape, load: Load, engine: Engine, gpu: float) -> list[Part]:
    if engine.generates == "server":
        return []
    if engine.generates == "colocate":
        # vLLM holds what it has taken through the learning, too, unless it sleeps: its share of the GPU, or
        # what it can't do without. A share that is smaller is an error when it starts.
        least = shape.parameters * engine.compute_size + _cache(shape, load, engine) + _VLLM_SPACE
        return [Part("vLLM", max(engine.vllm_share * gpu, least), "always")]
    size, text = engine.compute_size, shape.text
    tokens = load.generated * load.prompt
    widest = max(2 * text.intermediate, 3 * text.queries) + 3 * text.hidden
    vision = load.generated * load.patches * size
    vision *= max(2 * shape.vision.intermediate, 3 * shape.vision.queries) + 3 * shape.vision.hidden
    return [
        Part("KV cache", _cache(shape, load, engine), "sampling"),
        # float32 logits of the last position, sorted and filtered in copies
        Part("logits of sampling", 3 * 4 * load.generated * shape.vocabulary, "sampling"),
        # the prompts' and films' forward pass; text and vision take turns
        Part("prompts' forward pass", max(tokens * widest * size, vision), "sampling"),
    ]


def _cache(shape: ModelShape, load: Load, engine: Engine) -> float:
    """Return the bytes of the keys and values of all that is sampled at a time."""
    a_token = 2 * shape.text.layers * shape.text.keys * engine.compute_size
    return float(a_token * load.generated * (load.prompt + load.answer))


def host_memory(shape: ModelShape, engine: Engine) -> float:
    """Return the bytes of this machine's memory while its processes load, without the films.

    Each process loads the whole model, and copies it for the reference, before a part of it goes to its
    GPU; under DeepSpeed's ZeRO-3 it loads its part alone. The library and its CUDA context take 3 GiB more
    of each, an assumption. The copy that an adapter's merging for vLLM needs (`CleanBase`) is made when
    the model has gone to the GPU, and is smaller than it.
    """
    size = engine.reference_size or engine.weight_size
    copies = 2 if engine.reference else 1
    model = float(shape.parameters * size * copies)
    if engine.sharded == "weights" and engine.master_weights:
        model /= engine.processes
    return engine.processes * (model + _PROCESS)


def _learning(shape: ModelShape, load: Load, engine: Engine) -> list[Part]:
    size, text, vision = engine.compute_size, shape.text, shape.vision
    rows = load.rows + load.reports
    # all rows of a pass are padded to the longest, and a report is not cut
    answer = max(load.answer, load.report) if load.reports else load.answer
    length = load.prompt + answer
    tokens = rows * length
    kept = _kept(text, tokens, engine)
    if engine.eager:  # scores and probabilities of every pair of tokens
        pairs = text.heads * rows * length**2
        kept += (4 + size) * pairs * (1 if engine.checkpointing else text.layers)
    studies = min(rows, -(-load.generated // load.group)) if load.films_shared else rows
    patches = studies * load.patches
    if shape.vision_trainable:
        seen = _kept(vision, patches, engine)
    else:
        seen = patches * size * (2 * vision.intermediate + 4 * vision.hidden)
    adapter = 0.0
    if shape.adapter:  # each adapted layer keeps its input once more, cast and after dropout
        inputs = 5 * text.hidden + text.queries + text.intermediate
        adapter = 2 * size * inputs * tokens * (1 if engine.checkpointing else text.layers)
    # TRL's fused head computes logits tile by tile, again in the backward pass
    answers = rows * answer
    logits = size * min(answers, _TILE[0]) * min(shape.vocabulary, _TILE[1])
    logits += answers * text.hidden * (4 + size)
    if shape.head_trainable:
        logits += 4 * shape.vocabulary * text.hidden  # its gradient, in float32
    gathered = 0.0
    if engine.sharded == "weights" and engine.processes > 1:
        embedding = shape.vocabulary * text.hidden
        layer = (shape.parameters - embedding) / max(1, text.layers + vision.layers)
        gathered = engine.weight_size * (embedding + 2 * layer)
    return [
        Part("activations of text", kept, "learning"),
        Part("activations of LoRA", adapter, "learning"),
        Part("vision", seen, "learning"),
        Part("logits", logits, "learning"),
        Part("gathered weights", gathered, "learning"),
    ]


def _kept(tower: Tower, tokens: int, engine: Engine) -> float:
    """Return what autograd keeps of a tower: all layers, or their inputs and one layer."""
    one = tower.activations(engine.compute_size) * tokens
    if not engine.checkpointing:
        return tower.layers * one
    return tower.layers * tower.hidden * engine.compute_size * tokens + one
