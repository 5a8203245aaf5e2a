"""`orapo generate`: reports for images, folders of images or a manifest's split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

from orapo import __version__
from orapo.cli.parts.alone import alone
from orapo.data.conversation import (
    PROMPT_FIELDS,
    Views,
    check_prompt_fields,
    check_views,
    previous_studies,
)
from orapo.errors import OrapoError
from orapo.generation.reports import Selection

if TYPE_CHECKING:
    from orapo.data.study import Study
    from orapo.generation import Decoding
    from orapo.generation.batches import Writer
    from orapo.generation.inputs import Asked
    from orapo.generation.processes import Processes
    from orapo.generation.rows import Provenance

SAMPLING = "Several reports a study"
EARLIER = "An earlier study of the patient"


class Backend(StrEnum):
    """What runs the model."""

    HF = "hf"
    VLLM = "vllm"


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("generate")(alone(generate))


def generate(
    model: Annotated[str, typer.Option(help="Folder of a checkpoint, or its name on the hub.")],
    images: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Image files or folders of them, a study each; DICOM files by their study."
        ),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Manifest (JSONL) instead of images; - is stdin.")
    ] = None,
    split: Annotated[str, typer.Option(help="Split of the manifest; empty for all.")] = "test",
    out: Annotated[Path, typer.Option(help="Predictions: .jsonl, .csv or .parquet.")] = Path(
        "predictions.jsonl"
    ),
    batch_size: Annotated[int, typer.Option(min=1, metavar="N", help="Studies at a time.")] = 16,
    max_new_tokens: Annotated[
        int, typer.Option(min=1, metavar="N", help="Longest report, in tokens.")
    ] = 256,
    temperature: Annotated[
        float | None,
        typer.Option(
            min=0, metavar="T", help="0 is greedy decoding; by default 0, or 1 for several samples."
        ),
    ] = None,
    top_p: Annotated[
        float,
        typer.Option(
            metavar="P", help="Sample from the smallest set of tokens with this probability."
        ),
    ] = 1.0,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Of sampling.")] = 0,
    samples: Annotated[
        int, typer.Option(min=1, metavar="N", help="Of each study.", rich_help_panel=SAMPLING)
    ] = 1,
    select: Annotated[
        Selection,
        typer.Option(
            help="Which becomes the report: the one that agrees best with the others under FactS, "
            "the first, or the likeliest.",
            rich_help_panel=SAMPLING,
        ),
    ] = Selection.CONSENSUS,
    operating_point: Annotated[
        str,
        typer.Option(
            metavar="precision|balanced|recall|B",
            help="What the consensus favours; or b of its F-beta, below 1 for precision.",
            rich_help_panel=SAMPLING,
        ),
    ] = "balanced",
    views: Annotated[
        str, typer.Option(metavar="frontal|all", help="Films of a study: one or all.")
    ] = "frontal",
    prompt_fields: Annotated[
        str,
        typer.Option(
            metavar="NAMES",
            help="What the prompt tells of a study, with commas: " + ", ".join(PROMPT_FIELDS) + ".",
        ),
    ] = "",
    previous_films: Annotated[
        bool,
        typer.Option(
            "--previous-films",
            help="Show the first film of the patient's study before, too.",
            rich_help_panel=EARLIER,
        ),
    ] = False,
    previous_image: Annotated[
        Path | None,
        typer.Option(help="Earlier film of the one study given.", rich_help_panel=EARLIER),
    ] = None,
    previous_report: Annotated[
        Path | None,
        typer.Option(
            help="Text file of the earlier report of the one study given.", rich_help_panel=EARLIER
        ),
    ] = None,
    backend: Annotated[Backend, typer.Option(help="What runs the model.")] = Backend.HF,
    trust_remote_code: Annotated[
        bool,
        typer.Option("--trust-remote-code", help="Run code that comes with the checkpoint."),
    ] = False,
) -> None:
    """Write a report for each study. An unreadable image is an error row, not the end.

    Interrupted and called again, it resumes where it stopped. `accelerate launch -m orapo generate`
    spreads it over processes. Exit code 1: there are error rows.
    """
    from orapo.data.resumable import make_folder_of
    from orapo.data.tables.reading import table_format
    from orapo.data.tables.standard_streams import from_input
    from orapo.data.tables.writing import not_an_input
    from orapo.generation import Decoding
    from orapo.generation.processes import running_processes
    from orapo.models.whole import intact

    if bool(images) == (data is not None):
        raise OrapoError("give images or --data MANIFEST, one of the two")
    table_format(out)
    not_an_input(out, data)
    make_folder_of(out)
    if data is not None:
        data = from_input(data)
    if temperature is None:
        temperature = 0.0 if samples == 1 else 1.0
    if samples > 1 and temperature == 0:
        raise OrapoError("--samples above 1 needs a --temperature above 0: all would be the same")
    if not 0 < top_p <= 1:
        raise OrapoError(f"--top-p must be above 0 and at most 1, not {top_p:g}")
    point = _operating_point(operating_point, samples, select)
    shown, fields = check_views(views), check_prompt_fields(prompt_fields)
    if previous_image is not None or previous_report is not None:
        studies = _with_named_before(images, shown, fields, previous_image, previous_report)
    else:
        studies = _asked(images, data, split, shown, fields, previous_films)
    processes = running_processes()
    if backend is Backend.VLLM and processes.count > 1:
        raise OrapoError("--backend vllm runs in one process; vLLM has its own way to many GPUs")
    decoding = Decoding(
        max_new_tokens=max_new_tokens,
        temperature=temperature,
        batch_size=batch_size,
        seed=seed,
        samples=samples,
        top_p=top_p,
        operating_point=point,
    )
    try:
        load = _load_vllm if backend is Backend.VLLM else _load
        taken = str(intact(model))
        write, provenance = load(taken, studies, decoding, select, processes, trust_remote_code)
        if processes.first:
            _write(studies, write, decoding, select, provenance, out, processes)
        else:
            _help(studies, write, decoding, select, provenance, processes)
    except OrapoError:
        if processes.first:
            raise
        raise typer.Exit(2) from None  # the first one says it
    finally:
        processes.leave()


def _operating_point(text: str, samples: int, select: Selection) -> float:
    """Return the b that an operating point stands for."""
    from orapo.generation.choice import OPERATING_POINTS

    try:
        point = OPERATING_POINTS[text] if text in OPERATING_POINTS else float(text)
    except ValueError:
        point = 0.0
    if not 0 < point < float("inf"):
        names = ", ".join(OPERATING_POINTS)
        raise OrapoError(f"--operating-point must be {names} or a number above 0, not {text!r}")
    if point != 1 and (samples == 1 or select is not Selection.CONSENSUS):
        raise OrapoError(
            "--operating-point chooses among several samples: give --samples and --select consensus"
        )
    return point


def _asked(
    images: list[Path] | None,
    data: Path | None,
    split: str,
    views: Views,
    fields: Sequence[str],
    earlier_films: bool,
) -> list[Asked]:
    """Find the studies, and the study before of each where the model is to be given it."""
    from orapo.data.films.image_files import find_images
    from orapo.data.manifest import read_manifest
    from orapo.generation.inputs import ask, earlier_of_files, studies_of_files

    before: Mapping[str, Study] = {}
    wanted = earlier_films or "previous" in fields
    if data is not None:
        everything = read_manifest(data)
        records = [study for study in everything if not split or study.split == split]
        if not records:
            raise OrapoError(f"{data}: no study of split {split!r}")
        before = previous_studies(everything) if wanted else {}
    else:
        records = studies_of_files(find_images(images or []))
        before = earlier_of_files(records) if wanted else {}
    return ask(records, views, fields, before=before, earlier_films=earlier_films)


def _with_named_before(
    images: list[Path] | None,
    views: Views,
    fields: Sequence[str],
    film: Path | None,
    report: Path | None,
) -> list[Asked]:
    """Put the one study that is given, and its earlier one."""
    from orapo.data.films.image_files import find_images
    from orapo.generation.inputs import ask, named_before, studies_of_files

    records = studies_of_files(find_images(images or [])) if images else []
    if len(records) != 1:
        raise OrapoError(
            f"--previous-image and --previous-report are for one study, not {len(records)}; "
            "for a manifest there are --previous-films and --prompt-fields previous"
        )
    told = (*fields, "previous") if report is not None else fields
    before = named_before(records[0], film, report)
    return ask(records, views, check_prompt_fields(told), before=before, earlier_films=True)


def _load(
    model: str,
    studies: Sequence[Asked],
    decoding: Decoding,
    select: Selection,
    processes: Processes,
    remote_code: bool,
) -> tuple[Writer, Provenance]:
    """Load a checkpoint with transformers."""
    from orapo.generation import checkpoint_revision, load_checkpoint, sample_reports
    from orapo.generation.rows import Provenance, decoding_settings

    loaded, processor = load_checkpoint(model, device=processes.device, remote_code=remote_code)
    import torch
    import transformers

    software = {
        "engine": f"transformers {transformers.__version__}, torch {torch.__version__}",
        "device": loaded.device.type,
        "dtype": str(loaded.dtype).removeprefix("torch."),
        "orapo": __version__,
    }
    write = partial(sample_reports, loaded, processor, decoding=decoding)
    revision = checkpoint_revision(model, remote_code=remote_code)
    return write, Provenance(model, revision, decoding_settings(decoding, select, software))


def _load_vllm(
    model: str,
    studies: Sequence[Asked],
    decoding: Decoding,
    select: Selection,
    processes: Processes,
    remote_code: bool,
) -> tuple[Writer, Provenance]:
    """Load a checkpoint with vLLM."""
    from orapo.generation import checkpoint_revision
    from orapo.generation.rows import Provenance, decoding_settings
    from orapo.generation.vllm_engine import VllmWriter

    most = max((len(study.films) for study in studies), default=1)
    writer = VllmWriter(model, decoding, most_films=most, remote_code=remote_code)
    software = {"engine": f"vllm {writer.version}", "orapo": __version__}
    revision = checkpoint_revision(model, remote_code=remote_code)
    return writer, Provenance(model, revision, decoding_settings(decoding, select, software))


def _help(
    studies: Sequence[Asked],
    write: Writer,
    decoding: Decoding,
    select: Selection,
    provenance: Provenance,
    processes: Processes,
) -> None:
    """Do this process's share; the first one keeps the rows."""
    from orapo.generation.batches import written_rows

    done, size = processes.from_first(0), decoding.batch_size
    for _ in written_rows(studies, write, size, select, provenance, done=done, processes=processes):
        pass


def _write(
    studies: Sequence[Asked],
    write: Writer,
    decoding: Decoding,
    select: Selection,
    provenance: Provenance,
    out: Path,
    processes: Processes,
) -> None:
    """Write the reports, keep them as they come, and make the table in the end."""
    from orapo.data.resumable import ResumableRows
    from orapo.generation.batches import written_rows
    from orapo.generation.rows import write_table

    asked = [[s.study_id, [str(path) for path in s.films], s.prompt] for s in studies]
    origin = [provenance.model, provenance.revision, provenance.decoding]
    kept = ResumableRows(out, [origin, asked])
    refused: Counter[str] = Counter()
    console = Console(stderr=True)
    try:
        done, size = processes.from_first(kept.done), decoding.batch_size
        with Progress(console=console) as progress:
            task = progress.add_task("Writing reports", total=len(studies), completed=done)
            for rows in written_rows(
                studies, write, size, select, provenance, done=done, processes=processes
            ):
                for row in rows:
                    kept.add(row)
                kept.flush()
                progress.advance(task, len(rows))
        counts = write_table(out, _noting_refused(kept.rows(), refused))
        kept.discard()
    except BaseException as error:
        kept.close()
        if kept.done or kept.added:
            said = f"the reports so far are kept in {kept.path}"
            if isinstance(error, KeyboardInterrupt):
                error.add_note(said)  # one line in all, see `orapo.cli`
            else:
                console.print(f"orapo: {said}", soft_wrap=True)
        else:
            kept.discard()
        raise
    typer.echo(f"{counts['reports']} reports: {out}")
    for name, sentence in (
        ("cut", f"cut off at --max-new-tokens {decoding.max_new_tokens}"),
        ("invented_comparisons", "compare with an earlier film that the model was not given"),
    ):
        if counts[name]:
            console.print(f"orapo: {counts[name]} of {len(studies)} reports {sentence}")
    for reason, number in refused.most_common():
        said = f"orapo: {number} of {len(studies)} studies without a report: {reason}; see {out}"
        console.print(said, markup=False, highlight=False, soft_wrap=True)
    if unread := counts["errors"] - refused.total():
        console.print(f"orapo: {unread} of {len(studies)} studies could not be read; see {out}")
    if counts["errors"]:
        raise typer.Exit(1)


def _noting_refused(
    rows: Iterable[dict[str, Any]], refused: Counter[str]
) -> Iterator[dict[str, Any]]:
    """Pass rows on, and count why the model's processor refused some."""
    from orapo.generation.rows import REFUSED

    for row in rows:
        if row["error"].startswith(REFUSED):
            refused[row["error"]] += 1
        yield row
