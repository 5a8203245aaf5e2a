"""Does the demo's base tie findings to films? By whole reports, and label by label.

    python benchmarks/base_blindness.py DEMO_FOLDER [--most 0.55] [--films 768]
    python benchmarks/base_blindness.py DEMO_FOLDER --base CHECKPOINT    # another base
    python benchmarks/base_blindness.py --sight 0.3                      # BaseRecipe(sight=0.3), no demo needed

**Whole reports**: AUC of a study's own report against another's, on the demo's held-out studies (with --sight: on
256 studies of the phantom of seed 0). For
each held-out study: the mean log-likelihood a token of its own report and of another study's
report, beside its film. The second figure is stricter: what a report is worth beside a third film
is subtracted first, so that only the film's share is left. 0.5 is chance. Exit code 1 if either
figure is above --most; with --sight nothing is expected.

**Where GRPO begins**: macro-F1 and precision of the greedy reports of --films films, and the share of zero rewards and
of groups without any (K = 4, temperature 1) on the first 256 of them.

**Labels**: the base's greedy reports of --films films that no demo trains or tests on. For each label
the odds ratio of called against true (1 is no tie, above 1 the right way, below 1 inverted; 0.5 is
added to each cell), Fisher's exact p (two-sided), and p after Holm's correction over the labels
tested. It is printed and decides nothing: the base is not blind label by label (docs/method.md).
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import torch
import yaml
from scipy.stats import fisher_exact
from sklearn.metrics import roc_auc_score

from orapo.data.conversation import REPORT_PROMPT, user_message
from orapo.data.films.images import read_image
from orapo.data.manifest import read_manifest
from orapo.data.phantom import PhantomConfig, draw_study
from orapo.demo.plan import OURS, DemoPlan
from orapo.demo.run import DECODING
from orapo.evaluation import clinical_scores
from orapo.facts import FactSReward, label_report
from orapo.generation import generate_reports, load_checkpoint
from orapo.generation.reports import sample_reports
from orapo.labels import LABELS
from orapo.models.base import tiny_base

K = 4
UNSEEN = 900_000  # index of the first film of the label table, beyond all splits of a demo


@torch.no_grad()
def log_likelihoods(model, processor, pictures, reports, batch=32):
    """Mean log-likelihood a token of ``reports[i]`` beside ``pictures[i]``."""
    prompt = processor.apply_chat_template(user_message(images=1), add_generation_prompt=True)
    processor.tokenizer.padding_side = "right"
    values = []
    for start in range(0, len(pictures), batch):
        films = [[picture] for picture in pictures[start : start + batch]]
        texts = [prompt + text + processor.tokenizer.eos_token for text in reports[start:][:batch]]
        inputs = processor(images=films, text=texts, padding=True, return_tensors="pt")
        width = processor(images=[films[0]], text=[prompt], return_tensors="pt")["input_ids"].shape
        labels = inputs["input_ids"][:, width[1] :]
        logps = model(**inputs).logits[:, width[1] - 1 : -1].log_softmax(-1)
        mask = inputs["attention_mask"][:, width[1] :]
        picked = logps.gather(-1, labels[..., None])[..., 0] * mask
        values += (picked.sum(1) / mask.sum(1)).tolist()
    return torch.tensor(values)


def called_and_true(model, processor, studies):
    """Labels that the greedy reports call and that the films show: (positive, positive) a label."""
    pictures = [[study.image] for study in studies]
    reports = generate_reports(model, processor, pictures, DECODING)
    called = [label_report(text).labels for text in reports]
    scores = clinical_scores(called, [study.study.labels for study in studies])
    print(f"Greedy reports: macro-F1 {scores.macro_f1:.3f}, precision {scores.macro_precision:.3f}")
    return {
        name: [
            (mine[name] in (1, -1), study.study.labels[name] in (1, -1))
            for mine, study in zip(called, studies, strict=True)
        ]
        for name in LABELS
    }


def print_zero_rewards(model, processor, studies):
    """The share of zero rewards, and of groups that earn nothing, where training begins."""
    decoding = replace(DECODING, temperature=1.0, samples=K)
    rewards = []
    for start in range(0, len(studies), 32):
        part = studies[start : start + 32]
        names, prompts = [one.study.study_id for one in part], [REPORT_PROMPT] * len(part)
        films = [[one.image] for one in part]
        written = sample_reports(model, processor, films, prompts, names, decoding)
        for one, samples in zip(part, written, strict=True):
            texts = [sample.text for sample in samples]
            rewards.append([value or 0.0 for value in FactSReward()(texts, [one.study.labels] * K)])
    zero = (torch.tensor(rewards) == 0).float()
    groups = zero.all(dim=1).float().mean()
    print(
        f"Sampled, K = {K}: {zero.mean():.3f} of the rewards are zero, {groups:.3f} of the groups all"
    )


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
    parser.add_argument("demo", type=Path, nargs="?")
    parser.add_argument("--most", type=float, default=0.55)
    parser.add_argument("--films", type=int, default=768)
    parser.add_argument("--base", type=Path, help="checkpoint; by default the demo's base")
    parser.add_argument("--sight", type=float, help="of a base to make, in place of a demo's")
    arguments = parser.parse_args()
    if (arguments.demo is None) is (arguments.sight is None):
        parser.error("either a demo's folder or --sight")
    if arguments.demo is None:
        base, seed = tiny_base(replace(DemoPlan().base, sight=arguments.sight)), 0
        drawn = [draw_study(seed, UNSEEN // 2 + i, PhantomConfig()) for i in range(256)]
        films, own = [one.image for one in drawn], [one.study.report for one in drawn]
    else:
        recipe = yaml.safe_load((arguments.demo / OURS / "recipe.yaml").read_text())
        base, seed = recipe["model"], recipe["seed"]
        studies = [s for s in read_manifest(Path(recipe["data"])) if s.split == "test"]
        films = [read_image(study.images[0]) for study in studies]
        own = [study.report for study in studies]
    model, processor = load_checkpoint(arguments.base or base, device="cpu")
    half, quarter = len(films) // 2, len(films) // 4
    foreign = [*own[half:], *own[:half]]
    third = [*films[quarter:], *films[:quarter]]
    gain_own = log_likelihoods(model, processor, films, own) - log_likelihoods(
        model, processor, third, own
    )
    gain_foreign = log_likelihoods(model, processor, films, foreign) - log_likelihoods(
        model, processor, third, foreign
    )
    plain = roc_auc_score(
        [1] * len(own) + [0] * len(own),
        [
            *log_likelihoods(model, processor, films, own).tolist(),
            *log_likelihoods(model, processor, films, foreign).tolist(),
        ],
    )
    film = roc_auc_score(
        [1] * len(own) + [0] * len(own), [*gain_own.tolist(), *gain_foreign.tolist()]
    )
    print(f"{len(own)} studies: AUC {plain:.3f}; with the film's share alone {film:.3f}")
    unseen = [draw_study(seed, UNSEEN + i, PhantomConfig()) for i in range(arguments.films)]
    processor.tokenizer.padding_side = "left"
    torch.manual_seed(seed)
    print_zero_rewards(model, processor, unseen[:256])
    print_labels(called_and_true(model, processor, unseen))
    sys.exit(arguments.sight is None and max(plain, film) > arguments.most)


if __name__ == "__main__":
    main()
