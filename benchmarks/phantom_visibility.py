"""How much of each finding can be seen at each level: AUC of a small CNN on the drawn truth.

    python benchmarks/phantom_visibility.py [--train 5000] [--test 1200] [--epochs 10]

The network is trained on what was drawn (not on the reports) and tested on other films. Prints the
table of docs/phantom.md.
"""

import argparse
import sys
import time

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from torch import nn

from orapo.data.phantom import DIFFICULTIES, PREVALENCE, PhantomConfig, draw_study

HELD_OUT = 600_000  # index of the first held-out study, as in a phantom's test split
LABELS = sorted(PREVALENCE, key=PREVALENCE.get, reverse=True)


def drawn(start, count, config, seed):
    """Return films (N, 1, H, W) and which findings they show (N, labels)."""
    studies = [draw_study(seed, start + i, config) for i in range(count)]
    films = np.stack([np.asarray(study.image) for study in studies])
    truth = [[any(f.label == name for f in s.drawn) for name in LABELS] for s in studies]
    return torch.from_numpy(films)[:, None].float() / 127.5 - 1, torch.tensor(truth).float()


def network():
    layers, before = [], 1
    for width in (16, 32, 64, 96):
        layers += [nn.Conv2d(before, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()]
        layers += [nn.MaxPool2d(2)]
        before = width
    # The place matters (a line in a rib, fluid at a base), so nothing is averaged over the film.
    return nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.3), nn.Linear(96 * 16, len(LABELS)))


def areas(films, truth, held_films, held_truth, epochs, seed):
    torch.manual_seed(seed)
    model = network()
    steps = epochs * (len(films) // 64)
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps)
    order = torch.Generator().manual_seed(seed)
    for _ in range(epochs):
        rows = torch.randperm(len(films), generator=order)
        for batch in rows[: len(films) // 64 * 64].split(64):
            loss = nn.functional.binary_cross_entropy_with_logits(model(films[batch]), truth[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    model.eval()
    with torch.no_grad():
        scores = torch.cat([model(part) for part in held_films.split(256)])
    return [roc_auc_score(held_truth[:, i], scores[:, i]) for i in range(len(LABELS))]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--train", type=int, default=5000)
    parser.add_argument("--test", type=int, default=1200)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    columns, positive = {}, None
    for level, difficulty in DIFFICULTIES.items():
        start = time.monotonic()
        config = PhantomConfig(difficulty=difficulty)
        held = drawn(HELD_OUT, arguments.test, config, arguments.seed)
        seen = drawn(0, arguments.train, config, arguments.seed)
        columns[level] = areas(*seen, *held, arguments.epochs, arguments.seed)
        positive = held[1].sum(0).int().tolist()
        print(f"{level}: {time.monotonic() - start:.0f} s", file=sys.stderr)
    print(f"| label | held-out films | {' | '.join(columns)} |")
    print("|---" * (2 + len(columns)) + "|")
    for i, name in enumerate(LABELS):
        row = " | ".join(f"{column[i]:.2f}" for column in columns.values())
        print(f"| {name} | {positive[i]} | {row} |")


if __name__ == "__main__":
    main()
