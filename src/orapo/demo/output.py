"""What the demo leaves: metrics, a table, and the page, which begins with what was learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from orapo.ablation.trainings import Trained
from orapo.data.study import Study
from orapo.data.tables.writing import write_rows
from orapo.demo.plan import OURS, DemoPlan
from orapo.evaluation.pages.report import write_report
from orapo.evaluation.pages.shown_studies import ShownStudy
from orapo.evaluation.plots.curves import label_f1_curves, zero_reward_curve
from orapo.evaluation.plots.results import per_label_bars
from orapo.evaluation.rows import result_rows, row_title
from orapo.facts import FactSReward
from orapo.labels import DEFAULT_UNCERTAIN, LABELS
from orapo.writing import json_text, write_text

UNCERTAIN = DEFAULT_UNCERTAIN
"""The demo's convention in reward and table alike; every result names it."""
TOO_SHORT = (
    "A short demo: too few steps for any method to learn much, so scores below those of the trivial "
    "baselines are expected."
)
LEARNED: Final = 0.5
MISSED: Final = 0.1
"""F1 of a label from which the opening sentence says "reads", and below which it says "misses"."""
RARE = ("Lung Lesion", "Fracture")


def opening(metrics: Mapping[str, Any], plan: DemoPlan) -> str:
    """Return what was learned, in one sentence.

    Args:
        metrics: The rows, trivial baselines included.
        plan: Of the demo.
    """
    ours = metrics[OURS]
    low, high = ours["macro_f1_interval"]
    known = {label: score["f1"] for label, score in ours["per_label"].items() if score["support"]}
    learned = [label for label, f1 in known.items() if f1 >= LEARNED]
    missed = [label for label, f1 in known.items() if f1 < MISSED]
    return (
        f"From {plan.train_studies} studies, {row_title(OURS)} reached a macro-F1 of {ours['macro_f1']:.3f} "
        f"({low:.3f} to {high:.3f}) on {plan.test_studies} held-out films: "
        f"it reads {', '.join(learned) or 'no finding'} (F1 of {LEARNED} or more)"
        + (f" and misses {', '.join(missed)} (below {MISSED})" if missed else "")
        + "."
    )


def typical(reports: Mapping[str, str], test: Sequence[Study]) -> str:
    """Return the id of the study on which a model is as good as on half of the others."""
    rewards = FactSReward()(
        [reports[study.study_id] for study in test], labels=[study.labels for study in test]
    )
    known = [
        (reward, study.study_id)
        for reward, study in zip(rewards, test, strict=True)
        if reward is not None
    ]
    return sorted(known)[len(known) // 2][1] if known else ""


def write_results(
    out: Path,
    plan: DemoPlan,
    metrics: Mapping[str, Any],
    arms: Mapping[str, Trained],
    reports: Mapping[str, Mapping[str, str]],
    test: Sequence[Study],
) -> None:
    """Write metrics, table, plots and page.

    Args:
        out: The demo's folder.
        plan: Of the demo.
        metrics: As ``metrics.json`` holds them.
        arms: The trainings, by row.
        reports: By row, then by study.
        test: The held-out studies.
    """
    write_text(out / "metrics.json", json_text(metrics, indent=1))
    _write_ablation(out / "ablation.csv", metrics)
    shares = {
        name: [(int(step), share) for step, share in metrics[name]["zero_reward_share"].items()]
        for name in arms
        if "zero_reward_share" in metrics[name]
    }
    drawn = [name for name in LABELS if metrics[OURS]["per_label"][name]["support"]]
    curves = {
        name: {
            label: [(probe["step"], probe["per_label"][label]) for probe in arm.probes]
            for label in drawn
        }
        for name, arm in arms.items()
    }
    probe = metrics["plan"]["probe_studies"]
    plots = {
        "Share of rollouts without any reward": out / "zero_reward_share.svg",
        f"Per-label F1 during training, on {probe} validation studies (shaded: rare labels)": out
        / "label_f1.svg",
        f"Per-label F1 at the end, on the {len(test)} held-out studies": out / "per_label.svg",
    }
    zero, by_step, bars = plots.values()
    zero_reward_curve(shares, zero)
    label_f1_curves(curves, by_step, RARE)
    per_label_bars({name: metrics[name]["per_label"] for name in ("base", *arms)}, bars)
    shown = [
        ShownStudy(
            study.study_id,
            study.images[0],
            study.report,
            study.labels,
            {name: texts[study.study_id] for name, texts in reports.items()},
        )
        for study in test
    ]
    notes: tuple[str, ...] = (
        f"Synthetic films and reports, difficulty {metrics['difficulty']!r} (docs/phantom.md): "
        "this page shows that the line works and what it learned, not how it does on patients.",
        "One seed; intervals over patients. FactS is reward and measure here, against the drawn truth as "
        "reference.",
        "OraPO with likelihood is OraPO with the report's likelihood beside DPO (lesson: both), which is not "
        "in the paper. GRPO + FactS is tuned: a third of the others' learning rate, advantages divided by the "
        "group's spread, the best of four settings; at the others' rate it falls to one or two kinds of "
        "report. Settings were chosen on the validation split of other phantoms.",
        f"The base sees a little: in {plan.base.sight:.0%} of its warm-up's samples the report was that of the film "
        "shown.",
    )
    if plan.short:
        notes = (f"{TOO_SHORT} It is for checking that all works.", *notes)
    write_report(
        out / "report.html",
        metrics,
        plots,
        shown,
        notes,
        title=f"orapo demo: GRPO, SFT and OraPO on {metrics['difficulty']} phantom films",
        opening=metrics["opening"],
        shown=metrics["typical_study"],
        uncertain=UNCERTAIN,
        data=out / "report.json",
    )


def _write_ablation(path: Path, metrics: Mapping[str, Any]) -> None:
    columns = ("method", "macro_f1", "macro_precision", "macro_recall", "micro_f1")
    extra = ("r2gen_macro_f1", "rollouts", "seconds")
    with write_rows(path, (*columns, *extra, *LABELS)) as write:
        for name, row in result_rows(metrics).items():
            figures = {key: row[key] for key in (*columns[1:], *extra) if key in row}
            per_label = {label: row["per_label"][label]["f1"] for label in LABELS}
            write({"method": name, **figures, **per_label})
