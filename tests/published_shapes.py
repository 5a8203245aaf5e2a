"""Models of the recipes in their published sizes, without weights: what `--dry-run` reads of a checkpoint.

Sizes are those of the models' published config.json and preprocessor files. Tokenizers are tiny ones (their
vocabulary's size is the config's), so a prompt's words count a little differently, its image tokens as they do there.
"""

from pathlib import Path

from transformers import (
    Gemma3ImageProcessor,
    Gemma3Processor,
    GenerationConfig,
    Qwen2VLImageProcessor,
    SmolVLMImageProcessor,
)

from checkpoints import BUILDERS, CORPUS

GEMMA3_4B = {
    "text_config": {
        "vocab_size": 262208,
        "hidden_size": 2560,
        "intermediate_size": 10240,
        "num_hidden_layers": 34,
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "head_dim": 256,
        "query_pre_attn_scalar": 256,
        "sliding_window": 1024,
        "sliding_window_pattern": 6,
        "max_position_embeddings": 131072,
    },
    "vision_config": {
        "hidden_size": 1152,
        "intermediate_size": 4304,
        "num_hidden_layers": 27,
        "num_attention_heads": 16,
        "image_size": 896,
        "patch_size": 14,
        "vision_use_head": False,
    },
    "mm_tokens_per_image": 256,
    "tie_word_embeddings": True,
}
QWEN3_VL_4B = {
    "text_config": {
        "vocab_size": 151936,
        "hidden_size": 2560,
        "intermediate_size": 9728,
        "num_hidden_layers": 36,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "max_position_embeddings": 262144,
        "rope_parameters": {"rope_type": "default", "mrope_section": [24, 20, 20]},
        "tie_word_embeddings": True,
    },
    "vision_config": {
        "depth": 24,
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "num_heads": 16,
        "out_hidden_size": 2560,
        "patch_size": 16,
        "spatial_merge_size": 2,
        "num_position_embeddings": 2304,
        "deepstack_visual_indexes": [5, 11, 17],
    },
    "tie_word_embeddings": True,
}
SMOLVLM2_2B = {
    "text_config": {
        "model_type": "llama",
        "vocab_size": 49280,
        "hidden_size": 2048,
        "intermediate_size": 8192,
        "num_hidden_layers": 24,
        "num_attention_heads": 32,
        "num_key_value_heads": 32,
        "max_position_embeddings": 8192,
    },
    "vision_config": {
        "hidden_size": 1152,
        "intermediate_size": 4304,
        "num_hidden_layers": 27,
        "num_attention_heads": 16,
        "image_size": 384,
        "patch_size": 14,
    },
    "scale_factor": 3,
    "tie_word_embeddings": False,
}
QWEN2_5_VL_3B = {
    "text_config": {
        "vocab_size": 151936,
        "hidden_size": 2048,
        "intermediate_size": 11008,
        "num_hidden_layers": 36,
        "num_attention_heads": 16,
        "num_key_value_heads": 2,
        "max_position_embeddings": 128000,
        "rope_parameters": {"rope_type": "default", "mrope_section": [16, 24, 24]},
        "tie_word_embeddings": True,
    },
    "vision_config": {
        "depth": 32,
        "hidden_size": 1280,
        "intermediate_size": 3420,
        "num_heads": 16,
        "out_hidden_size": 2048,
    },
    "tie_word_embeddings": True,
}
PUBLISHED = {
    "medgemma": ("gemma3", GEMMA3_4B),
    "qwen3-vl": ("qwen3-vl", QWEN3_VL_4B),
    "smolvlm2": ("smolvlm-tiles", SMOLVLM2_2B),
    "warm-start": ("qwen2.5-vl", QWEN2_5_VL_3B),
}
"""By the recipe's name: the class in `checkpoints.BUILDERS`, and the sizes."""


def published_config(recipe: str, ids: dict | None = None):
    """Return the config of a recipe's model in its published sizes, with special tokens of ``ids``."""
    kind, sizes = PUBLISHED[recipe]
    tiny = BUILDERS[kind](CORPUS)[0].config if ids is None else None
    ids = ids if tiny is None else token_ids(tiny)
    text = {**sizes["text_config"], **ids["text"]}
    return ids["class"](**{**sizes, **ids["own"], "text_config": text, "dtype": "bfloat16"})


def token_ids(tiny) -> dict:
    """Return what of a tiny config depends on its tokenizer."""
    names = ("pad_token_id", "eos_token_id", "bos_token_id")
    own = {name: value for name, value in tiny.to_dict().items() if "token_i" in name}
    return {
        "class": type(tiny),
        "own": {name: value for name, value in own.items() if name not in names},
        "text": {name: getattr(tiny.get_text_config(), name, None) for name in names},
    }


def write_published(recipe: str, folder: Path) -> Path:
    """Write config and processor of a recipe's model in their published sizes; no weights."""
    model, processor = BUILDERS[PUBLISHED[recipe][0]](CORPUS)
    if recipe == "medgemma":
        template = processor.chat_template
        processor = Gemma3Processor(
            Gemma3ImageProcessor(), processor.tokenizer, template, image_seq_length=256
        )
    elif recipe == "smolvlm2":
        edges = {"size": {"longest_edge": 1536}, "max_image_size": {"longest_edge": 384}}
        processor.image_processor = SmolVLMImageProcessor(**edges)
        processor.image_seq_len = 81
    else:
        side = 16 if recipe == "qwen3-vl" else 14
        processor.image_processor = Qwen2VLImageProcessor(patch_size=side)
    published_config(recipe, token_ids(model.config)).save_pretrained(folder)
    if recipe == "medgemma":  # its generation_config.json names the end of a turn, too
        ends = processor.tokenizer.convert_tokens_to_ids(["<eos>", "<end_of_turn>"])
        GenerationConfig(eos_token_id=ends).save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
