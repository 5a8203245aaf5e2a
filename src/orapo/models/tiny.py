"""A vision-language model small enough for a CPU: Idefics3 from a config, with random weights.

Its classes, processor, chat template and files are those of the real checkpoints
(``AutoModelForImageTextToText``, ``AutoProcessor``, safetensors), so that whatever runs on it runs
on them. Its tokenizer is byte-level BPE, trained on the spot on a given corpus: any text can be
encoded, nothing is unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    GenerationConfig,
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    Idefics3ImageProcessor,
    Idefics3Processor,
    PreTrainedTokenizerFast,
)

PAD: Final = "<pad>"
END: Final = "<end_of_utterance>"
IMAGE: Final = "<image>"
FAKE_IMAGE: Final = "<fake_token_around_image>"
GLOBAL_IMAGE: Final = "<global-img>"
USER: Final = "<user>"
ASSISTANT: Final = "<assistant>"
SPECIAL: Final = (PAD, END, IMAGE, FAKE_IMAGE, GLOBAL_IMAGE, USER, ASSISTANT)

# One token opens a turn, one ends it; the role is all that stands between.
CHAT_TEMPLATE: Final = (
    "{% for message in messages %}"
    "{{ '<user>' if message['role'] == 'user' else '<assistant>' }}"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image>{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endif %}"
    "<end_of_utterance>"
    "{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


@dataclass(frozen=True)
class TinySize:
    """Sizes of the tiny model; the defaults give about 507,000 parameters (vocabulary: 1,024).

    Attributes:
        image: Pixels of a side; films are resized to it.
        patch: Pixels of a patch's side.
        scale: Pixel-shuffle factor: (image / patch / scale)^2 image tokens reach the text model.
        vision_width: Hidden size of the vision tower.
        vision_layers: Its layers.
        text_width: Hidden size of the text model.
        text_layers: Its layers.
        vocabulary: Tokens at most.
        initial_spread: Standard deviation of the random weights. The usual 0.02 is meant for widths
            of thousands; at this width it costs hundreds of steps of warm-up.
    """

    image: int = 64
    patch: int = 8
    scale: int = 2
    vision_width: int = 64
    vision_layers: int = 3
    text_width: int = 96
    text_layers: int = 3
    vocabulary: int = 1024
    initial_spread: float = 0.1

    @property
    def image_tokens(self) -> int:
        """Image tokens of one film in the text model's sequence."""
        return (self.image // self.patch // self.scale) ** 2


def build_tokenizer(
    corpus: Iterable[str],
    vocabulary: int,
    *,
    special: Sequence[str] = SPECIAL,
    pad: str = PAD,
    end: str = END,
) -> PreTrainedTokenizerFast:
    """Train a byte-level BPE tokenizer on ``corpus``.

    Args:
        corpus: Texts.
        vocabulary: Tokens at most, special ones included.
        special: The special ones.
        pad: Of them, the one that pads.
        end: Of them, the one that ends an answer.

    Returns:
        A tokenizer that pads on the left and adds no special tokens by itself.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(special),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=pad,
        eos_token=end,
        additional_special_tokens=[token for token in special if token not in (pad, end)],
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )


def build_processor(corpus: Iterable[str], size: TinySize | None = None) -> Idefics3Processor:
    """Make the processor: tokenizer, image processor and chat template.

    Args:
        corpus: Texts to train the tokenizer on.
        size: Sizes; the default ones if not given.
    """
    size = size or TinySize()
    edge = {"longest_edge": size.image}
    image_processor = Idefics3ImageProcessor(
        size=edge, max_image_size=edge, do_image_splitting=False
    )
    tokenizer = build_tokenizer(corpus, size.vocabulary)
    return Idefics3Processor(
        image_processor, tokenizer, image_seq_len=size.image_tokens, chat_template=CHAT_TEMPLATE
    )


def build_model(
    processor: Idefics3Processor, size: TinySize | None = None, *, seed: int = 0
) -> Idefics3ForConditionalGeneration:
    """Make the model with random weights.

    Args:
        processor: Its processor; sizes the vocabulary and names the special tokens.
        size: Sizes; the default ones if not given.
        seed: Seed of the weights. The global generator is left as it was.

    Returns:
        The model in float32 on the CPU.
    """
    size = size or TinySize()
    tokenizer = processor.tokenizer
    spread = {"initializer_range": size.initial_spread}
    ids = {"pad_token_id": tokenizer.pad_token_id, "eos_token_id": tokenizer.eos_token_id}
    config = Idefics3Config(
        image_token_id=tokenizer.convert_tokens_to_ids(IMAGE),
        scale_factor=size.scale,
        tie_word_embeddings=True,
        vision_config={
            "hidden_size": size.vision_width,
            "intermediate_size": 2 * size.vision_width,
            "num_hidden_layers": size.vision_layers,
            "num_attention_heads": 4,
            "image_size": size.image,
            "patch_size": size.patch,
            **spread,
        },
        text_config={
            "model_type": "llama",
            "vocab_size": len(tokenizer),
            "hidden_size": size.text_width,
            "intermediate_size": 2 * size.text_width,
            "num_hidden_layers": size.text_layers,
            "num_attention_heads": 4,
            "num_key_value_heads": 4,
            "max_position_embeddings": 512,
            "rms_norm_eps": 1e-5,
            "bos_token_id": None,
            **ids,
            **spread,
        },
        bos_token_id=None,
        **ids,
        **spread,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Idefics3ForConditionalGeneration(config)
    model.generation_config = GenerationConfig(bos_token_id=None, **ids)
    return model
