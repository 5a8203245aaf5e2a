"""The package as it is built and imported: what it brings, and that it is light."""

import subprocess
import sys
import tarfile
import zipfile
from collections import Counter
from pathlib import Path, PurePosixPath

import pytest

import orapo

PACKAGE = Path(orapo.__file__).parent
ROOT = Path(__file__).parents[1]
KINDS = {".py", ".toml", ".j2", ".html", ".js", ".css", ".svg", ".typed"}
KINDS |= {".jpg", ".json"}  # the example of the workbench


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Wheel and sdist, built by the backend of pyproject.toml."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return folder


def in_the_wheel(built):
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as file:
        return [PurePosixPath(name) for name in file.namelist()]


def test_the_wheel_holds_the_package_and_nothing_else(built):
    inside = {name for name in in_the_wheel(built) if name.parts[0] == "orapo"}
    here = {
        PurePosixPath("orapo", path.relative_to(PACKAGE).as_posix())
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert inside == here
    about = {name.parts[0] for name in in_the_wheel(built)} - {"orapo"}
    assert about == {f"orapo-{orapo.__version__}.dist-info"}


def test_the_wheel_brings_its_data_files(built):
    kinds = Counter(name.suffix for name in in_the_wheel(built) if name.parts[0] == "orapo")
    assert set(kinds) == KINDS
    names = {name.as_posix() for name in in_the_wheel(built)}
    assert "orapo/py.typed" in names
    assert any(name.startswith("orapo/facts/lexicon/") for name in names)
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_the_sdist_holds_what_builds_and_tests_the_package(built):
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as file:
        names = [PurePosixPath(*PurePosixPath(name).parts[1:]) for name in file.getnames()]
    top = {name.parts[0] for name in names if name.parts}
    folders = {"src", "tests", "recipes", "examples", "benchmarks", "docs"}
    assert folders | {"pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md"} <= top
    assert not {"shared", ".venv", ".ci", "runs", "site"} & top
    assert not [name for name in names if "__pycache__" in name.parts]


def test_importing_orapo_loads_nothing_heavy():
    code = (
        "import sys, orapo; heavy = {'torch', 'transformers', 'numpy', 'PIL', 'pydantic',"
        " 'matplotlib'}; print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_labelling_needs_no_torch():
    code = (
        "import sys; from orapo import label_report, evaluate_reports; label_report('Effusion.');"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_wrong_command_says_so_and_exits_with_2():
    done = subprocess.run(
        [sys.executable, "-m", "orapo", "facts", "--file", "nowhere.txt"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "nowhere.txt" in done.stderr
    assert "Traceback" not in done.stderr
