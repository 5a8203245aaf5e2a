"""Tiny checkpoints of the real classes, as they lie on a disk: nothing comes from a hub.

Each is a folder with safetensors, processor, chat template and generation config, so that
`load_checkpoint`, and with it every command, takes it for the real thing.
"""

from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from transformers import (
    GenerationConfig,
    Idefics3ImageProcessor,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2_5_VLProcessor,
    Qwen2VLImageProcessor,
    Qwen2VLVideoProcessor,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
    Qwen3VLProcessor,
    Qwen3VLVideoProcessor,
    SmolVLMConfig,
    SmolVLMForConditionalGeneration,
    SmolVLMImageProcessor,
    SmolVLMProcessor,
    SmolVLMVideoProcessor,
)

from orapo.models import tiny

CORPUS = [
    "The lungs are clear. No pleural effusion or pneumothorax.",
    "Small left pleural effusion. The heart is mildly enlarged.",
    "Right lower lobe consolidation. No pneumothorax.",
    "Heart size is normal. There is a right apical pneumothorax.",
]
"""Reports: what the tokenizers are trained on, and what the tests' studies have."""

SIDE = 16
"""Pixels of a film's side; a patch has 4, four patches become one token: 4 tokens a film."""
FILM_TOKENS = 4
END = "<|im_end|>"
QWEN_TOKENS = (
    *("<|endoftext|>", "<|im_start|>", END, "<|vision_start|>", "<|vision_end|>"),
    *("<|vision_pad|>", "<|image_pad|>", "<|video_pad|>"),
)
SMOL_TOKENS = (
    *("<|im_start|>", "<end_of_utterance>", "<image>", "<fake_token_around_image>"),
    *("<global-img>", "<video>", "<|endoftext|>"),
)
# The parts of Qwen2.5-VL's own template that a conversation without tools and videos reaches.
QWEN_TEMPLATE = (
    "{% for message in messages %}"
    "{% if loop.first and message['role'] != 'system' %}"
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n{% endif %}"
    "<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}<|im_end|>\n{% else %}"
    "{% for content in message['content'] %}"
    "{% if content['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% elif 'text' in content %}{{ content['text'] }}{% endif %}{% endfor %}<|im_end|>\n"
    "{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SMOL_TEMPLATE = (
    "<|im_start|>{% for message in messages %}{{ message['role'] | capitalize }}"
    "{% if message['content'] is string %}: {{ message['content'] }}{% else %}"
    "{% if message['content'][0]['type'] == 'image' %}{{ ':' }}{% else %}{{ ': ' }}{% endif %}"
    "{% for line in message['content'] %}"
    "{% if line['type'] == 'text' %}{{ line['text'] }}"
    "{% elif line['type'] == 'image' %}{{ '<image>' }}{% endif %}{% endfor %}{% endif %}"
    "<end_of_utterance>\n{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
)
TEXT = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": 512,
}
QWEN_VISION = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_heads": 2,
    "patch_size": 4,
    "out_hidden_size": 16,
}


def qwen2_5_vl(corpus: Iterable[str]):
    processor = Qwen2_5_VLProcessor(
        _qwen_images(),
        _tokenizer(corpus, QWEN_TOKENS, END),
        Qwen2VLVideoProcessor(patch_size=4),
        chat_template=QWEN_TEMPLATE,
    )
    config = Qwen2_5_VLConfig(
        text_config={
            **TEXT,
            **_ids(processor),
            "rope_parameters": {"rope_type": "default", "mrope_section": [1, 1, 2]},
            "tie_word_embeddings": True,
        },
        # one layer sees windows of the film only, the other the whole, as in the real one
        vision_config={**QWEN_VISION, "depth": 2, "window_size": 8, "fullatt_block_indexes": [1]},
        tie_word_embeddings=True,
        **_qwen_placeholders(processor),
    )
    return Qwen2_5_VLForConditionalGeneration(config), processor


def qwen3_vl(corpus: Iterable[str]):
    processor = Qwen3VLProcessor(
        _qwen_images(),
        _tokenizer(corpus, QWEN_TOKENS, END),
        Qwen3VLVideoProcessor(patch_size=4),
        chat_template=QWEN_TEMPLATE,
    )
    config = Qwen3VLConfig(
        text_config={
            **TEXT,
            **_ids(processor),
            "head_dim": 8,
            "rope_parameters": {"rope_type": "default", "mrope_section": [2, 1, 1]},
            "tie_word_embeddings": True,
        },
        vision_config={
            **QWEN_VISION,
            "depth": 2,
            "num_position_embeddings": 16,
            "deepstack_visual_indexes": [0],
        },
        tie_word_embeddings=True,
        **_qwen_placeholders(processor),
    )
    return Qwen3VLForConditionalGeneration(config), processor


def smolvlm(corpus: Iterable[str]):
    edge = {"longest_edge": SIDE}
    options = {"size": edge, "max_image_size": edge}
    tokenizer = _tokenizer(corpus, SMOL_TOKENS, "<end_of_utterance>")
    processor = SmolVLMProcessor(
        SmolVLMImageProcessor(**options, do_image_splitting=False),
        tokenizer,
        SmolVLMVideoProcessor(**options),
        image_seq_len=FILM_TOKENS,
        chat_template=SMOL_TEMPLATE,
    )
    config = SmolVLMConfig(
        text_config={**TEXT, **_ids(processor), "model_type": "llama"},
        vision_config={
            "hidden_size": 16,
            "intermediate_size": 32,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "image_size": SIDE,
            "patch_size": 4,
        },
        scale_factor=2,
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
    )
    return SmolVLMForConditionalGeneration(config), processor


def idefics3(corpus: Iterable[str]):
    size = tiny.TinySize(
        image=SIDE, patch=4, vision_width=16, vision_layers=1, text_width=16, text_layers=2
    )
    processor = tiny.build_processor(corpus, size)
    assert isinstance(processor.image_processor, Idefics3ImageProcessor)
    return tiny.build_model(processor, size, seed=1), processor


BUILDERS: dict[str, Callable] = {
    "qwen2.5-vl": qwen2_5_vl,
    "qwen3-vl": qwen3_vl,
    "idefics3": idefics3,
    "smolvlm": smolvlm,
}


def write_checkpoint(kind: str, folder: Path) -> Path:
    """Write a checkpoint of a class, always the same weights.

    Args:
        kind: Of `BUILDERS`.
        folder: Where to.

    Returns:
        The folder.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        model, processor = BUILDERS[kind](CORPUS * 20)
        with torch.no_grad():  # random, but no two answers equally likely
            for parameter in model.parameters():
                parameter.add_(0.05 * torch.randn_like(parameter))
    tokenizer = processor.tokenizer
    model.generation_config = GenerationConfig(
        bos_token_id=None,
        eos_token_id=[tokenizer.eos_token_id],
        pad_token_id=tokenizer.pad_token_id,
    )
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def _tokenizer(corpus: Iterable[str], special: tuple[str, ...], end: str):
    return tiny.build_tokenizer(corpus, 400, special=special, pad="<|endoftext|>", end=end)


def _qwen_images():
    return Qwen2VLImageProcessor(patch_size=4, min_pixels=SIDE**2, max_pixels=SIDE**2)


def _ids(processor) -> dict:
    tokenizer = processor.tokenizer
    return {
        "vocab_size": len(tokenizer),
        "bos_token_id": None,
        "pad_token_id": tokenizer.pad_token_id,
        "eos_token_id": tokenizer.eos_token_id,
    }


def _qwen_placeholders(processor) -> dict:
    find = processor.tokenizer.convert_tokens_to_ids
    names = {"image": "image_pad", "video": "video_pad"}
    names |= {"vision_start": "vision_start", "vision_end": "vision_end"}
    return {f"{key}_token_id": find(f"<|{token}|>") for key, token in names.items()}
