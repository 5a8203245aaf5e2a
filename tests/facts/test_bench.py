"""FactS on real reports and on texts with labels beyond dispute, where ORAPO_BENCH points to them."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from orapo.facts import RulesEngine
from orapo.labels import LABELS

BENCH = Path(os.environ.get("ORAPO_BENCH", "/nowhere"))
pytestmark = [
    pytest.mark.bench,
    pytest.mark.skipif(not BENCH.is_dir(), reason="ORAPO_BENCH points to no data"),
]


def ran(script, *words):
    done = subprocess.run([sys.executable, BENCH / script, *words], capture_output=True, text=True)
    return done.returncode, done.stdout


def test_every_form_of_writing_earns_what_prose_earns_and_no_game_pays():
    code, said = ran("reward_forms.py", BENCH / "gold_dev.csv")
    assert code == 0, said


def test_short_texts_beyond_dispute_are_read_right():
    _, said = ran("score_cases.py", BENCH / "facts_cases_dev.jsonl", "--show")
    right, all_of_them = (int(said.rsplit("all: ", 1)[1].split()[i]) for i in (0, 2))
    assert right >= all_of_them - 5, said


@pytest.mark.parametrize(
    ("name", "blank", "figure", "least"),
    [
        ("gold_dev", "negative", "U+", ("macro_f1", 0.975)),
        ("gold_dev", "negative", "U-", ("macro_f1", 0.975)),
        ("gold_dev", "negative", "neg", ("micro_f1", 0.985)),
        ("gold_dev", "negative", "unc", ("micro_f1", 0.91)),
        ("openi_dev", "skip", "U+", ("micro_f1", 0.915)),
    ],
)
def test_reports_read_by_people_are_read_alike(tmp_path, name, blank, figure, least):
    engine = RulesEngine()
    with (BENCH / f"{name}.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    with (tmp_path / "read.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["uid", *LABELS])
        for row in rows:
            labels = engine.read(row["report"]).labels
            cells = ["" if labels[k] is None else labels[k] for k in LABELS]
            writer.writerow([row["uid"], *cells])
    code, said = ran(
        "score_labels.py", BENCH / f"{name}.csv", tmp_path / "read.csv",
        "--blank", blank, "--json", tmp_path / "figures.json",
    )  # fmt: skip
    assert code == 0, said
    figures = json.loads((tmp_path / "figures.json").read_text())["summary"][figure]
    assert figures[least[0]] >= least[1]
