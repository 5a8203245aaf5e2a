"""How many studies a second `orapo generate` writes, beside one by one and a bare generate loop.

    python benchmarks/generate.py [--studies 128] [--batch-size 32] [--rounds 5] [--model DIR]

Three ways write the same reports of the same phantom films from files: ours in batches (what
`orapo generate` does between loading and the table: films read, FactS read, rows made), ours one by
one, and a bare loop at the same batch size (`Image.open`, processor, `model.generate`,
`batch_decode`, nothing else). They take turns, each round in another order; ratios are of the same
round, so that other work on the machine hits both sides. Wall time and processor time are given, the
median over the rounds. `--sampled` samples at temperature 1, the bare loop by transformers' own
sampling; reports differ there, so that all are written to the full length, lest luck decides how
many steps a batch takes. Without `--model` the demo's base is used.
"""

import argparse
import json
import statistics
import tempfile
import time
from functools import partial
from pathlib import Path

import torch
from PIL import Image

from orapo.data.conversation import REPORT_PROMPT, user_message
from orapo.data.manifest import read_manifest
from orapo.data.phantom import PhantomConfig, write_phantom
from orapo.generation import Decoding, load_checkpoint, sample_reports
from orapo.generation.batches import written_rows
from orapo.generation.inputs import ask
from orapo.generation.reports import Selection, placeholder_tokens
from orapo.generation.rows import Provenance
from orapo.models.base import tiny_base


def ours(model, processor, asked, decoding):
    """Reports as `orapo generate` writes them."""
    write = partial(sample_reports, model, processor, decoding=decoding)
    origin = Provenance("model", "revision", {})
    size = decoding.batch_size
    rows = written_rows(asked, write, size, Selection.FIRST, origin)
    return [row["report"] for batch in rows for row in batch]


def bare(model, processor, asked, decoding):
    """Reports by the shortest loop that gives the same."""
    processor.tokenizer.padding_side = "left"
    prompt = processor.apply_chat_template(
        user_message(REPORT_PROMPT, 1), add_generation_prompt=True
    )
    ends = model.generation_config.eos_token_id
    suppressed = placeholder_tokens(ends, processor.tokenizer)
    how = {"do_sample": False}
    if decoding.temperature:
        torch.manual_seed(0)
        how = {"do_sample": True, "temperature": decoding.temperature, "top_k": 0}
    reports = []
    for start in range(0, len(asked), decoding.batch_size):
        batch = asked[start : start + decoding.batch_size]
        films = [[Image.open(film) for film in one.films] for one in batch]
        inputs = processor(
            images=films, text=[prompt] * len(batch), return_tensors="pt", padding=True
        ).to(model.device)
        with torch.inference_mode():
            output = model.generate(
                **inputs,
                max_new_tokens=decoding.max_new_tokens,
                suppress_tokens=suppressed,
                **how,
            )
        answers = output[:, inputs["input_ids"].shape[1] :]
        reports += [
            text.strip() for text in processor.batch_decode(answers, skip_special_tokens=True)
        ]
    return reports


def timed(way):
    wall, processor = time.perf_counter(), time.process_time()
    reports = way()
    return reports, time.perf_counter() - wall, time.process_time() - processor


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=128)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--max-new-tokens", type=int, default=96)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--sampled", action="store_true")
    options = parser.parse_args()

    model, processor = load_checkpoint(options.model or tiny_base())
    decoding = Decoding(
        max_new_tokens=options.max_new_tokens,
        batch_size=options.batch_size,
        temperature=1.0 if options.sampled else 0.0,
    )
    if options.sampled:
        model.generation_config.min_new_tokens = options.max_new_tokens
    alone = Decoding(**{**vars(decoding), "batch_size": 1})
    with tempfile.TemporaryDirectory() as folder:
        manifest = write_phantom(Path(folder) / "p", {"test": options.studies}, 0, PhantomConfig())
        asked = ask(read_manifest(manifest), "frontal", ())
        ways = {
            "batched": lambda: ours(model, processor, asked, decoding),
            "bare": lambda: bare(model, processor, asked, decoding),
            "one by one": lambda: ours(model, processor, asked, alone),
        }
        for way in ("batched", "bare"):
            ways[way]()  # what is made once: kernels, FactS' vocabulary
        times = {way: [] for way in ways}
        written = {}
        for turn in range(options.rounds):
            names = list(ways)
            for name in names[turn % 3 :] + names[: turn % 3]:
                written[name], wall, processor_time = timed(ways[name])
                times[name].append((wall, processor_time))
    figures = {
        "studies": options.studies,
        "batch_size": options.batch_size,
        "rounds": options.rounds,
        "sampled": options.sampled,
        "device": str(model.device),
        "threads": torch.get_num_threads(),
        "studies a second": {
            name: round(options.studies / statistics.median(wall for wall, _ in each), 1)
            for name, each in times.items()
        },
        "same reports, batched and bare": written["batched"] == written["bare"],
        "same reports, batched and one by one": written["batched"] == written["one by one"],
    }
    for name, over, under in (
        ("one by one / batched", "one by one", "batched"),
        ("batched / bare", "batched", "bare"),
    ):
        for kind, place in (("wall", 0), ("processor", 1)):
            ratios = [a[place] / b[place] for a, b in zip(times[over], times[under], strict=True)]
            figures[f"{name}, {kind} time"] = {
                "median": round(statistics.median(ratios), 3),
                "from": round(min(ratios), 3),
                "to": round(max(ratios), 3),
            }
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
