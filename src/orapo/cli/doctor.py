"""`orapo doctor`: what is installed, in which versions, on which accelerator, and what is missing."""

from __future__ import annotations

import platform
import re
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from typing import Annotated, Any, Final

import typer
from packaging.requirements import InvalidRequirement, Requirement
from rich.console import Console
from rich.table import Table

from orapo import __version__
from orapo.writing import json_text

PURPOSES: Final = {
    "": "facts, label, reward, data, evaluate, compare",
    "train": "train, generate, demo",
    "dicom": "reading DICOM films",
    "llm": "a language model as judge (engine: llm)",
    "quantization": "load_in_4bit, load_in_8bit",
    "vllm": "rollouts by vLLM (use_vllm); in an environment of its own",
    "fhir": "export --format fhir",
    "serve": "serve: the workbench and its HTTP API",
    "language": "evaluate: language metrics",
    "preferences": "preferences: Krippendorff's alpha, BLEU as second reward",
    "radeval": "evaluate: RadEval",
    "cluster": "orapo data check and convert on a Dask cluster (examples/archive_on_a_cluster.py)",
    "deepspeed": "ZeRO (recipes/accelerate/zero2.yaml, zero3.yaml)",
    "excel": "tables in Excel files (.xlsx)",
    "docs": "mkdocs build: the documentation as a site",
}
"""What each extra is for; "" is the core."""
_UNLISTED: Final = ("dev",)


@dataclass(frozen=True)
class Package:
    """A package that orapo can use."""

    name: str
    wanted: str
    found: str | None

    @property
    def state(self) -> str:
        """``ok``, ``missing`` or ``other version``."""
        if self.found is None:
            return "missing"
        inside = Requirement(f"{self.name}{self.wanted}").specifier.contains(
            self.found, prereleases=True
        )
        return "ok" if inside else "other version"


@dataclass(frozen=True)
class Extra:
    """An extra, what for, and its packages."""

    name: str
    purpose: str
    packages: tuple[Package, ...]

    @property
    def ready(self) -> bool:
        """Whether all its packages are there, in tested versions."""
        return all(package.state == "ok" for package in self.packages)


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("doctor")(doctor)


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Say what is installed, and what is missing for what."""
    extras = installed_extras(metadata.requires("orapo") or ())
    cards, note = accelerators()
    if as_json:
        record = {
            "orapo": __version__,
            "python": platform.python_version(),
            "platform": platform.platform(),
            "extras": {
                extra.name or "core": {
                    "purpose": extra.purpose,
                    "ready": extra.ready,
                    "packages": [asdict(p) | {"state": p.state} for p in extra.packages],
                }
                for extra in extras
            },
            "accelerators": cards,
            "note": note,
        }
        typer.echo(json_text(record, indent=1))
        return
    console = Console()
    console.print(
        f"orapo {__version__}, Python {platform.python_version()}, {platform.platform()}",
        highlight=False,
        soft_wrap=True,
    )
    console.print(_table(extras))
    for card in cards:
        console.print(
            f"{card['name']}: {card['gib']:.1f} GiB, bfloat16: {'yes' if card['bf16'] else 'no'}",
            highlight=False,
        )
    if note:
        console.print(note, highlight=False, soft_wrap=True)
    for extra in extras:
        if not extra.ready:
            which = f"orapo[{extra.name}]" if extra.name else "orapo"
            console.print(
                f"For {extra.purpose}: pip install '{which}'",
                highlight=False,
                markup=False,
                soft_wrap=True,
            )


def _table(extras: Sequence[Extra]) -> Table:
    table = Table()
    for column in ("extra", "package", "tested", "installed"):
        table.add_column(column, no_wrap=True)
    for extra in extras:
        for index, package in enumerate(extra.packages):
            style = {"ok": "green", "missing": "yellow"}.get(package.state, "red")
            found = package.found or "missing"
            if package.state == "other version":
                found += " (not tested)"
            table.add_row(
                (extra.name or "core") if index == 0 else "",
                package.name,
                package.wanted or "any",
                f"[{style}]{found}[/]",
            )
    return table


def installed_extras(requirements: Iterable[str]) -> list[Extra]:
    """Hold what the package asks for against what is installed.

    Args:
        requirements: As the package's metadata gives them, ``torch>=2.6; extra == "train"``.
    """
    packages: dict[str, list[Package]] = {name: [] for name in PURPOSES}
    for line in requirements:
        try:
            wanted = Requirement(line)
        except InvalidRequirement:
            continue
        found = re.search(r"extra\s*==\s*['\"]([\w-]+)['\"]", str(wanted.marker or ""))
        extra = found[1] if found else ""
        if extra in _UNLISTED:
            continue
        try:
            version = metadata.version(wanted.name)
        except metadata.PackageNotFoundError:
            version = None
        packages.setdefault(extra, []).append(Package(wanted.name, str(wanted.specifier), version))
    return [
        Extra(name, PURPOSES.get(name, f"the extra [{name}]"), tuple(members))
        for name, members in packages.items()
        if members
    ]


def accelerators() -> tuple[list[dict[str, Any]], str]:
    """Look for GPUs.

    Returns:
        Name, GiB and bfloat16 of each that torch can use, and a note where there is none.
    """
    driver = shutil.which("nvidia-smi") is not None
    try:
        import torch
    except ModuleNotFoundError:
        return [], "torch isn't installed: no training, no generation here."
    if torch.cuda.is_available():
        properties = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
        return [
            {"name": card.name, "gib": card.total_memory / 2**30, "bf16": card.major >= 8}
            for card in properties
        ], ""
    if driver:
        return [], (
            f"There is an NVIDIA driver, but torch {torch.__version__} can't use it: "
            "a build for the CPU, or one for a newer driver."
        )
    return [], "No GPU: the demo and tiny models train on the CPU, real ones don't."
