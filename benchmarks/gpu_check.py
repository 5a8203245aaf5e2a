"""Whether orapo does on this machine's GPU what it does on our CPUs: one command, at most 9 minutes.

    python benchmarks/gpu_check.py [--out FOLDER]        # one GPU of 24 GB or more
    python benchmarks/gpu_check.py --cpu                 # the same steps in miniature, without a GPU
    python benchmarks/gpu_check.py --only lora --only attention

From the checkout, orapo itself need not be installed: ``PYTHONPATH=src python benchmarks/gpu_check.py``.
The model has the shape of Qwen2.5-VL-3B and random weights: nothing is downloaded. Every step is a
process of its own with its own time limit; the table says passed, failed, or skipped and why. The exit
code is 1 if one failed. In FOLDER (``gpu-check``): ``gpu_check.md``, ``gpu_check.json`` with all figures,
``gpu_check.log`` with what the steps' processes said.

Versions: orapo asks for transformers 5.23, as before it a begin token that chat template and tokenizer
both put there stays twice (Gemma 3, Llama 3; Qwen2.5-VL, which is checked here, has none). On another
version the steps run all the same, and the head of the table names each package that is not
in the tested range: what passes then passes with that version (transformers 5.17.0: `lora` and `long` did in
miniature, 2026-11-29). A machine without a network gets the
right ones as wheels (20 MB, DeepSpeed's among them), here for Python 3.12 where torch, accelerate, peft, pandas,
pyarrow, msgpack, ninja and einops are there:

    pip download --no-deps --only-binary=:all: --python-version 3.12 --implementation cp \\
        --platform manylinux_2_28_x86_64 --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 \\
        -d .whl transformers==5.23.0 trl==1.16.0 datasets==5.2.0 dill==0.4.1 multiprocess==0.70.19 \\
        pydantic==2.14.4 pydantic_core==2.50.5 annotated_types typing_inspection typing_extensions \\
        simplejpeg
    DS_BUILD_OPS=0 pip wheel --no-deps --no-build-isolation -w .whl deepspeed hjson py-cpuinfo    # for ZeRO

and there, with ``.whl`` carried along:

    python3 -m pip install -q --no-index --no-deps --no-compile --target /tmp/site .whl/*.whl
    PYTHONPATH=/tmp/site:src python3 benchmarks/gpu_check.py --out $OUT
"""

import argparse
import contextlib
import importlib
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
import traceback
import uuid
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import psutil
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
MINUTES = 9
"""Of all steps together; what has not begun by then has failed."""
LEAST = 10
"""Seconds without which no step is begun."""


@dataclass(frozen=True)
class Step:
    """A check: a function of a module of `on_gpu`, in a process of its own.

    Attributes:
        name: As in ``--only``.
        what: For the table.
        seconds: Its time limit.
        call: ``module.function``, called with the scale and a folder.
        arguments: Further words for it.
        needs: A package without which it is skipped.
    """

    name: str
    what: str
    seconds: int
    call: str
    arguments: tuple[str, ...] = ()
    needs: str = ""


SHARDED = {"zero2": "ZeRO-2", "zero3": "ZeRO-3", "fsdp": "FSDP2"}
NEEDED = {"zero2": "deepspeed", "zero3": "deepspeed", "fsdp": ""}
STEPS = (
    Step("lora", "1. LoRA, three steps of K = 8", 120, "alone.lora"),
    Step("gradients", "2. micro-batches of 8 and 4; bf16 and float32", 100, "alone.gradients"),
    Step("attention", "3. kernels of attention, left-padded", 60, "alone.attention"),
    Step("long", "4. reports of 800 tokens", 100, "alone.long_reports"),
    Step("4bit", "5. the base in 4 bits", 60, "launched.four_bits", needs="bitsandbytes"),
    *(
        Step(
            name,
            f"6. {title}: save, resume, keys, reference",
            90,
            "launched.sharded",
            (name,),
            NEEDED[name],
        )
        for name, title in SHARDED.items()
    ),
    Step("merge", "7. the base under an adapter after five syncs", 60, "served.merge"),
    Step("vllm", "7. vLLM: tokens, ratio, image tokens", 150, "served.vllm", needs="vllm"),
    Step("bias", "8. logit_bias survives JSON", 40, "served.bias"),
    Step("sigterm", "9. SIGTERM after step 2, and resume", 90, "launched.stopped"),
    *(
        Step(
            f"probe-{name}",
            f"10. the probe under {title}",
            60,
            "launched.probed",
            (name,),
            NEEDED[name],
        )
        for name, title in SHARDED.items()
    ),
)
CPU_SECONDS, CPU_MINUTES = 600, 60
"""The limits with ``--cpu``, where other work may have the cores: only what hangs reaches them."""


MARK = "ORAPO_GPU_CHECK"
"""In the environment of a step's process, and so of all that it starts."""


def worker(step, cpu, folder):
    """The command of a step's process."""
    words = [sys.executable, __file__, "--step", step.name, "--folder", str(folder)]
    return [*words, "--cpu"] if cpu else words


def run_step(command, answer, seconds, log):
    """Run a process within a time limit; nothing that it started outlives it.

    Args:
        command: Its words.
        answer: The file that it writes its verdict to.
        seconds: The limit.
        log: A file, open for writing, that gets what it says.

    Returns:
        The verdict: ``state``, ``why``, ``figures`` and ``seconds``.
    """
    start, mark = time.monotonic(), uuid.uuid4().hex
    process = subprocess.Popen(
        command,
        stdout=log,
        stderr=subprocess.STDOUT,
        cwd=ROOT,
        env={**os.environ, MARK: mark, "CUDA_VISIBLE_DEVICES": one_gpu()},
        start_new_session=True,
    )
    late = False
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        late = True
    finally:
        end_marked(mark)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=LEAST)
    verdict = {"state": "fail", "why": f"ended with code {process.returncode}", "figures": {}}
    if late:
        verdict["why"] = f"not done after {seconds:.0f} s"
    elif process.returncode == 0:
        try:
            verdict = json.loads(Path(answer).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            verdict["why"] = "left no verdict"
    elif (process.returncode or 0) < 0:
        verdict["why"] = f"killed by {signal.Signals(-process.returncode).name}"
    return {**verdict, "seconds": round(time.monotonic() - start, 1)}


def one_gpu():
    """The GPU that all steps use, of those that are to be seen: a process that sees several trains on none."""
    return os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]


def end_marked(mark):
    """End what a step has started: launchers give their processes sessions of their own, and may be gone."""
    found, end = True, time.monotonic() + LEAST
    while found and time.monotonic() < end:  # a driver may hold one back
        found = False
        for process in psutil.process_iter():
            # a process that is ending has an environment that can't be read
            with contextlib.suppress(psutil.Error, OSError):
                if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                    process.kill()
                    found = True


def run_steps(steps, command, limit, out, minutes=MINUTES):
    """Run steps one after another; return a row for each.

    Args:
        steps: Of them.
        command: Of a step and its folder: the words of its process, which writes ``verdict.json`` there.
        limit: Of a step: its seconds.
        out: Folder of ``gpu_check.log``.
        minutes: That all have together.
    """
    end, rows = time.monotonic() + 60 * minutes, []
    with (
        tempfile.TemporaryDirectory(prefix="gpu-check-") as work,
        (out / "gpu_check.log").open("w", encoding="utf-8") as log,
    ):
        for step in steps:
            left = end - time.monotonic()
            if step.needs and find_spec(step.needs) is None:
                verdict = {"state": "skipped", "why": f"{step.needs} is not installed"}
                verdict |= {"figures": {}, "seconds": 0.0}
            elif left < min(LEAST, limit(step)):
                verdict = {"state": "fail", "why": f"not begun: the {minutes:g} minutes are over"}
                verdict |= {"figures": {}, "seconds": 0.0}
            else:
                print(f"\n==== {step.name}", file=log, flush=True)
                folder = Path(work) / step.name
                folder.mkdir()
                verdict = run_step(
                    *(command(step, folder), folder / "verdict.json"),
                    *(min(limit(step), left), log),
                )
                # checkpoints of three engines would not fit on a small disk together
                shutil.rmtree(folder, ignore_errors=True)
            rows.append({"step": step.name, "what": step.what, **verdict})
            print(f"{verdict['state']:8} {step.what}  {verdict['why']}", flush=True)
    return rows


def other_versions():
    """Name the packages whose version is not the tested one, as pyproject.toml has it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found = []
    for line in project["optional-dependencies"]["train"]:
        wanted = Requirement(line)
        try:
            version = metadata.version(wanted.name)
        except metadata.PackageNotFoundError:
            continue
        if not wanted.specifier.contains(version, prereleases=True):
            found.append(f"{wanted.name} {version} (tested: {wanted.specifier})")
    return found


def machine(cpu):
    import torch

    card = "no GPU, in miniature" if cpu else torch.cuda.get_device_name()
    names = ("torch", "transformers", "trl", "accelerate", "peft", "deepspeed", "vllm")
    versions = [f"{name} {metadata.version(name)}" for name in names if find_spec(name)]
    return f"{card}; Python {platform.python_version()}, {', '.join(versions)}"


def page(rows, where, others):
    """The table as Markdown, and below it the figures of each step."""
    lines = [f"{time.strftime('%Y-%m-%d')}, {where}", ""]
    if others:
        lines += [f"Not the tested versions: {'; '.join(others)}", ""]
    lines += ["| step | result | why | s |", "|---|---|---|---|"]
    for row in rows:
        why = re.sub(r"\s+", " ", row["why"]).replace("|", "\\|")
        lines.append(f"| {row['what']} | {row['state']} | {why} | {row['seconds']:g} |")
    for row in rows:
        if row["figures"]:
            lines += ["", f"{row['what']}:", ""]
            lines += [f"- {name}: {short(value)}" for name, value in row["figures"].items()]
    return "\n".join(lines) + "\n"


def short(value):
    if isinstance(value, list):
        return ", ".join(map(short, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def work_on(step, cpu, folder):
    """Do a step, in its own process, and write its verdict."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    if find_spec("orapo") is None:
        sys.path.insert(0, str(ROOT / "src"))
    try:
        verdict = check(step, cpu, folder)
    except Exception as error:
        traceback.print_exc()  # into the log
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        why = f"{type(error).__name__}: {first}"
        verdict = {"state": "fail", "why": why, "figures": {}}
    (folder / "verdict.json").write_text(json.dumps(verdict), encoding="utf-8")


def check(step, cpu, folder):
    from on_gpu.shape import REAL, TINY
    from on_gpu.verdict import Skipped

    from orapo.training.run import quiet_libraries

    quiet_libraries()
    module, _, function = step.call.partition(".")
    function = getattr(importlib.import_module(f"on_gpu.{module}"), function)
    try:
        return function(TINY if cpu else REAL, folder, *step.arguments)
    except Skipped as reason:
        return {"state": "skipped", "why": str(reason), "figures": {}}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cpu", action="store_true", help="in miniature, without a GPU")
    parser.add_argument("--only", action="append", metavar="STEP", help="one step; may be repeated")
    parser.add_argument("--out", type=Path, default=Path("gpu-check"))
    parser.add_argument("--step", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    by_name = {step.name: step for step in STEPS}
    if options.step:
        work_on(by_name[options.step], options.cpu, options.folder)
        return 0
    steps = STEPS
    if options.only:
        unknown = set(options.only) - by_name.keys()
        if unknown:
            parser.error(f"no step {', '.join(sorted(unknown))}; there are {', '.join(by_name)}")
        steps = [by_name[name] for name in by_name if name in options.only]
    missing = [name for name in ("torch", "transformers", "trl", "peft") if not find_spec(name)]
    if missing:
        print(f"not installed: {', '.join(missing)}; how to bring them: the head of {__file__}")
        return 2
    import torch

    if not options.cpu and not torch.cuda.is_available():
        print("no GPU here; --cpu runs the same steps in miniature")
        return 2
    options.out.mkdir(parents=True, exist_ok=True)
    where, others = machine(options.cpu), other_versions()
    print(where, *(f"not the tested version: {other}" for other in others), sep="\n", flush=True)
    rows = run_steps(
        steps,
        lambda step, folder: worker(step, options.cpu, folder),
        lambda step: CPU_SECONDS if options.cpu else step.seconds,
        options.out,
        CPU_MINUTES if options.cpu else MINUTES,
    )
    record = {"machine": where, "not_tested": others, "steps": rows}
    (options.out / "gpu_check.json").write_text(json.dumps(record, indent=1), encoding="utf-8")
    (options.out / "gpu_check.md").write_text(page(rows, where, others), encoding="utf-8")
    failed = [row["step"] for row in rows if row["state"] == "fail"]
    print(f"{options.out / 'gpu_check.md'}: {len(failed)} of {len(rows)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
