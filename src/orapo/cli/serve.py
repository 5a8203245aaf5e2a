"""`orapo serve`: reports over HTTP, and the workbench in the browser."""

from __future__ import annotations

import ipaddress
import logging
import socket
import warnings
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from orapo.errors import MissingExtraError, OrapoError

if TYPE_CHECKING:
    from orapo.serve.appended import Lines
    from orapo.serve.judging import Judging

ACCESS = "Who may ask"
JUDGING = "Judging pairs"
LIMITS = "Limits"
SHORTEST_TOKEN = 16


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("serve")(serve)


def serve(
    model: Annotated[
        str | None,
        typer.Option(
            help="Folder of a checkpoint, or its name on the hub; without, no report is written."
        ),
    ] = None,
    host: Annotated[str, typer.Option(help="Where to listen.", rich_help_panel=ACCESS)] = (
        "127.0.0.1"
    ),
    port: Annotated[
        int,
        typer.Option(min=0, max=65535, help="0 takes any that is free.", rich_help_panel=ACCESS),
    ] = 8000,
    token: Annotated[
        str | None,
        typer.Option(
            envvar="ORAPO_SERVE_TOKEN",
            show_envvar=True,
            metavar="TEXT",
            help="What clients must send; other users of this machine see it in a command line, "
            "but not in the variable.",
            rich_help_panel=ACCESS,
        ),
    ] = None,
    without_token: Annotated[
        bool,
        typer.Option(
            "--without-token",
            help="Let anyone ask who can reach --host.",
            rich_help_panel=ACCESS,
        ),
    ] = False,
    allow_name: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Host name in the address that users type, besides localhost; can stand twice.",
            rich_help_panel=ACCESS,
        ),
    ] = None,
    pairs: Annotated[
        Path | None,
        typer.Option(
            metavar="SHEET",
            help="Blinded pairs of reports to judge at /judge: what orapo preferences make wrote.",
            rich_help_panel=JUDGING,
        ),
    ] = None,
    judgements: Annotated[
        Path | None,
        typer.Option(
            metavar="OUT.jsonl",
            help="Where judgements are appended; those in it are not asked for again.",
            rich_help_panel=JUDGING,
        ),
    ] = None,
    log_edits: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.jsonl",
            help="Log drafts, what readers make of them, and their time; the page says so.",
        ),
    ] = None,
    store: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Keep worklist, drafts, edits and judgements of all readers in this SQLite file; "
            "what --judgements and --log-edits hold is read into it once.",
        ),
    ] = None,
    views: Annotated[
        str, typer.Option(metavar="frontal|all", help="Films of a study: one or all.")
    ] = "frontal",
    previous_reports: Annotated[
        bool,
        typer.Option(
            "--previous-reports",
            help="The model was trained with the report of the study before (--prompt-fields previous).",
        ),
    ] = False,
    previous_films: Annotated[
        bool,
        typer.Option(
            "--previous-films", help="The model was trained with a film of the study before."
        ),
    ] = False,
    max_new_tokens: Annotated[
        int, typer.Option(min=1, metavar="N", help="Longest report.", rich_help_panel=LIMITS)
    ] = 256,
    max_upload: Annotated[
        int,
        typer.Option(min=1, metavar="MB", help="All films of a study.", rich_help_panel=LIMITS),
    ] = 64,
    max_seconds: Annotated[
        float,
        typer.Option(
            min=1, metavar="S", help="A report is cut off by then.", rich_help_panel=LIMITS
        ),
    ] = 300,
    queue: Annotated[
        int,
        typer.Option(
            min=0,
            metavar="N",
            help="Studies that may wait; others get 429.",
            rich_help_panel=LIMITS,
        ),
    ] = 8,
    max_connections: Annotated[
        int,
        typer.Option(
            min=4,
            metavar="N",
            help="Open at a time, half of them from one address; fewer if ulimit -n says so.",
            rich_help_panel=LIMITS,
        ),
    ] = 256,
    trust_remote_code: Annotated[
        bool,
        typer.Option("--trust-remote-code", help="Run code that comes with the checkpoint."),
    ] = False,
) -> None:
    """Serve the workbench page and the HTTP API. For research, not for diagnosis.

    Listens on this machine alone unless --host says otherwise. Nothing that is sent is kept, but
    for --store, --judgements and --log-edits. The log says which route was asked for, the status and the
    time, and no more.
    """
    try:
        import uvicorn

        from orapo.serve.app import create_app
        from orapo.serve.appended import AppendedLines
        from orapo.serve.connections import BoundedProtocol, Bounds, OnceAMinute, that_fit
        from orapo.serve.judging import load_judging
        from orapo.serve.limits import Limits
        from orapo.serve.store import Store
    except ModuleNotFoundError as error:
        raise MissingExtraError("serving", "serve") from error
    from orapo.data.conversation import check_views
    from orapo.preferences.sheet import SHEET

    token = _checked_token(host, token, without_token)
    shown = check_views(views)
    limits = Limits(
        upload_bytes=max_upload * 10**6,
        new_tokens=max_new_tokens,
        model_seconds=max_seconds,
        queue=queue,
        arriving=4 * (queue + 1),
    )
    if pairs is None and judgements is not None:
        raise OrapoError("--judgements needs --pairs, the sheet of what is judged")
    if pairs is not None and judgements is None and store is None:
        raise OrapoError("--pairs needs --judgements (a file to write) or --store")
    if log_edits is not None and model is None:
        raise OrapoError("--log-edits needs --model: what is logged are edits of its drafts")
    listening = _listen(host, port)
    console = Console(stderr=True)
    judging: Judging | None = None
    edits: Lines | None = None
    kept: Store | None = None
    try:
        if store is not None:
            kept = Store(store)
        if log_edits is not None:
            edits = file = AppendedLines(log_edits)
            if kept is not None:
                kept.read_in(file, "edit")
                file.close()
        if kept is not None:
            edits = kept.lines("edit")
        if pairs is not None:
            sheet = pairs / SHEET if pairs.is_dir() else pairs
            judging = load_judging(sheet, judgements, kept)
        served = None
        if model is not None:
            from orapo.models.whole import intact
            from orapo.serve.inference import load_served

            served = load_served(
                str(intact(model)),
                views=shown,
                earlier_reports=previous_reports,
                earlier_films=previous_films,
                remote_code=trust_remote_code,
            )
        names = [*(allow_name or []), *_name_of(host)]
        application = create_app(
            served,
            limits=limits,
            token=token,
            names=names,
            judging=judging,
            edits=edits,
            store=kept,
        )
        logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s")
        logging.getLogger("orapo.serve").setLevel(logging.INFO)
        for handler in logging.getLogger().handlers:
            handler.addFilter(OnceAMinute())
        # What pydicom and Pillow say of files quotes them. `orapo.data` keeps that back file by
        # file, by settings of the whole process, which two threads would take from each other.
        logging.getLogger("pydicom").setLevel(logging.CRITICAL)
        warnings.simplefilter("ignore")
        connections, backlog = that_fit(max_connections)
        bounds = Bounds(connections=connections, of_an_address=max(2, connections // 2))
        config = uvicorn.Config(
            application,
            http=partial(BoundedProtocol, bounds),  # type: ignore[arg-type]
            backlog=backlog,
            log_config=None,
            access_log=False,  # it would write down what was asked for
            server_header=False,
            proxy_headers=False,
            ws="none",
            timeout_graceful_shutdown=5,
        )
        listening.listen()  # who comes before all is ready waits, and is not turned away
        number = listening.getsockname()[1]
        place = f"[{host}]" if ":" in host else host
        console.print(
            f"orapo: http://{place}:{number}/ (for research, not for diagnosis; Ctrl-C ends it)",
            markup=False,
            soft_wrap=True,
        )
        if judging is not None:
            console.print("orapo: pairs are judged at /judge")
        if kept is not None:
            what = "worklist, drafts, edits and judgements are kept"
            console.print(f"orapo: {what} in {store}", markup=False, soft_wrap=True)
        elif edits is not None:
            console.print(f"orapo: edits are logged in {log_edits}", markup=False, soft_wrap=True)
        if served is None:
            console.print("orapo: without --model it reads and scores reports, and writes none")
        uvicorn.Server(config).run(sockets=[listening])
    finally:
        listening.close()
        for open_file in (judging, edits, kept):
            if open_file is not None:
                open_file.close()


def _checked_token(host: str, token: str | None, without_token: bool) -> str | None:
    from orapo.serve.guard import is_loopback

    if token is not None and without_token:
        raise OrapoError("--token and --without-token exclude each other")
    if token is None and not without_token and not is_loopback(host):
        raise OrapoError(
            f"--host {host} can be reached from other machines: give --token (or "
            "ORAPO_SERVE_TOKEN), or say --without-token"
        )
    if token is not None and (len(token) < SHORTEST_TOKEN or not token.isascii() or " " in token):
        raise OrapoError(
            f"--token must have at least {SHORTEST_TOKEN} ASCII characters and no space"
        )
    return token


def _listen(host: str, port: int) -> socket.socket:
    """Take the port first: a model is not loaded in vain."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listening = socket.socket(family, socket.SOCK_STREAM)
    except OSError:
        raise OrapoError(f"--host {host}: no such name or address") from None
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise OrapoError(f"--host {host} --port {port}: {error.strerror}") from None
    return listening


def _name_of(host: str) -> list[str]:
    """A name that the user listens at is one that may be asked for."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return [host]
    return []
