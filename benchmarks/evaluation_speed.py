"""How long a whole clinical evaluation takes, beside a plain loop over scikit-learn.

    python benchmarks/evaluation_speed.py [--studies 3858] [--resamples 1000]

Phantom texts stand in for a test split of MIMIC-CXR's size. One core, one run, in processor time, for
the machine may have other work: the evaluation with all conventions, labels, report figures and
intervals, and a bootstrap of the macro F1 alone (median of five) beside one that calls scikit-learn for
each resample (a tenth of the resamples, times ten). Language metrics, which need the extra
``language``, are timed apart.
"""

import argparse
import json
import os
import resource
import time

import numpy as np
from sklearn.metrics import f1_score

from orapo.data.phantom import PhantomConfig
from orapo.data.phantom.findings import sample_findings
from orapo.data.phantom.reports import write_report
from orapo.evaluation.bootstrap import Resampler
from orapo.evaluation.clinical import clinical_scores, label_matrix
from orapo.evaluation.counts import Counts, convention_figures, conventions_named
from orapo.evaluation.detail import Evaluated, detailed
from orapo.evaluation.figures.language import language_detail, language_figures
from orapo.evaluation.figures.r2gen_language import r2gen_detail, r2gen_figures
from orapo.evaluation.figures.wording import wording
from orapo.evaluation.report_figures import report_figures, sameness
from orapo.facts import RulesEngine
from orapo.labels import DEFAULT_UNCERTAIN, UncertainPolicy


def written(count, seed):
    rng, config = np.random.default_rng(seed), PhantomConfig()
    return [
        write_report(rng, sample_findings(rng, config.uncertain_share), config).text
        for _ in range(count)
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=3858)
    parser.add_argument("--resamples", type=int, default=1000)
    options = parser.parse_args()
    generated, truth = written(options.studies, 0), written(options.studies, 1)
    patients = [f"p{n // 2}" for n in range(options.studies)]

    start = time.process_time()
    engine = RulesEngine()
    read, references = ([engine.read(text) for text in side] for side in (generated, truth))
    predicted, labels = ([report.labels for report in side] for side in (read, references))
    clinical_scores(predicted, labels)
    evaluated = Evaluated(
        label_matrix(predicted, "prediction"),
        label_matrix(labels, "reference"),
        report_figures(read, labels, references),
        patients,
        {"half": ["first" if n % 2 else "second" for n in range(options.studies)]},
    )
    detailed(
        evaluated,
        np.ones_like(evaluated.reference),
        uncertain=DEFAULT_UNCERTAIN,
        resamples=options.resamples,
        seed=0,
    )
    sameness(generated)
    wording(predicted, labels, Resampler(patients, options.resamples))
    ours = time.process_time() - start
    clinical_memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    start = time.process_time()
    resampler = Resampler(patients, options.resamples)
    language_detail(language_figures(generated, truth), resampler)
    language = time.process_time() - start
    start = time.process_time()
    r2gen_detail(r2gen_figures(generated, truth), resampler)
    r2gen = time.process_time() - start

    call, true = evaluated.predicted == 1, evaluated.reference == 1
    rng = np.random.default_rng(0)
    start = time.process_time()
    for _ in range(options.resamples // 10):
        rows = rng.integers(0, options.studies, options.studies)
        f1_score(true[rows], call[rows], average="macro", zero_division=0)
    loop = 10 * (time.process_time() - start)

    (macro,) = conventions_named(["r2gen_macro"])
    times = []
    for _ in range(5):
        start = time.process_time()
        counts = Counts.of(evaluated.predicted, evaluated.reference, UncertainPolicy.NEGATIVE)
        Resampler([""] * options.studies, options.resamples).interval(
            lambda weights: convention_figures(counts, macro, weights)["f1"]  # noqa: B023
        )
        times.append(time.process_time() - start)
    same = float(np.median(times))
    figures = {
        "studies": options.studies,
        "resamples": options.resamples,
        "whole evaluation, processor seconds": ours,
        "its peak memory, MB": clinical_memory,
        "language metrics, processor seconds": language,
        "language metrics by R2Gen's convention, processor seconds": r2gen,
        "bootstrap of one macro F1, processor seconds": same,
        "the same in a loop over scikit-learn, processor seconds": loop,
        "ratio": loop / same,
        "peak memory, MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    main()
