"""The store: several readers in one file, nothing overwritten, what exists read in once; off unless asked for."""

import json
import sqlite3
import stat

import pytest
from fake_server import LEFT, lines_of
from starlette.testclient import TestClient

from orapo.errors import OrapoError, RunFailedError
from orapo.serve.app import create_app
from orapo.serve.appended import AppendedLines
from orapo.serve.judging import load_judging
from orapo.serve.store import KeptText, Store

GIVEN = {
    "rater": "dr a",
    "study": "dicom-1",
    "name": "case 7",
    "state": "edited",
    "report": "Small effusion.",
    "draft": "No effusion.",
    "films": ["0" * 64],
    "page": '{"id": "1"}',
}


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "work.sqlite")
    yield store
    store.close()


@pytest.fixture
def shared(model, store):
    app = create_app(model, store=store, edits=store.lines("edit"))
    with TestClient(app, base_url="http://localhost:8000") as client:
        yield client


def keep(client, **changes):
    answer = client.post("/v1/worklist/texts", json=GIVEN | changes)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_two_readers_are_told_of_each_other_and_neither_is_overwritten(shared, store):
    assert keep(shared) == []
    (other,) = keep(shared, rater="dr b", report="Large effusion.", state="own text")
    assert (other["reader"], other["here"], other["report"]) == ("dr a", True, "Small effusion.")
    keep(shared, report="Tiny effusion.")
    opened = {"rater": "dr b", "study": "dicom-1"}
    assert shared.post("/v1/worklist/others", json=opened).json()[0]["report"] == "Tiny effusion."
    texts = {text.reader: text.report for text in store.last_texts("dicom-1")}
    assert texts == {"dr a": "Tiny effusion.", "dr b": "Large effusion."}
    lines = [json.loads(line) for line in shared.get("/v1/store").text.splitlines()]
    said = [(line["reader"], line["report"]) for line in lines]
    assert said == [
        ("dr a", "Small effusion."),
        ("dr b", "Large effusion."),
        ("dr a", "Tiny effusion."),
    ]
    assert "page" not in lines[0]
    assert lines[0]["kind"] == "text"
    assert lines[0]["films"] == ["0" * 64]


def test_a_reader_gets_their_own_page_back_and_of_others_studies_theirs(shared):
    keep(shared)
    keep(shared, study="dicom-2", rater="dr b", page="{}")
    found = {
        one["study"]: one for one in shared.post("/v1/worklist", json={"rater": "dr a"}).json()
    }
    assert found["dicom-1"]["mine"] == '{"id": "1"}'
    assert (found["dicom-2"]["mine"], found["dicom-2"]["theirs"]) == (None, "{}")
    assert found["dicom-2"]["readers"] == ["dr b"]


def test_what_was_kept_is_there_after_a_restart_for_its_owner_alone(tmp_path):
    path = tmp_path / "work.sqlite"
    first = Store(path)
    text = KeptText("s", "dr a", "2026-11-29", "n", "edited", "x", None, ("0" * 64,), "{}")
    first.keep(text)
    with pytest.raises(OrapoError, match="another orapo serve"):
        Store(path)
    first.close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    again = Store(path)
    assert again.last_texts() == [text]
    again.close()
    assert [one.name for one in tmp_path.iterdir()] == ["work.sqlite"]  # one file


@pytest.mark.parametrize(
    "content", [b"no data base at all, but long enough to look", b"\x00" * 4096]
)
def test_what_is_no_store_is_refused_and_left_alone(tmp_path, content):
    path = tmp_path / "work.sqlite"
    path.write_bytes(content)
    with pytest.raises(OrapoError, match=r"work\.sqlite"):
        Store(path)
    assert path.read_bytes() == content


def test_another_programs_data_base_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "work.sqlite"
    with sqlite3.connect(path) as other:
        other.execute("create table theirs (a)")
    other.close()
    before = path.read_bytes()
    with pytest.raises(OrapoError, match="another program's"):
        Store(path)
    assert path.read_bytes() == before


def test_what_can_not_be_written_is_said_and_not_half_there(shared, store):
    store._open.execute("pragma query_only = on")
    answer = shared.post("/v1/worklist/texts", json=GIVEN)
    assert answer.status_code == 503
    assert "could not be kept" in answer.json()["detail"]
    with pytest.raises(RunFailedError):
        store.append("edit", "", {})
    assert store.last_texts() == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"rater": " "},
        {"study": ""},
        {"report": "x" * 20_001},
        {"draft": "x" * 20_001},
        {"page": "x" * 500_001},
        {"films": ["../x"]},
        {"more": 1},
    ],
)
def test_what_is_no_text_of_a_study_is_refused(shared, store, wrong):
    assert shared.post("/v1/worklist/texts", json=GIVEN | wrong).status_code == 422
    assert store.last_texts() == []


def test_judgements_of_a_file_are_read_in_once_and_new_ones_go_into_the_store(sheet, out, store):
    out.write_text(json.dumps({"pair": "p1", "rater": "dr a", "choice": "left"}) + "\n")
    for _ in range(2):
        judging = load_judging(sheet, out, store)
        state = judging.state("dr a")
        assert (state.judged, state.next.pair) == (1, "p2")
    assert len(lines_of(out)) == 1
    app = create_app(judging=judging, store=store)
    with TestClient(app, base_url="http://localhost") as client:
        given = {"pair": "p2", "rater": "dr b", "choice": "tie", "seconds": 1}
        assert client.post("/v1/judging/judgements", json=given).status_code == 200
    assert len(lines_of(out)) == 1  # it is not written any more
    assert load_judging(sheet, None, store).state("dr b").judged == 1


def test_judgements_of_a_pair_of_the_same_name_in_another_sheet_do_not_count(
    sheet, tmp_path, store
):
    load_judging(sheet, None, store)._file.append({"pair": "p1", "rater": "a", "choice": "left"})
    other = tmp_path / "other.jsonl"
    pair = {"pair": "p1", "study_id": "s", "images": [], "left": LEFT, "right": "Other."}
    other.write_text(json.dumps(pair) + "\n")
    assert load_judging(other, None, store).state("a").judged == 0
    assert load_judging(sheet, None, store).state("a").judged == 1


def test_edits_of_a_file_are_read_in_once(tmp_path, store, shared):
    path = tmp_path / "edits.jsonl"
    path.write_text('{"log": "1", "final": "a"}\n{"log": "2", "final": "b"}\n')
    for new in (2, 0):
        file = AppendedLines(path)
        assert store.read_in(file, "edit") == new
        file.close()
    path.write_text(path.read_text() + '{"log": "3", "final": "c"}\n')
    file = AppendedLines(path)
    assert store.read_in(file, "edit") == 1
    file.close()
    edited = {"log": "0" * 32, "draft": "a", "final": "b", "seconds": 1, "age": 2, "edits": []}
    assert shared.post("/v1/edits", json=edited).status_code == 204
    lines = [json.loads(line) for line in shared.get("/v1/store").text.splitlines()]
    assert [line["kind"] for line in lines] == ["edit"] * 4
    assert lines[-1]["final"] == "b"


def test_it_is_off_unless_asked_for(client):
    assert client.get("/v1/about").json()["store"] is False
    assert client.post("/v1/worklist", json={"rater": "a"}).status_code == 404
    assert client.get("/v1/store").status_code == 404
