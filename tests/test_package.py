"""The package as a whole: cheap to import, and its names are where the docs say."""

import subprocess
import sys

import pytest

import orapo


def test_importing_orapo_loads_nothing_heavy():
    code = (
        "import sys, orapo; heavy = {'torch', 'transformers', 'numpy', 'pydantic', 'matplotlib'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", orapo.__all__)
def test_every_public_name_is_there(name):
    assert getattr(orapo, name).__name__ == name


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
