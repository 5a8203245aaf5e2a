"""What `.ci/quick-demo` demands of the short demo's results.

python .ci/check_demo.py metrics DEMO_FOLDER
python .ci/check_demo.py pictures FOLDER PREDICTIONS EXIT_CODE
"""

import json
import sys
from collections import Counter
from pathlib import Path

TRIVIAL = ("all_positive", "all_negative", "most_frequent", "prevalence_random")
SAMPLING = ("grpo_facts", "orapo_both")
TRAINED = (*SAMPLING, "sft")
ROWS = ("base", *TRAINED, *TRIVIAL)
SCORES = ("macro_f1", "macro_precision", "macro_recall", "micro_f1")
FILES = ("ablation.csv", "report.html")


def check_schema(metrics):
    """Demand the keys of metrics.json that others rely on."""
    for name in (
        *ROWS,
        "opening",
        "typical_study",
        "seed",
        "versions",
        "command",
        "difficulty",
        "total_seconds",
    ):
        assert name in metrics, f"metrics.json lacks {name}"
    for name in ROWS:
        row = metrics[name]
        for key in (*SCORES, "per_label"):
            assert key in row, f"metrics.json: {name} lacks {key}"
        for key in SCORES:
            assert 0 <= row[key] <= 1, f"metrics.json: {name}.{key} is {row[key]}"
        assert len(row["per_label"]) == 14, f"metrics.json: {name}.per_label lacks labels"
    for name in TRAINED:
        row = metrics[name]
        for key in ("seconds", "macro_f1_by_step", "macro_f1_interval"):
            assert key in row, f"metrics.json: {name} lacks {key}"
        assert row["seconds"] > 0
    for name in SAMPLING:
        row = metrics[name]
        for key in ("zero_reward_share", "rollouts"):
            assert key in row, f"metrics.json: {name} lacks {key}"
        assert row["rollouts"] > 0
        steps = [int(step) for step in row["zero_reward_share"]]
        assert steps, f"metrics.json: {name}.zero_reward_share is empty"
        assert steps == sorted(steps), f"metrics.json: {name}.zero_reward_share is out of order"
        assert all(0 <= share <= 1 for share in row["zero_reward_share"].values())
    assert isinstance(metrics["seed"], int)
    assert {"orapo", "torch", "transformers", "trl"} <= metrics["versions"].keys()


def check_metrics(folder):
    metrics = json.loads((folder / "metrics.json").read_text())
    figures = {name: metrics[name]["macro_f1"] for name in ROWS}
    print(f"quick demo ({metrics['difficulty']}), macro-F1:")
    for name, value in figures.items():
        print(f"  {name:<18}{value:.3f}")
    print(f"  {metrics['total_seconds']:.0f} s: {metrics['stage_seconds']}")
    check_schema(metrics)
    for name in FILES:
        assert (folder / name).stat().st_size > (0 if name.endswith(".csv") else 1000), name
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert page.count("<svg") > 1, "report.html lacks the plots of the training and of the labels"
    assert figures["base"] <= max(figures[name] for name in TRIVIAL), "the base knows too much"
    # Measured +0.22 and, with FactS of the day after, +0.16 (one seed, 2026-11-29 and 30): so short a run is known
    # to some hundredths. Twice the base and +0.05 are out of the reach of a run that learned nothing.
    floor = max(2 * figures["base"], figures["base"] + 0.05)
    assert figures["orapo_both"] >= floor, f"OraPO has not learned: below {floor:.3f}"


def check_pictures(folder, predictions, code):
    """Demand a row a picture; an unreadable one has its reason and makes the exit code 1."""
    files = [path for path in folder.iterdir() if path.suffix in (".png", ".jpg")]
    stems = Counter(path.stem for path in files)
    pictures = {path.stem if stems[path.stem] == 1 else path.name for path in files}
    rows = [json.loads(line) for line in predictions.read_text().splitlines()]
    assert pictures, f"{folder}: no pictures"
    assert {row["study_id"] for row in rows} == pictures
    assert len(rows) == len(pictures)
    failed = sum(bool(row["error"]) for row in rows)
    assert code == (1 if failed else 0), f"orapo generate exited with {code}, {failed} failed"
    print(f"{len(rows)} real pictures, {len(rows) - failed} reports")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["metrics", folder]:
            check_metrics(Path(folder))
        case ["pictures", folder, predictions, code]:
            check_pictures(Path(folder), Path(predictions), int(code))
        case _:
            sys.exit(__doc__)
