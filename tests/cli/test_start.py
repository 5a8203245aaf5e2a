"""How the command starts, and how a signal ends it: at any moment, in one line at most."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from orapo import cli

# What pip makes of [project.scripts], and a sign of life once signals are taken care of: until
# then the interpreter itself is at work (benchmarks/start_time.py says how long), and the test
# must not depend on how busy the machine is. The command does it once more.
SCRIPT = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # the tests may run in the background
from orapo import signals
signals.end_at_once()
os.write(1, b"!")
from orapo.__main__ import main
sys.argv[0] = "orapo"
sys.exit(main())
"""
DELAYS = (0.0, 0.02, 0.05, 0.1, 0.15, 0.3, 0.5, 1.0)
# each with the ordinary exit code, for where it had finished
CASES = {
    "version": (("--version",), 0),
    "facts": (("facts", "Small left effusion."), 0),
    "label": (("label", "reports.csv", "--out", "labels.csv"), 0),
    "label in processes": (("label", "reports.csv", "--out", "labels.csv", "--workers", "2"), 0),
    "evaluate": (("evaluate", "reports.csv", "--references", "reports.csv", "--out", "e"), 0),
    "phantom": (("data", "phantom", "--out", "phantom", "--studies", "10000"), 0),
    "no recipe": (("train", "--config", "none.yaml"), 2),
    "demo": (("demo", "--quick", "--out", "demo"), 0),
}


def environment(folder):
    # What the demo keeps for later runs is no business of other tests.
    return {**os.environ, "ORAPO_CACHE": str(folder / "cache")}


def signalled(folder, words, signum, delay, more=()):
    """Run a command, signal its whole group as a terminal does; give its exit code and stderr."""
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, *words],
        cwd=folder,
        env=environment(folder),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    with process:
        assert process.stdout.read(1) == b"!"
        for wait in (delay, *more):
            try:
                process.wait(wait)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signum)
        _, errors = process.communicate()
    return process.returncode, errors.decode()


@pytest.fixture
def folder(tmp_path):
    rows = [f"s{n},There is a small left pleural effusion.\n" for n in range(20000)]
    (tmp_path / "reports.csv").write_text("study_id,report\n" + "".join(rows))
    return tmp_path


@pytest.mark.parametrize("delay", DELAYS)
@pytest.mark.parametrize("case", CASES)
def test_ctrl_c_at_any_moment_is_one_line_and_130(folder, case, delay):
    words, ordinary = CASES[case]
    code, errors = signalled(folder, words, signal.SIGINT, delay)
    assert code in (130, ordinary), errors
    assert "Traceback" not in errors
    if code == 130:
        assert re.fullmatch(r"(orapo: interrupted(; .+)?\n)?", errors)


@pytest.mark.parametrize("delay", [0.0, 0.1, 0.5, 1.5])
def test_sigterm_ends_a_command_with_143_and_no_traceback(folder, delay):
    words, ordinary = CASES["label"]
    code, errors = signalled(folder, words, signal.SIGTERM, delay)
    if code == -signal.SIGTERM:
        # it met the interpreter that takes itself down (`signals._last`), which a shell shows as 143:
        # by then all is written and all is said
        assert len((folder / "labels.csv").read_text().splitlines()) == 20001
        assert errors == ""
    else:
        assert code in (143, ordinary)
    assert "Traceback" not in errors
    assert len(errors.splitlines()) <= 1


@pytest.mark.parametrize("delay", [0.0, 0.1, 0.5, 1.0])
def test_pressed_three_times_it_is_still_one_line(folder, delay):
    words, _ = CASES["label"]
    code, errors = signalled(folder, words, signal.SIGINT, delay, more=(0.01, 0.01))
    assert code in (130, 0)
    assert "Traceback" not in errors
    assert len(errors.splitlines()) <= 1


def test_what_was_kept_stands_in_the_same_line(folder):
    """Nothing that was computed is lost, and the line says where it is."""
    words, _ = CASES["label"]
    rows = folder / ".labels.csv.rows"
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, *words],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    with process:
        while not (rows.exists() and rows.stat().st_size > 10000):
            with pytest.raises(subprocess.TimeoutExpired):  # it has not ended
                process.wait(0.05)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
    assert process.returncode == 130
    assert errors.decode().startswith("orapo: interrupted; what was labelled is kept in ")
    assert rows.exists()


# What Python and libraries make of an exception that a signal raises in the wrong place, and what
# the command makes of that.
SWALLOWED = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
import orapo.cli.cache
from orapo.__main__ import main

class Trap:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)

def add_to(app):
    @app.command("cache")
    def cache():
        {body}

orapo.cli.cache.add_to = add_to
sys.argv = ["orapo", "cache"]
main()
"""
PLACES = {
    "a finaliser": """trap = Trap(); del trap
        while True: pass""",
    "an import that fails of it": """
        try:
            os.kill(os.getpid(), signal.SIGINT)
            while True: pass
        except BaseException as error:
            raise ImportError("cannot import name") from error""",
    "an extra that seems to be missing": """
        from orapo.errors import MissingExtraError
        try:
            os.kill(os.getpid(), signal.SIGINT)
            while True: pass
        except BaseException as error:
            raise MissingExtraError("training", "train") from error""",
    "what is left when the command has ended": """
        import atexit
        def slow():
            os.kill(os.getpid(), signal.SIGINT)
            while True: pass
        atexit.register(slow)
        raise KeyboardInterrupt""",
}


@pytest.mark.parametrize("place", PLACES)
def test_an_interrupt_is_not_lost_where_no_exception_can_leave(place):
    code = SWALLOWED.format(body=PLACES[place].strip())
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (130, "orapo: interrupted\n")


# A module in whose import the signal comes, and which swallows whatever it raises, as parts of torch do.
GREEDY = """
import os, signal
try:
    os.kill(os.getpid(), signal.SIGINT)
    for _ in range(1000000):
        pass
except BaseException:
    pass
print("imported", flush=True)
"""
# A library of ours that has something to save, and imports the other one when it is needed.
LIBRARY = """
def work():
    try:
        import greedy
        while True:
            pass
    finally:
        print("saved", flush=True)
"""


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("import greedy\n        while True: pass", ""),
        ("from library import work\n        work()", "imported\nsaved\n"),
    ],
    ids=["that the command begins with", "within its work"],
)
def test_an_interrupt_is_not_lost_in_an_import(tmp_path, body, said):
    """Before the work begins it ends the process; later the import is waited for, and then it counts."""
    (tmp_path / "greedy.py").write_text(GREEDY)
    (tmp_path / "library.py").write_text(LIBRARY)
    places = [str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [sys.executable, "-c", SWALLOWED.format(body=body)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(places)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (130, "orapo: interrupted\n")
    assert done.stdout == said


# A command whose parent may be killed, and what it does then.
CHILD = """
import sys, time
import orapo.cli.cache
from orapo.__main__ import main

def add_to(app):
    @app.command("cache")
    def cache():
        try:
            print("at work", flush=True)
            while True: time.sleep(60)
        finally:
            print("saved", flush=True)

orapo.cli.cache.add_to = add_to
sys.argv = ["orapo", "cache"]
main()
"""
PARENT = """
import os, subprocess, sys, time
from orapo.signals import ends_with_this_process
subprocess.Popen([sys.executable, "-c", sys.argv[1]], env={**os.environ, **ends_with_this_process()})
while True: time.sleep(60)
"""


@pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux tells a process of its parent's end"
)
def test_a_command_that_another_has_started_saves_and_ends_when_that_one_is_killed():
    words = [sys.executable, "-c", PARENT, CHILD]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout.readline() == "at work\n"
        parent.kill()
        assert parent.stdout.read() == "saved\n"  # to its end: nobody holds the pipe any more


def test_a_command_whose_parent_is_gone_before_it_begins_ends_at_once():
    code = "from orapo.__main__ import main; main()"
    words = [sys.executable, "-c", code, "--version"]
    gone = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True
    )
    environment = {**os.environ, "ORAPO_PARENT": gone.stdout.decode().strip()}
    done = subprocess.run(words, env=environment, capture_output=True)
    assert done.returncode == (143 if sys.platform == "linux" else 0)


def test_a_background_jobs_ctrl_c_stays_ignored():
    code = (
        "import os, signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "from orapo import signals; signals.end_at_once(); signals.raise_them()\n"
        "os.kill(os.getpid(), signal.SIGINT); signals.end_quietly()\n"
        "os.kill(os.getpid(), signal.SIGINT)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_nothing_is_imported_before_signals_are_taken_care_of():
    code = (
        "import sys; before = set(sys.modules); import orapo.__main__\n"
        "print(*sorted(set(sys.modules) - before - set(sys.builtin_module_names)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["orapo", "orapo.__main__", "orapo.signals"]


# --- what the table of commands says -------------------------------------------------------------


@pytest.mark.parametrize("module", cli.COMMANDS)
def test_the_table_says_what_the_command_says(module):
    command = cli.load_command(module)
    assert command.name == module.replace("_", "-")
    assert command.get_short_help_str(1000) == cli.COMMANDS[module]


def test_every_command_of_the_folder_is_in_the_table():
    folder = Path(cli.__file__).parent
    files = {file.stem: file for file in folder.glob("*.py")}
    files |= {file.parent.name: file for file in folder.glob("*/__init__.py")}
    adding = {name for name, file in files.items() if "\ndef add_to(" in file.read_text()}
    assert adding == set(cli.COMMANDS)


def run(*words, **variables):
    return subprocess.run(
        [sys.executable, "-X", "importtime", "-c", "import sys; sys.argv[0] = 'orapo';"
         "from orapo.__main__ import main; main()", *words],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=True,
    )  # fmt: skip


def imported(done):
    return {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}


HEAVY = {"numpy", "scipy", "sklearn", "matplotlib", "pyarrow", "pandas", "PIL", "torch", "jinja2"}


@pytest.mark.parametrize("words", [("--version",), ("--help",)])
def test_version_and_help_import_no_command_and_no_rich(words):
    modules = imported(run(*words))
    assert not {name for name in modules if name.startswith("orapo.cli.")}
    assert not modules & (HEAVY | {"rich", "pydantic"})


def test_help_lists_every_command_with_its_line():
    lines = run("--help").stdout.splitlines()
    listed = [line.split(maxsplit=1) for line in lines[lines.index("Commands:") + 1 :]]
    assert listed == [[m.replace("_", "-"), line] for m, line in cli.COMMANDS.items()]


def tab(typed):
    """Press Tab in bash after what was typed."""
    count = str(typed.count(" "))
    return run(_ORAPO_COMPLETE="complete_bash", COMP_WORDS=typed, COMP_CWORD=count)


def test_tab_completes_commands_without_importing_them():
    done = tab("orapo re")
    assert done.stdout.split() == ["reward", "reward-model"]
    assert not {name for name in imported(done) if name.startswith("orapo.cli.")}


@pytest.mark.parametrize(
    ("typed", "among"),
    [
        ("orapo data ", "phantom"),
        ("orapo data check --im", "--image-root"),
        ("orapo label --", "--text-column"),
        ("orapo train --", "--config"),
        ("orapo serve --", "--model"),
        ("orapo evaluate --", "--references"),
    ],
)
def test_tab_within_a_command_imports_that_command_and_nothing_heavy(typed, among):
    done = tab(typed)
    assert among in done.stdout.split()
    assert not imported(done) & HEAVY


def options_of(command, words):
    for name, inner in getattr(command, "commands", {}).items():
        yield from options_of(inner, (*words, name))
    for option in command.params:
        kind = str(option.type_descriptor.annotation)
        if "float" in kind:
            yield words, option.opts[0], kind.count("float")


@pytest.mark.parametrize("number", ["nan", "inf", "-inf"])
def test_no_option_takes_a_number_that_is_none(capsys, number):
    """`--max-cost nan` would be no limit, and `--margin nan` make a tie of all."""
    found = 0
    for module in cli.COMMANDS:
        command = cli.load_command(module)
        for words, name, count in options_of(command, ()):
            with pytest.raises(SystemExit) as ended:
                command([*words, name, *[number] * count])
            assert ended.value.code == 2
            assert f"Invalid value for '{name}" in capsys.readouterr().err
            found += 1
    assert found > 10


def test_a_mistyped_command_is_told_the_near_ones():
    command = [sys.executable, "-m", "orapo", "labl"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert "label" in done.stderr
    assert "Traceback" not in done.stderr
