"""Does the demo's base tie findings to films? AUC of a study's own report against another's.

    python benchmarks/base_blindness.py DEMO_FOLDER [--most 0.55]

For each held-out study: the mean log-likelihood a token of its own report and of another study's
report, beside its film. The second figure is stricter: what a report is worth beside a third film
is subtracted first, so that only the film's share is left. 0.5 is chance. Exit code 1 if either
figure is above --most.
"""

import argparse
import sys
from pathlib import Path

import torch
import yaml
from sklearn.metrics import roc_auc_score

from orapo.data.conversation import user_message
from orapo.data.images import read_image
from orapo.data.manifest import read_manifest
from orapo.generation import load_checkpoint


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


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("demo", type=Path)
    parser.add_argument("--most", type=float, default=0.55)
    arguments = parser.parse_args()
    recipe = yaml.safe_load((arguments.demo / "orapo" / "recipe.yaml").read_text())
    model, processor = load_checkpoint(recipe["model"], device="cpu")
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
    sys.exit(max(plain, film) > arguments.most)


if __name__ == "__main__":
    main()
