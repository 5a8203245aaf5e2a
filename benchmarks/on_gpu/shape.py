"""The paper's model with random weights, and phantom studies for it: nothing is downloaded.

`REAL` is Qwen2.5-VL-3B by the values of its published config.json, `TINY` the same class in miniature.
"""

import itertools
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import trl
from peft import LoraConfig
from transformers import (
    AutoModelForImageTextToText,
    GenerationConfig,
    Qwen2_5_VLConfig,
    Qwen2_5_VLProcessor,
    Qwen2VLImageProcessor,
    Qwen2VLVideoProcessor,
    set_seed,
)

from orapo.data.manifest import read_manifest
from orapo.data.phantom import PhantomConfig, write_phantom
from orapo.models.tiny import build_tokenizer

TEXT = {
    "vocab_size": 151936,
    "hidden_size": 2048,
    "intermediate_size": 11008,
    "num_hidden_layers": 36,
    "num_attention_heads": 16,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128000,
    "rms_norm_eps": 1e-6,
    "tie_word_embeddings": True,
    "rope_parameters": {
        "rope_type": "default",
        "rope_theta": 1e6,
        "mrope_section": [16, 24, 24],
    },
}
VISION = {
    "depth": 32,
    "hidden_size": 1280,
    "intermediate_size": 3420,
    "num_heads": 16,
    "out_hidden_size": 2048,
    "patch_size": 14,
    "window_size": 112,
    "fullatt_block_indexes": [7, 15, 23, 31],
}
TINY_TEXT = {
    **TEXT,
    "vocab_size": 2048,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "rope_parameters": {"rope_type": "default", "mrope_section": [2, 3, 3]},
}
TINY_VISION = {
    **VISION,
    "depth": 2,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_heads": 2,
    "out_hidden_size": 32,
    "fullatt_block_indexes": [1],
}
SPECIAL = (
    *("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>"),
    *("<|vision_pad|>", "<|image_pad|>", "<|video_pad|>"),
)
LORA_TARGET = r".*(language_model|text_model).*\.(q|k|v|o|gate|up|down)_proj"


@dataclass(frozen=True)
class Scale:
    """How large a check is.

    Attributes:
        pixels: Of a film's side.
        answer: Tokens of a rollout.
        long: Tokens of a long report, and of a rollout beside it.
    """

    text: dict
    vision: dict
    device: str
    dtype: torch.dtype
    pixels: int
    answer: int
    long: int

    def few_layers(self):
        """The same widths, a twelfth of the depth: what a checkpoint on the disk is made of."""
        text = {**self.text, "num_hidden_layers": 2}
        vision = {**self.vision, "depth": 2, "fullatt_block_indexes": [1]}
        return replace(self, text=text, vision=vision)


REAL = Scale(TEXT, VISION, "cuda", torch.bfloat16, pixels=512, answer=256, long=800)
TINY = Scale(TINY_TEXT, TINY_VISION, "cpu", torch.bfloat16, pixels=56, answer=8, long=120)


def phantom(scale, folder, counts=None):
    """Write phantom studies; return the manifest's path."""
    size = PhantomConfig(size=scale.pixels)
    return write_phantom(Path(folder) / "phantom", counts or {"train": 16}, 0, size)


def train_studies(manifest):
    return [study for study in read_manifest(manifest) if study.split == "train"]


def with_long_reports(studies, tokenizer, tokens):
    """Give each study the reports of others behind its own, up to a number of tokens.

    Sentences of other studies make no sense here; what is checked is how much passes through.
    """
    reports = itertools.cycle([study.report for study in studies])
    longer = []
    for study in studies:
        text = study.report
        while True:
            more = f"{text} {next(reports)}"
            if len(tokenizer(more)["input_ids"]) >= tokens:
                break
            text = more
        longer.append(study.model_copy(update={"report": text, "findings": "", "impression": ""}))
    return longer


def build_processor(scale, studies):
    """The real class and template; the tokenizer has learned words from the studies' reports alone."""
    tokenizer = build_tokenizer(
        [study.report for study in studies] * 20,
        1024,
        special=SPECIAL,
        pad="<|endoftext|>",
        end="<|im_end|>",
    )
    side = scale.pixels**2
    template = Path(trl.__file__).parent / "chat_templates" / "qwen2_5_vl.jinja"
    return Qwen2_5_VLProcessor(
        Qwen2VLImageProcessor(min_pixels=side, max_pixels=side),
        tokenizer,
        Qwen2VLVideoProcessor(),
        chat_template=template.read_text(encoding="utf-8"),
    )


def build_config(scale, processor):
    find = processor.tokenizer.convert_tokens_to_ids
    return Qwen2_5_VLConfig(
        text_config={**scale.text, **_ends(processor)},
        vision_config=scale.vision,
        image_token_id=find("<|image_pad|>"),
        video_token_id=find("<|video_pad|>"),
        vision_start_token_id=find("<|vision_start|>"),
        vision_end_token_id=find("<|vision_end|>"),
        tie_word_embeddings=True,
        dtype=str(scale.dtype).removeprefix("torch."),
    )


def _ends(processor):
    tokenizer = processor.tokenizer
    return {
        "bos_token_id": None,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }


def random_model(scale, processor, attention="sdpa"):
    """Make the model on its device, the same weights each time."""
    config = build_config(scale, processor)
    set_seed(0)
    with torch.device(scale.device):
        model = AutoModelForImageTextToText.from_config(
            config, dtype=scale.dtype, attn_implementation=attention
        )
    model.generation_config = GenerationConfig(**_ends(processor))
    return model


def adapter():
    return LoraConfig(r=16, lora_alpha=32, target_modules=LORA_TARGET, task_type="CAUSAL_LM")


def write_model(scale, studies, folder):
    """Write a checkpoint of few layers, for the command line."""
    processor = build_processor(scale, studies)
    random_model(scale.few_layers(), processor).save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
