"""Does `orapo preferences check` flag the careless rater, and no other, whatever the raters' noise?

    python benchmarks/careless_raters.py [--seeds 100] [--pairs 300] [--temperatures 0.05 0.1 0.2 0.4] [--out DIR]

Two simulated systems write reports of 400 studies of the phantom; four raters (recall, precision,
style, careless) judge a sheet of them. With `--out`, sheet, judgements and page of the first seed.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from statistics import mean

from rich import box
from rich.console import Console
from rich.table import Table

from orapo.data.phantom import PhantomConfig, draw_study
from orapo.evaluation.inputs import Reference
from orapo.preferences.candidates import candidates
from orapo.preferences.check import check_judgements
from orapo.preferences.judgements import Judgements
from orapo.preferences.page import write_check
from orapo.preferences.pairing import PairingOptions, Sheet, make_sheet
from orapo.preferences.sheet import write_sheet_folder
from orapo.preferences.simulated import TASTES, simulate, simulated_raters, simulated_system


def main() -> None:
    """Simulate and count."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--pairs", type=int, default=300)
    parser.add_argument("--temperatures", type=float, nargs="+", default=[0.05, 0.1, 0.2, 0.4])
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    studies = [draw_study(0, at, PhantomConfig(size=32)).study for at in range(400)]
    truth = {
        one.study_id: Reference(
            one.study_id, one.labels, "given", one.report, patient_id=one.patient_id
        )
        for one in studies
    }
    sheet = _sheet(truth, options.pairs)
    labels = {name: one.labels for name, one in truth.items()}
    pairs = {one.pair: one for one in sheet.pairs}
    keys = {one.pair: one for one in sheet.keys}
    table = Table(
        title=f"Flagged in {options.seeds} simulations of {options.pairs} pairs",
        box=box.SIMPLE_HEAD,
    )
    for heading in ("temperature", *TASTES, "same again, each"):
        table.add_column(heading, justify="right")
    for temperature in options.temperatures:
        flagged: Counter[str] = Counter()
        again: dict[str, list[float]] = {name: [] for name in TASTES}
        for seed in range(options.seeds):
            judged = simulate(sheet.pairs, labels, simulated_raters(temperature=temperature), seed)
            found = check_judgements(Judgements(judged), pairs, keys, resamples=200, seed=seed)
            flagged.update(found["flagged"])
            for name, each in found["raters"].items():
                again[name].append(each["self_agreement"]["value"])
            if options.out and not seed and temperature == options.temperatures[0]:
                write_sheet_folder(options.out, sheet, sheet.counts)
                write_check(options.out, found)
        shares = ", ".join(f"{mean(values):.2f}" for values in again.values())
        table.add_row(f"{temperature:g}", *(str(flagged[name]) for name in TASTES), shares)
    Console(width=90).print(table)
    if options.out:
        print(json.dumps(sheet.counts))


def _sheet(truth: dict[str, Reference], pairs: int) -> Sheet:
    right = {study: one.report for study, one in truth.items()}
    systems = {
        "careful": simulated_system(right, left_out=0.2, foreign=0.1, seed=0),
        "wild": simulated_system(right, left_out=0.4, foreign=0.4, samples=3, seed=1),
    }
    patients = {study: one.patient_id for study, one in truth.items()}
    reports = candidates(systems, truth, "cosine")
    return make_sheet(reports, {}, patients, PairingOptions(pairs=pairs), "cosine")


if __name__ == "__main__":
    main()
