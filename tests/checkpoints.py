"""Tiny checkpoints of the real classes, as they lie on a disk: nothing comes from a hub.

Each is a folder with safetensors, processor, chat template and generation config, so that
`load_checkpoint`, and with it every command, takes it for the real thing.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import torch
import trl
from tokenizers import Tokenizer
from tokenizers.processors import TemplateProcessing
from transformers import (
    CLIPImageProcessor,
    Gemma3Config,
    Gemma3ForConditionalGeneration,
    Gemma3ImageProcessor,
    Gemma3Processor,
    GenerationConfig,
    GotOcr2ImageProcessor,
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    Idefics3ImageProcessor,
    Idefics3Processor,
    InternVLConfig,
    InternVLForConditionalGeneration,
    InternVLProcessor,
    InternVLVideoProcessor,
    Lfm2VlConfig,
    Lfm2VlForConditionalGeneration,
    Lfm2VlImageProcessor,
    Lfm2VlProcessor,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaNextConfig,
    LlavaNextForConditionalGeneration,
    LlavaNextImageProcessor,
    LlavaNextProcessor,
    LlavaProcessor,
    PaliGemmaConfig,
    PaliGemmaForConditionalGeneration,
    PaliGemmaProcessor,
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2_5_VLProcessor,
    Qwen2VLImageProcessor,
    Qwen2VLVideoProcessor,
    Qwen3_5Config,
    Qwen3_5ForConditionalGeneration,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
    Qwen3VLProcessor,
    Qwen3VLVideoProcessor,
    SiglipImageProcessor,
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
SPARE = 5
"""Rows of a head that no token has: Qwen2.5-VL has 271 of them, Gemma 3 has 63."""
UNNAMED = ("<start_of_turn>", "<end_of_turn>", "<global-img>", "<row_1_col_1>", "<row_2_col_2>")
"""Tokens that are special and that no file names: as published, of Gemma 3, SmolVLM and Idefics3."""
END = "<|im_end|>"
QWEN_TOKENS = (
    *("<|endoftext|>", "<|im_start|>", END, "<|vision_start|>", "<|vision_end|>"),
    *("<|vision_pad|>", "<|image_pad|>", "<|video_pad|>"),
)
SMOL_TOKENS = (
    *("<|im_start|>", "<end_of_utterance>", "<image>", "<fake_token_around_image>"),
    *("<global-img>", "<video>", "<|endoftext|>", "<row_1_col_1>", "<row_2_col_2>"),
)
TEMPLATES = Path(trl.__file__).parent / "chat_templates"
"""TRL ships the templates of many models, word for word; the others below say what theirs say."""
# llava-hf/llava-1.5-7b-hf: films first, then text; nothing ends an answer but a space.
LLAVA_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] != 'system' %}{{ message['role'].upper() }}: {% endif %}"
    "{% for part in message['content'] | selectattr('type', 'equalto', 'image') %}"
    "<image>\n{% endfor %}"
    "{% for part in message['content'] | selectattr('type', 'equalto', 'text') %}"
    "{{ part['text'] + ' ' }}{% endfor %}"
    "{% endfor %}{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)
# OpenGVLab/InternVL3-*-hf and InternVL3_5-*-HF: ChatML, a line for each film.
INTERNVL_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<IMG_CONTEXT>\n"
    "{% elif part['type'] == 'text' %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
# PaliGemma has none of its own: the one that docs/recipes.md gives.
PALIGEMMA_TEMPLATE = (
    "{% for message in messages %}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image>{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% if message['role'] == 'assistant' %}<eos>{% endif %}{% endfor %}"
)
TEXT = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": 512,
    "tie_word_embeddings": True,
}
QWEN_VISION = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_heads": 2,
    "patch_size": 4,
    "out_hidden_size": 16,
}

SIGLIP = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": SIDE,
    "patch_size": 4,
}
# LLaVA reads the last layer but one.
CLIP = {**SIGLIP, "num_hidden_layers": 2, "patch_size": 8, "projection_dim": 16}
CLIP["model_type"] = "clip_vision_model"


def shipped(name: str) -> str:
    """Return a template that TRL ships."""
    return (TEMPLATES / f"{name}.jinja").read_text()


def qwen_3b() -> Qwen2_5_VLConfig:
    """The shape of the paper's model, by its published config.json; no weights."""
    return Qwen2_5_VLConfig(
        text_config={
            "vocab_size": 151936,
            "hidden_size": 2048,
            "intermediate_size": 11008,
            "num_hidden_layers": 36,
            "num_attention_heads": 16,
            "num_key_value_heads": 2,
            "tie_word_embeddings": True,
            "rope_parameters": {"rope_type": "default", "mrope_section": [16, 24, 24]},
        },
        vision_config={
            "depth": 32,
            "hidden_size": 1280,
            "intermediate_size": 3420,
            "num_heads": 16,
            "out_hidden_size": 2048,
        },
        tie_word_embeddings=True,
    )


def qwen2_5_vl(corpus: Iterable[str]):
    processor = Qwen2_5_VLProcessor(
        _qwen_images(),
        _tokenizer(corpus, QWEN_TOKENS, END),
        Qwen2VLVideoProcessor(patch_size=4),
        chat_template=shipped("qwen2_5_vl"),
    )
    config = Qwen2_5_VLConfig(
        text_config={
            **TEXT,
            **_ids(processor),
            "rope_parameters": {"rope_type": "default", "mrope_section": [1, 1, 2]},
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
        chat_template=shipped("qwen3_vl"),
    )
    config = Qwen3VLConfig(
        text_config={
            **TEXT,
            **_ids(processor),
            "head_dim": 8,
            "rope_parameters": {"rope_type": "default", "mrope_section": [2, 1, 1]},
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


def qwen3_5(corpus: Iterable[str]):
    """Three of four layers of the real one are linear attention, here one of two; its own template of no thoughts."""
    processor = Qwen3VLProcessor(
        _qwen_images(),
        _tokenizer(corpus, QWEN_TOKENS, END),
        Qwen3VLVideoProcessor(patch_size=4),
        chat_template=shipped("qwen3_5_nothink"),
    )
    config = Qwen3_5Config(
        text_config={
            **TEXT,
            **_ids(processor),
            "head_dim": 32,
            "layer_types": ["linear_attention", "full_attention"],
            "linear_key_head_dim": 8,
            "linear_value_head_dim": 8,
            "linear_num_key_heads": 1,
            "linear_num_value_heads": 2,
            "rope_parameters": {
                "rope_type": "default",
                "mrope_section": [2, 1, 1],
                "partial_rotary_factor": 0.25,
            },
        },
        vision_config={**QWEN_VISION, "depth": 2, "num_position_embeddings": 16},
        tie_word_embeddings=True,
        **_qwen_placeholders(processor),
    )
    return Qwen3_5ForConditionalGeneration(config), processor


def smolvlm(corpus: Iterable[str]):
    edge = {"longest_edge": SIDE}
    options = {"size": edge, "max_image_size": edge}
    tokenizer = _tokenizer(corpus, SMOL_TOKENS, "<end_of_utterance>")
    processor = SmolVLMProcessor(
        SmolVLMImageProcessor(**options, do_image_splitting=False),
        tokenizer,
        SmolVLMVideoProcessor(**options),
        image_seq_len=FILM_TOKENS,
        chat_template=shipped("smolvlm"),
    )
    config = SmolVLMConfig(
        text_config={**TEXT, **_ids(processor), "model_type": "llama"},
        vision_config=SIGLIP,
        scale_factor=2,
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
    )
    return SmolVLMForConditionalGeneration(config), processor


def idefics3(corpus: Iterable[str]):
    special = ("<|begin_of_text|>", *SMOL_TOKENS[1:])
    edge = {"longest_edge": SIDE}
    tokenizer = _tokenizer(corpus, special, "<end_of_utterance>", bos="<|begin_of_text|>")
    processor = Idefics3Processor(
        Idefics3ImageProcessor(size=edge, max_image_size=edge, do_image_splitting=False),
        tokenizer,
        image_seq_len=FILM_TOKENS,
        chat_template=shipped("idefics3"),
    )
    config = Idefics3Config(
        text_config={**TEXT, **_ids(processor), "model_type": "llama"},
        vision_config=SIGLIP,
        scale_factor=2,
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        tie_word_embeddings=False,
        pad_token_id=tokenizer.pad_token_id,
    )
    return Idefics3ForConditionalGeneration(config), processor


def smolvlm_tiles(corpus: Iterable[str]):
    """As it is published: a film larger than a tile is cut into tiles, with the whole behind them."""
    model, processor = smolvlm(corpus)
    processor.image_processor.do_image_splitting = True
    processor.image_processor.size = {"longest_edge": 2 * SIDE}
    return model, processor


def llava(corpus: Iterable[str]):
    tokenizer = _tokenizer(corpus, ("<pad>", "<s>", "</s>", "<image>"), "</s>", "<pad>", bos="<s>")
    processor = LlavaProcessor(
        CLIPImageProcessor(size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE}),
        tokenizer,
        patch_size=8,
        num_additional_image_tokens=1,
        vision_feature_select_strategy="default",
        chat_template=LLAVA_TEMPLATE,
    )
    config = LlavaConfig(
        text_config={**TEXT, **_ids(processor), "model_type": "llama"},
        vision_config=CLIP,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        tie_word_embeddings=False,
    )
    return LlavaForConditionalGeneration(config), processor


def llava_next(corpus: Iterable[str]):
    tokenizer = _tokenizer(corpus, ("<pad>", "<s>", "</s>", "<image>"), "</s>", "<pad>", bos="<s>")
    grids = [[SIDE, 2 * SIDE], [2 * SIDE, SIDE], [2 * SIDE, 2 * SIDE]]
    processor = LlavaNextProcessor(
        LlavaNextImageProcessor(
            size={"shortest_edge": SIDE},
            crop_size={"height": SIDE, "width": SIDE},
            image_grid_pinpoints=grids,
        ),
        tokenizer,
        patch_size=8,
        num_additional_image_tokens=1,
        vision_feature_select_strategy="default",
        chat_template=shipped("llava_next"),
    )
    config = LlavaNextConfig(
        text_config={**TEXT, **_ids(processor), "model_type": "mistral"},
        vision_config=CLIP,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        image_grid_pinpoints=grids,
        tie_word_embeddings=False,
    )
    return LlavaNextForConditionalGeneration(config), processor


def gemma3(corpus: Iterable[str]):
    special = ("<pad>", "<eos>", "<bos>", "<start_of_turn>", "<end_of_turn>")
    named = {
        "image_token": "<image_soft_token>",
        "boi_token": "<start_of_image>",
        "eoi_token": "<end_of_image>",
    }
    tokenizer = _tokenizer(corpus, special, "<eos>", "<pad>", named, bos="<bos>")
    processor = Gemma3Processor(
        Gemma3ImageProcessor(size={"height": SIDE, "width": SIDE}),
        tokenizer,
        image_seq_length=FILM_TOKENS,
        chat_template=shipped("gemma3"),
    )
    find = tokenizer.convert_tokens_to_ids
    config = Gemma3Config(
        text_config={
            **TEXT,
            **_ids(processor),
            "bos_token_id": tokenizer.bos_token_id,
            "head_dim": 8,
            "query_pre_attn_scalar": 8,
            "sliding_window": 16,
            "sliding_window_pattern": 2,
        },
        vision_config=SIGLIP,
        mm_tokens_per_image=FILM_TOKENS,
        boi_token_index=find("<start_of_image>"),
        eoi_token_index=find("<end_of_image>"),
        image_token_index=find("<image_soft_token>"),
        tie_word_embeddings=True,
    )
    return Gemma3ForConditionalGeneration(config), processor


def paligemma2(corpus: Iterable[str]):
    images = SiglipImageProcessor(size={"height": SIDE, "width": SIDE})
    images.image_seq_length = FILM_TOKENS
    special = ("<pad>", "<eos>", "<bos>", "<image>")
    tokenizer = _tokenizer(corpus, special, "<eos>", "<pad>", bos="<bos>")
    processor = PaliGemmaProcessor(images, tokenizer, chat_template=PALIGEMMA_TEMPLATE)
    config = PaliGemmaConfig(
        text_config={
            **TEXT,
            **_ids(processor),
            "model_type": "gemma2",
            "bos_token_id": tokenizer.bos_token_id,
            "head_dim": 8,
            "query_pre_attn_scalar": 8,
            "sliding_window": 64,
        },
        vision_config={**SIGLIP, "patch_size": 8, "vision_use_head": False},
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        projection_dim=16,
        hidden_size=16,
        tie_word_embeddings=True,
    )
    return PaliGemmaForConditionalGeneration(config), processor


def internvl(corpus: Iterable[str]):
    named = {
        "start_image_token": "<img>",
        "end_image_token": "</img>",
        "context_image_token": "<IMG_CONTEXT>",
        "video_token": "<video>",
    }
    special = ("<|endoftext|>", "<|im_start|>", END)
    processor = InternVLProcessor(
        GotOcr2ImageProcessor(size={"height": SIDE, "width": SIDE}, min_patches=2, max_patches=4),
        _tokenizer(corpus, special, END, named=named),
        InternVLVideoProcessor(size={"height": SIDE, "width": SIDE}),
        image_seq_length=FILM_TOKENS,
        chat_template=INTERNVL_TEMPLATE,
    )
    config = InternVLConfig(
        text_config={**TEXT, **_ids(processor), "model_type": "qwen3", "head_dim": 8},
        vision_config={
            "hidden_size": 16,
            "intermediate_size": 32,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "image_size": [SIDE, SIDE],
            "patch_size": [4, 4],
        },
        image_token_id=processor.tokenizer.convert_tokens_to_ids("<IMG_CONTEXT>"),
        image_seq_length=FILM_TOKENS,
        tie_word_embeddings=False,
    )
    return InternVLForConditionalGeneration(config), processor


def lfm2_vl(corpus: Iterable[str]):
    special = ("<|pad|>", "<|startoftext|>", "<|im_start|>", END)
    named = {
        "image_token": "<image>",
        "image_start_token": "<|image_start|>",
        "image_end_token": "<|image_end|>",
        "image_thumbnail_token": "<|img_thumbnail|>",
    }
    tokenizer = _tokenizer(corpus, special, END, "<|pad|>", named, bos="<|startoftext|>")
    processor = Lfm2VlProcessor(
        Lfm2VlImageProcessor(
            encoder_patch_size=4,
            tile_size=SIDE,
            min_image_tokens=1,
            max_image_tokens=3,  # a film of more is cut into tiles
            max_num_patches=16,
            max_pixels_tolerance=1.0,
        ),
        tokenizer,
        chat_template=shipped("lfm2_2_5_vl"),
    )
    text = {name: value for name, value in TEXT.items() if name != "intermediate_size"}
    config = Lfm2VlConfig(
        text_config={
            **text,
            **_ids(processor),
            "model_type": "lfm2",
            "bos_token_id": tokenizer.bos_token_id,
            "intermediate_size": 32,
            "block_auto_adjust_ff_dim": False,
            "layer_types": ["conv", "full_attention"],
        },
        vision_config={
            **{name: value for name, value in SIGLIP.items() if name != "image_size"},
            "num_patches": 16,
            "vision_use_head": False,
        },
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        projector_hidden_size=32,
        downsample_factor=2,
        tie_word_embeddings=True,
    )
    return Lfm2VlForConditionalGeneration(config), processor


def demo(corpus: Iterable[str]):
    """The demo's own tiny model, `orapo.models.tiny`."""
    size = tiny.TinySize(
        image=SIDE, patch=4, vision_width=16, vision_layers=1, text_width=16, text_layers=2
    )
    processor = tiny.build_processor(corpus, size)
    assert isinstance(processor.image_processor, Idefics3ImageProcessor)
    return tiny.build_model(processor, size, seed=1), processor


BUILDERS: dict[str, Callable] = {
    "qwen2.5-vl": qwen2_5_vl,
    "qwen3-vl": qwen3_vl,
    "qwen3.5": qwen3_5,
    "idefics3": idefics3,
    "smolvlm": smolvlm,
    "smolvlm-tiles": smolvlm_tiles,
    "llava": llava,
    "llava-next": llava_next,
    "gemma3": gemma3,
    "paligemma2": paligemma2,
    "internvl": internvl,
    "lfm2-vl": lfm2_vl,
    "demo": demo,
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
    ends = [tokenizer.eos_token_id]
    if kind == "gemma3":
        ends.append(tokenizer.convert_tokens_to_ids("<end_of_turn>"))
    model.generation_config = GenerationConfig(
        bos_token_id=None, eos_token_id=ends, pad_token_id=tokenizer.pad_token_id
    )
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def _tokenizer(
    corpus: Iterable[str],
    special: tuple[str, ...],
    end: str,
    pad: str = "<|endoftext|>",
    named: Mapping[str, str] | None = None,
    bos: str | None = None,
):
    names = dict(named or {})
    every = (*special, *names.values())
    built = tiny.build_tokenizer(corpus, 400, special=every, pad=pad, end=end)
    backend = Tokenizer.from_str(built.backend_tokenizer.to_str())
    if (
        bos is not None
    ):  # said by the tokenizer, as by the real ones, whether the template says it or not
        backend.post_processor = TemplateProcessing(
            single=f"{bos} $A", special_tokens=[(bos, backend.token_to_id(bos))]
        )
    # once more, with the names under which a processor looks for its tokens
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token=pad,
        eos_token=end,
        bos_token=bos,
        additional_special_tokens=[
            token for token in special if token not in (pad, end, bos, *UNNAMED)
        ],
        padding_side="left",
        clean_up_tokenization_spaces=False,
        **names,
    )


def _qwen_images():
    return Qwen2VLImageProcessor(patch_size=4, min_pixels=SIDE**2, max_pixels=SIDE**2)


def _ids(processor) -> dict:
    tokenizer = processor.tokenizer
    return {
        "vocab_size": len(tokenizer) + SPARE,
        "bos_token_id": None,
        "pad_token_id": tokenizer.pad_token_id,
        "eos_token_id": tokenizer.eos_token_id,
    }


def _qwen_placeholders(processor) -> dict:
    find = processor.tokenizer.convert_tokens_to_ids
    names = {"image": "image_pad", "video": "video_pad"}
    names |= {"vision_start": "vision_start", "vision_end": "vision_end"}
    return {f"{key}_token_id": find(f"<|{token}|>") for key, token in names.items()}
