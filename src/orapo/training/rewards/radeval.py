"""A metric of RadEval as a reward term: a process of its own that stays for the whole run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from typing import Any, Final

from orapo.errors import OrapoError
from orapo.evaluation.figures import radeval_runner
from orapo.evaluation.figures.radeval import OFFERED, WEIGHTS
from orapo.facts.reward import Completion, completion_text
from orapo.writing import json_text

PREFIX: Final = "radeval/"


class RadEvalReward:
    """What one metric of RadEval says of each report beside the radiologist's.

    A report that the metric gives no figure for is unknown (None) and adds nothing to its sum.

    Args:
        name: ``radeval/METRIC``, or ``radeval/METRIC/FIGURE`` of a metric with several figures.
        python: The interpreter that holds RadEval; empty: this one.

    Raises:
        OrapoError: There is no such metric, or it has no figure for a single report.
    """

    def __init__(self, name: str, python: str = "") -> None:
        metric, _, self._figure = name.removeprefix(PREFIX).partition("/")
        fitting = [one for one in OFFERED if one not in radeval_runner.OF_A_SET]
        if metric not in fitting:
            raise OrapoError(f"reward term {name!r}: expected radeval/ and {', '.join(fitting)}")
        self.__name__ = name
        self._metric = metric
        self._python = python or sys.executable
        self._process: subprocess.Popen[str] | None = None
        self._scored = False

    def __call__(
        self,
        completions: Sequence[Completion],
        report: Sequence[str | None] | None = None,
        **columns: Any,
    ) -> list[float | None]:
        """Score completions.

        Args:
            completions: N texts, or N lists of messages.
            report: N reference texts.
            **columns: Anything else that TRL passes; not used.

        Returns:
            N figures; None where there is no reference or the metric failed.

        Raises:
            OrapoError: The metric fails at its first call, or has several figures and none is named.
        """
        references = report if report is not None else [None] * len(completions)
        texts = [completion_text(text) for text in completions]
        pairs = list(zip(references, texts, strict=True))
        wanted = [pair for pair in dict.fromkeys(pairs) if pair[0] and pair[1].strip()]
        known: dict[tuple[str | None, str], float | None] = {}
        if wanted:
            known = dict(zip(wanted, self._score(wanted), strict=True))
        return [known.get(pair) for pair in pairs]

    def _score(self, pairs: Sequence[tuple[str | None, str]]) -> list[float | None]:
        answer = self._ask(
            {"references": [a for a, _ in pairs], "generated": [b for _, b in pairs]}
        )
        lists = {
            name: values
            for name, values in (answer.get("figures") or {}).items()
            if isinstance(values, list) and len(values) == len(pairs)
        }
        if lists and (self._figure not in lists if self._figure else len(lists) > 1):
            ways = ", ".join(f"{PREFIX}{self._metric}/{name}" for name in lists)
            raise OrapoError(f"reward term {self.__name__!r}: expected {ways}")
        if not lists and not self._scored:
            weights = f"; it fetches {WEIGHTS[self._metric]}" if self._metric in WEIGHTS else ""
            reason = answer.get("error", "no figure for each report")
            raise OrapoError(f"reward term {self.__name__!r}: {reason}{weights}")
        self._scored = True
        values = lists.get(self._figure) if self._figure else next(iter(lists.values()), None)
        return list(values) if values is not None else [None] * len(pairs)

    def _ask(self, reports: dict[str, Any]) -> dict[str, Any]:
        """Send reports to the process and return its answer; ``error`` in it where that failed."""
        if self._process is None or self._process.poll() is not None:
            self._process = self._start()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json_text(reports) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except OSError:
            line = ""
        try:
            answer = json.loads(line)
        except ValueError:  # also of an empty line: its output is closed, and it is about to end
            self._process.kill()
            self._process.wait()
            answer = {"error": "its process ended"}
        return answer if isinstance(answer, dict) else {"error": "its answer is not understood"}

    def _start(self) -> subprocess.Popen[str]:
        interpreter = self._python
        command = os.path.abspath(interpreter) if os.sep in interpreter else interpreter
        # GREEN writes into the folder that it is in
        self._folder = tempfile.TemporaryDirectory()
        try:
            return subprocess.Popen(
                [command, radeval_runner.__file__, "--answer", self._metric],
                env={**os.environ, "HF_HUB_DISABLE_TELEMETRY": "1"},
                cwd=self._folder.name,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                # what it says may hold reports
                stderr=subprocess.DEVNULL,
                text=True,
                encoding="utf-8",
                # Ctrl-C ends the run after its step, which still needs an answer; the end of the run
                # closes the pipe, and that ends this process
                start_new_session=True,
            )
        except OSError as error:
            raise OrapoError(f"radeval_python {interpreter}: {error.strerror}") from None
