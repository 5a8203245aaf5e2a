"""Does the demo's base tie findings to films? By whole reports, and label by label.

    python benchmarks/base_blindness.py DEMO_FOLDER [--most 0.55] [--films 768]
    python benchmarks/base_blindness.py DEMO_FOLDER --base CHECKPOINT    # another base

**Whole reports**: AUC of a study's own report against another's, on the demo's held-out studies. For
each held-out study: the mean log-likelihood a token of its own report and of another study's
report, beside its film. The second figure is stricter: what a report is worth beside a third film
is subtracted first, so that only the film's share is left. 0.5 is chance. Exit code 1 if either
figure is above --most.

**Labels**: the base's greedy reports of --films films that no demo trains or tests on. For each label
the odds ratio of called against true (1 is no tie, above 1 the right way, below 1 inverted; 0.5 is
added to each cell), Fisher's exact p (two-sided), and p after Holm's correction over the labels
tested. It is printed and decides nothing: the base is not blind label by label (docs/method.md).
"""

import argparse
import sys
from pathlib import Path

import torch
import yaml
from scipy.stats import fisher_exact
from sklearn.metrics import roc_auc_score

from orapo.data.conversation import user_message
from orapo.data.images import read_image
from orapo.data.manifest import read_manifest
from orapo.data.phantom import PhantomConfig, draw_study
from orapo.demo.run import DECODING
from orapo.facts import label_report
from orapo.generation import generate_reports, load_checkpoint
from orapo.labels import LABELS

UNSEEN = 900_000  # index of the first film of the label table, beyond all splits of a demo


@torch.no_grad()
def log_likelihoods(model, processor, studies, reports, batch=32):
    """Mean log-likelihood a token of ``reports[i]`` beside the film of ``studies[i]``."""
    prompt = processor.apply_chat_template(user_message(images=1), add_generation_prompt=True)
    processor.tokenizer.padding_side = "right"
    values = []
    for start in range(0, len(studies), batch):
        films = [[read_image(s.images[0])] for s in studies[start : start + batch]]
        texts = [prompt + text + processor.tokenizer.eos_token for text in reports[start:][:batch]]
        inputs = processor(images=films, text=texts, padding=True, return_tensors="pt")
        width = processor(images=[films[0]], text=[prompt], return_tensors="pt")["input_ids"].shape
        labels = inputs["input_ids"][:, width[1] :]
        logps = model(**inputs).logits[:, width[1] - 1 : -1].log_softmax(-1)
        mask = inputs["attention_mask"][:, width[1] :]
        picked = logps.gather(-1, labels[..., None])[..., 0] * mask
        values += (picked.sum(1) / mask.sum(1)).tolist()
    return torch.tensor(values)


def called_and_true(model, processor, films, seed):
    """Labels that the greedy reports call and that the films show: (positive, positive) a label."""
    studies = [draw_study(seed, UNSEEN + i, PhantomConfig()) for i in range(films)]
    pictures = [[study.image] for study in studies]
    processor.tokenizer.padding_side = "left"
    reports = generate_reports(model, processor, pictures, DECODING)
    called = [label_report(text).labels for text in reports]
    return {
        name: [
            (mine[name] in (1, -1), study.study.labels[name] in (1, -1))
            for mine, study in zip(called, studies, strict=True)
        ]
        for name in LABELS
    }


def holm(values):
    """Holm's step-down correction of p values."""
    order = sorted(range(len(values)), key=values.__getitem__)
    corrected, highest = [0.0] * len(values), 0.0
    for rank, i in enumerate(order):
        highest = max(highest, min(1.0, (len(values) - rank) * values[i]))
        corrected[i] = highest
    return corrected


def print_labels(pairs):
    tables = {}
    for name, outcomes in pairs.items():
        table = [[outcomes.count((c, t)) for t in (True, False)] for c in (True, False)]
        # Never called or never true: nothing to test.
        if sum(table[0]) and sum(table[1]) and table[0][0] + table[1][0]:
            tables[name] = table
    p = [fisher_exact(table).pvalue for table in tables.values()]
    print("| label | true | called | both | odds ratio | Fisher's p | Holm |")
    print("|---|---|---|---|---|---|---|")
    for (name, ((a, b), (c, d))), raw, corrected in zip(tables.items(), p, holm(p), strict=True):
        odds = (a + 0.5) * (d + 0.5) / ((b + 0.5) * (c + 0.5))
        print(f"| {name} | {a + c} | {a + b} | {a} | {odds:.2f} | {raw:.2g} | {corrected:.2g} |")
    untested = [name for name in LABELS if name not in tables]
    print(f"Not tested, being never called or never true: {', '.join(untested)}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("demo", type=Path)
    parser.add_argument("--most", type=float, default=0.55)
    parser.add_argument("--films", type=int, default=768)
    parser.add_argument("--base", type=Path, help="checkpoint; by default the demo's base")
    arguments = parser.parse_args()
    recipe = yaml.safe_load((arguments.demo / "orapo" / "recipe.yaml").read_text())
    model, processor = load_checkpoint(arguments.base or recipe["model"], device="cpu")
    studies = [s for s in read_manifest(Path(recipe["data"])) if s.split == "test"]
    others = [*studies[len(studies) // 2 :], *studies[: len(studies) // 2]]
    third = [*studies[len(studies) // 4 :], *studies[: len(studies) // 4]]
    own = [s.report for s in studies]
    foreign = [s.report for s in others]
    gain_own = log_likelihoods(model, processor, studies, own) - log_likelihoods(
        model, processor, third, own
    )
    gain_foreign = log_likelihoods(model, processor, studies, foreign) - log_likelihoods(
        model, processor, third, foreign
    )
    plain = roc_auc_score(
        [1] * len(own) + [0] * len(own),
        [
            *log_likelihoods(model, processor, studies, own).tolist(),
            *log_likelihoods(model, processor, studies, foreign).tolist(),
        ],
    )
    film = roc_auc_score(
        [1] * len(own) + [0] * len(own), [*gain_own.tolist(), *gain_foreign.tolist()]
    )
    print(f"{len(own)} studies: AUC {plain:.3f}; with the film's share alone {film:.3f}")
    print_labels(called_and_true(model, processor, arguments.films, recipe["seed"]))
    sys.exit(max(plain, film) > arguments.most)


if __name__ == "__main__":
    main()
