"""Whatever bytes a table holds: studies and problems, or one sentence; never anything else."""

import gzip
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orapo.data.datasets import load_dataset
from orapo.data.loaded import LoadOptions
from orapo.data.phantom import PhantomConfig
from orapo.data.phantom.layouts import write_layout
from orapo.errors import OrapoError

TABLES = {
    "chexpert-plus": ("df_chexpert_plus_240401.csv", "chexbert_labels/report_fixed.json"),
    "mimic-cxr": tuple(
        f"mimic-cxr-2.0.0-{name}.csv.gz" for name in ("split", "metadata", "chexpert")
    ),
    "iu-xray": ("annotation.json", "indiana_reports.csv", "indiana_projections.csv"),
    "table": ("studies.csv",),
}
CASES = [(layout, name) for layout, names in TABLES.items() for name in names]
ODD = [
    b"", b"\0", b"\xff\xfe", b'"', b'""', b",", b"\n", b"\r\n", b"\\ud800", b"nan", b"1e999",
    b"null", b"[]", b"{}", b"../", b"/", b"2", b"-", b"\xc3\xa9", b"9" * 400, b"[" * 2000, b"true",
]  # fmt: skip


@pytest.fixture(scope="module")
def trees(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trees")
    return {
        layout: write_layout(layout, folder / layout, {"train": 2}, 0, PhantomConfig(size=32))
        for layout in TABLES
    }


def load(layout, path, name):
    if name.startswith("indiana"):
        path = path / "indiana_reports.csv"
    return load_dataset(layout, path, LoadOptions(check_files=False))


@pytest.mark.parametrize(("layout", "name"), CASES)
@given(data=st.data())
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_bytes_put_into_a_table_never_end_in_a_traceback(trees, layout, name, data):
    path = trees[layout]
    table = path if layout == "table" else path / name
    packed = table.suffix == ".gz"
    whole = table.read_bytes()
    content = gzip.decompress(whole) if packed else whole
    start = data.draw(st.integers(0, len(content)))
    length = data.draw(st.integers(0, 30))
    odd = data.draw(st.sampled_from(ODD) | st.binary(max_size=8))
    changed = content[:start] + odd + content[start + length :]
    try:
        table.write_bytes(gzip.compress(changed) if packed else changed)
        loaded = load(layout, path, name)
    except OrapoError as error:
        loaded, sentences = None, [str(error)]
    else:
        sentences = [str(problem) for problem in loaded.problems]
    finally:
        table.write_bytes(whole)
    for sentence in sentences:
        assert sentence.startswith(str(path))
        assert len(sentence) < 1000
    for study in loaded.studies if loaded else ():  # can be written
        json.dumps(study.model_dump(mode="json"), ensure_ascii=False).encode()


@pytest.mark.parametrize(("layout", "name"), CASES)
@given(cell=st.sampled_from([None, True, 1.5, [], {}, [1], {"a": 1}, "x", "", -5, 10**400]))
@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_values_of_every_type_are_told_or_taken(trees, layout, name, cell):
    """In the two JSON forms, any value may stand anywhere."""
    if not name.endswith(".json"):
        pytest.skip("a CSV file holds text only")
    path = trees[layout] / name
    whole = path.read_bytes()
    lines = whole.splitlines() if layout == "chexpert-plus" else [whole]
    record = json.loads(lines[0])
    entry = record["train"][0] if layout == "iu-xray" else record
    try:
        for key in list(entry):
            kept, entry[key] = entry[key], cell
            lines[0] = json.dumps(record).encode()
            path.write_bytes(b"\n".join(lines))
            load(layout, trees[layout], name)
            entry[key] = kept
    finally:
        path.write_bytes(whole)
