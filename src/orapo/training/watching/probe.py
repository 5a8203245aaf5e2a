"""Probes: what a run writes on held-out studies now and then, and how good that is."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, Final, overload

from PIL import Image
from transformers import TrainerCallback

from orapo.data.conversation import Views, previous_studies, shown_films, study_prompt
from orapo.data.films.images import read_image
from orapo.data.study import Study
from orapo.data.target import check_target, study_labels, target_text
from orapo.evaluation import clinical_scores
from orapo.evaluation.detail import macro_f1_interval
from orapo.evaluation.pages.report import write_report
from orapo.evaluation.pages.shown_studies import ShownStudy
from orapo.facts import label_report
from orapo.generation import Decoding, generate_reports
from orapo.labels import UncertainPolicy
from orapo.training.config import OraPOConfig
from orapo.training.rewards.learned import LearnedReward
from orapo.training.surviving.films import SetAside, readable_studies
from orapo.training.surviving.json_lines import JsonLines
from orapo.training.watching.guard import Guard


class _Films(Sequence[list[Image.Image]]):
    """The films of studies, read when they are taken: a probe's films may not fit into memory."""

    def __init__(self, paths: Sequence[Sequence[Path]]) -> None:
        self._paths = paths

    def __len__(self) -> int:
        return len(self._paths)

    @overload
    def __getitem__(self, index: int) -> list[Image.Image]: ...
    @overload
    def __getitem__(self, index: slice) -> list[list[Image.Image]]: ...
    def __getitem__(self, index: int | slice) -> list[Image.Image] | list[list[Image.Image]]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        return [read_image(path) for path in self._paths[index]]


SAMPLES_FILE: Final = "samples.html"
SAMPLES: Final = 8


class Probe(TrainerCallback):
    """Scores greedy reports on some held-out studies now and then (the paper's Figure 2).

    Beside its file of figures it leaves a page with films and reports of a few of them, the same ones
    every time; nothing of it leaves the machine.

    Attributes:
        announce: Gets the figures of every probe; by default nobody does.
        learned: A learned reward that is asked about the reports too; None: there is none.
        guard: Is told of every probe.
        together: Whether all processes write the reports: where each holds a part of the weights
            (FSDP, ZeRO-3), one alone would wait for the others for ever. The first one scores.
    """

    def __init__(
        self,
        path: Path,
        studies: Sequence[Study],
        every: int,
        config: OraPOConfig,
        processor: Any,
        *,
        target: str,
        views: Views,
        prompt_fields: Sequence[str],
        max_unreadable_share: float,
    ) -> None:
        self.lines = JsonLines(path)
        self.announce: Callable[[dict[str, float]], object] = lambda figures: None
        self.learned: LearnedReward | None = None
        self.guard: Guard | None = None
        self.together = False
        self.every = every
        self.processor = processor
        self.uncertain = UncertainPolicy(config.uncertain)
        unlisted = SetAside(len(studies), max_unreadable_share)
        studies = readable_studies(studies, views, unlisted, quiet=True)
        before = previous_studies(studies)
        self.prompts = [
            study_prompt(study, prompt_fields, previous=before.get(study.study_id))
            for study in studies
        ]
        self.names = [study.study_id for study in studies]
        self.references = [target_text(study, check_target(target)) for study in studies]
        self.labels = [study_labels(study, check_target(target)) for study in studies]
        self.patients = [study.patient_id for study in studies]
        self.films = _Films([shown_films(study, views) for study in studies])
        self.decoding = Decoding(
            max_new_tokens=config.max_completion_length or 256,
            batch_size=4 * config.per_device_train_batch_size,
        )

    def on_train_begin(
        self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any
    ) -> None:
        """Score the model that training begins with, once."""
        if state.is_world_process_zero:
            self.lines.cut(state.global_step)
        if state.global_step == 0:
            self._probe(state, model)

    def on_step_end(
        self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any
    ) -> None:
        """Score the model if it is time."""
        if state.global_step % self.every == 0:
            self._probe(state, model)

    def _probe(self, state: Any, model: Any) -> None:
        if not (state.is_world_process_zero or self.together):
            return
        start = time.monotonic()
        training = model.training
        model.eval()
        reports = list(
            generate_reports(model, self.processor, self.films, self.decoding, self.prompts)
        )
        model.train(training)
        if state.is_world_process_zero:
            self._score(state.global_step, reports, start)
            if self.guard is not None:
                self.guard.probed(model)

    def _score(self, step: int, reports: Sequence[str], start: float) -> None:
        read = [label_report(text).labels for text in reports]
        scores = clinical_scores(read, self.labels, uncertain=self.uncertain)
        interval = macro_f1_interval(read, self.labels, self.patients, uncertain=self.uncertain)
        per_label = {name: item["f1"] for name, item in scores.per_label.items()}
        learned = {} if self.learned is None else self._liked(self.learned, reports)
        self.lines.add(
            {
                "step": step,
                "macro_f1": scores.macro_f1,
                # JSON has no NaN: without a positive reference there is no F1
                "macro_f1_interval": [
                    None if end != end else end for end in (interval.low, interval.high)
                ],
                **learned,
                "per_label": per_label,
                "seconds": round(time.monotonic() - start, 2),
            }
        )
        self._show(step, reports)
        self.announce(
            {"probe/macro_f1": scores.macro_f1}
            | {f"probe/{name}": value for name, value in learned.items()}
            | {f"probe/{name}": value for name, value in per_label.items()}
        )

    def _liked(self, learned: LearnedReward, reports: Sequence[str]) -> dict[str, float]:
        """Return the mean learned reward of reports, of those where it is known, and its factor."""
        films = self.films[:] if learned.model.kind == "vision" else None
        values = [one for one in learned.rewards(reports, films, self.labels) if one is not None]
        return {"learned": fmean(values or [0.0]), "learned_factor": learned.factor}

    def _show(self, step: int, reports: Sequence[str]) -> None:
        places = range(0, len(reports), max(1, len(reports) // SAMPLES))
        shown = [
            ShownStudy(
                self.names[place],
                self.films[place][0] if self.films[place] else None,
                self.references[place],
                self.labels[place],
                {"model": reports[place]},
            )
            for place in list(places)[:SAMPLES]
        ]
        write_report(
            self.lines.path.with_name(SAMPLES_FILE),
            {},
            {},
            shown,
            title=f"Held-out studies at step {step}",
            uncertain=self.uncertain,
        )
