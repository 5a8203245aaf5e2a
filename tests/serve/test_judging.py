"""Blinded pairs: what raters are shown, what is kept of what they say, and that it stays."""

import json
import os
from datetime import datetime

import pytest
from fake_server import LEFT, lines_of

from orapo.errors import OrapoError, RunFailedError
from orapo.serve.app import create_app
from orapo.serve.appended import AppendedLines
from orapo.serve.judging import load_judging


class Served:
    """A server of a sheet, in this process."""

    def __init__(self, sheet, out, **settings):
        self.judging = load_judging(sheet, out)
        self.app = create_app(judging=self.judging, **settings)

    def __enter__(self):
        from starlette.testclient import TestClient

        self.client = TestClient(self.app, base_url="http://localhost:8000")
        self.client.__enter__()
        return self.client

    def __exit__(self, *error):
        self.client.__exit__(*error)
        self.judging.close()


def judge(client, pair="p1", choice="left", rater="r1", **more):
    body = {"pair": pair, "rater": rater, "choice": choice, "seconds": 2.5, **more}
    return client.post("/v1/judging/judgements", json=body)


def begin(client, rater="r1"):
    return client.post("/v1/judging", json={"rater": rater})


# --- what is shown, and what is kept ---


def test_a_rater_gets_one_pair_after_the_other_and_each_judgement_is_a_line(sheet, out):
    with Served(sheet, out) as client:
        first = begin(client).json()
        assert first == {
            "pairs": 3,
            "judged": 0,
            "last": None,
            "next": {
                "pair": "p1",
                "place": 1,
                "left": LEFT,
                "right": "No effusion.",
                "films": 2,
            },
        }
        then = judge(client, reason=" clearer ").json()
        assert then["next"]["pair"] == "p2"
        assert then["last"]["choice"] == "left"
    (line,) = lines_of(out)
    assert list(line) == ["pair", "rater", "choice", "reason", "seconds", "judged_at"]
    assert {**line, "judged_at": ""} == {
        "pair": "p1",
        "rater": "r1",
        "choice": "left",
        "reason": "clearer",
        "seconds": 2.5,
        "judged_at": "",
    }
    assert datetime.fromisoformat(line["judged_at"]).tzinfo is not None


def test_after_a_restart_nobody_is_asked_again(sheet, out):
    with Served(sheet, out) as client:
        judge(client, "p1")
        judge(client, "p1", rater="r2")
        judge(client, "p2", "tie")
    with Served(sheet, out) as client:
        assert begin(client).json()["next"]["pair"] == "p3"
        assert begin(client, "r2").json()["next"]["pair"] == "p2"
        assert begin(client, "r3").json()["judged"] == 0
        assert judge(client, "p3").json()["next"] is None


def test_who_changes_their_mind_appends_a_line_and_the_last_one_counts(sheet, out):
    with Served(sheet, out) as client:
        judge(client, "p1", "left")
        again = judge(client, "p1", "right", reason="on second thoughts").json()
        assert again["judged"] == 1
        assert again["next"]["pair"] == "p2"
    assert [line["choice"] for line in lines_of(out)] == ["left", "right"]
    with Served(sheet, out) as client:
        last = begin(client).json()["last"]
    assert (last["choice"], last["reason"]) == ("right", "on second thoughts")


def test_the_other_half_of_preferences_reads_what_is_kept(sheet, out):
    judgements = pytest.importorskip("orapo.preferences.judgements")
    from orapo.preferences.records import read_sheet

    with Served(sheet, out) as client:
        judge(client, "p1", "left")
        judge(client, "p1", "right")
        judge(client, "p2", "tie")
    read = judgements.read_judgements([out], read_sheet(sheet))
    assert [(one.pair, one.choice) for one in read.given] == [("p1", "right"), ("p2", "tie")]
    assert read.revised == 1


def test_neither_page_nor_answers_say_which_study_file_or_system_it_is(sheet, out):
    text = sheet.read_text().replace('"left":', '"left_source": "SYSTEM-A", "left":')
    sheet.write_text(text)
    with Served(sheet, out) as client:
        answers = [begin(client), judge(client), client.get("/judge")]
        answers.append(client.post("/v1/judging/film", json={"pair": "p1", "film": 0}))
        for answer in answers:
            said = answer.text + str(answer.headers)
            assert not any(
                secret in said for secret in ("SYSTEM-A", "secret-p", "film0", "sheet.jsonl")
            )


# --- films: those of the sheet, by its pairs' names ---


def test_films_are_asked_for_by_pair_and_number(sheet, out):
    with Served(sheet, out) as client:
        answers = [
            client.post("/v1/judging/film", json={"pair": "p1", "film": number})
            for number in (0, 1)
        ]
    assert [json.loads(answer.headers["orapo-film"])["rows"] for answer in answers] == [400] * 2
    assert answers[0].content != answers[1].content


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"pair": "p1", "film": 2}, 404),
        ({"pair": "p2", "film": 0}, 404),
        ({"pair": "../film0.png", "film": 0}, 404),
        ({"pair": "film0.png", "film": 0}, 404),
        ({"pair": "p1", "film": -1}, 422),
        ({"pair": "p1", "film": "../film0.png"}, 422),
        ({"pair": "p1", "film": 0, "path": "/etc/passwd"}, 422),
    ],
)
def test_no_other_file_can_be_asked_for(sheet, out, asked, status):
    with Served(sheet, out) as client:
        answer = client.post("/v1/judging/film", json=asked)
    assert answer.status_code == status


def test_a_film_that_is_broken_is_said_without_its_path(sheet, out, tmp_path):
    (tmp_path / "film0.png").write_bytes(b"no picture")
    with Served(sheet, out) as client:
        answer = client.post("/v1/judging/film", json={"pair": "p1", "film": 0})
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("film 1: ")
    assert str(tmp_path) not in answer.text


# --- what is refused ---


@pytest.mark.parametrize(
    "wrong",
    [
        {"choice": "both"},
        {"seconds": -1},
        {"seconds": "NaN"},
        {"rater": ""},
        {"rater": " r1"},
        {"rater": "r1 "},
        {"rater": "\ud800"},
        {"rater": "r1\n"},
        {"rater": "r" * 101},
        {"reason": "x" * 5001},
        {"reason": "\ud800"},
        {"judged_at": "2020-01-01"},
    ],
)
def test_a_judgement_that_is_none_is_refused_and_leaves_no_line(sheet, out, wrong):
    body = {"pair": "p1", "rater": "r1", "choice": "left", "seconds": 1, **wrong}
    with Served(sheet, out) as client:
        answer = client.post(
            "/v1/judging/judgements",
            content=json.dumps(body),
            headers={"content-type": "application/json"},
        )
        assert answer.status_code == 422
        assert judge(client, "p9").status_code == 404
    assert out.read_text() == ""


def test_judging_is_as_guarded_as_all_else(sheet, out):
    with Served(sheet, out, token="a-token-of-some-length") as client:
        assert client.get("/judge").status_code == 200  # brings no data, and asks for the token
        assert begin(client).status_code == 401
        assert judge(client).status_code == 401
        client.headers["authorization"] = "Bearer a-token-of-some-length"
        assert begin(client).status_code == 200
        foreign = {"origin": "https://elsewhere.example"}
        body = {"pair": "p1", "rater": "r1", "choice": "left", "seconds": 1}
        answer = client.post("/v1/judging/judgements", json=body, headers=foreign)
        assert answer.status_code == 403
        assert "default-src 'none'" in client.get("/judge").headers["content-security-policy"]
    assert out.read_text() == ""


def test_without_a_sheet_there_is_no_judging(client):
    assert client.get("/judge").status_code == 404
    assert begin(client).status_code == 404
    assert client.get("/v1/about").json()["judging"] is False


def test_the_log_holds_no_rater_pair_or_reason(sheet, out, caplog):
    with caplog.at_level("DEBUG"), Served(sheet, out) as client:
        judge(client, rater="Zebedee", reason="quokka")
        client.post("/v1/judging/film", json={"pair": "p1", "film": 0})
    assert "/v1/judging/judgements 200" in caplog.text
    assert not any(word in caplog.text for word in ("Zebedee", "quokka", "p1", "film0"))


# --- the file ---


def test_a_line_that_a_crash_cut_in_half_is_taken_away_and_asked_again(sheet, out):
    with Served(sheet, out) as client:
        judge(client, "p1")
        judge(client, "p2")
    whole = out.read_bytes()
    out.write_bytes(whole[:-20])
    with Served(sheet, out) as client:
        assert begin(client).json()["next"]["pair"] == "p2"
        judge(client, "p2", "right")
    assert [line["choice"] for line in lines_of(out)] == ["left", "right"]


def test_a_line_that_lacks_only_its_end_is_kept(sheet, out):
    with Served(sheet, out) as client:
        judge(client, "p1")
    out.write_bytes(out.read_bytes()[:-1])
    with Served(sheet, out) as client:
        judge(client, "p2")
    assert [line["pair"] for line in lines_of(out)] == ["p1", "p2"]


def test_a_second_server_may_not_write_the_same_file(sheet, out):
    pytest.importorskip("fcntl")
    with Served(sheet, out), pytest.raises(OrapoError, match="another orapo serve writes it"):
        load_judging(sheet, out)
    load_judging(sheet, out).close()


def test_a_line_in_the_middle_that_is_none_is_named(sheet, out):
    out.write_text('{"pair": "p1", "rater": "r", "choice": "left"}\nhalf\n{}\n')
    with pytest.raises(OrapoError, match=r"judgements\.jsonl, line 2: expected a JSON object"):
        load_judging(sheet, out)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ({"pair": "other", "rater": "r", "choice": "left"}, "is of a pair that the sheet lacks"),
        ({"pair": "p1", "rater": "r", "choice": "both"}, "expected a judgement"),
        ({"pair": "p1", "choice": "left"}, "expected a judgement"),
        ({"pair": ["p1"], "rater": "r", "choice": "left"}, "expected a judgement"),
    ],
)
def test_a_file_of_something_else_is_refused_and_left_alone(sheet, out, line, reason):
    out.write_text(json.dumps(line) + "\n")
    before = out.read_bytes()
    with pytest.raises(OrapoError, match=reason):
        load_judging(sheet, out)
    assert out.read_bytes() == before


def test_a_film_that_is_not_there_is_said_before_anyone_judges(sheet, out, tmp_path):
    (tmp_path / "film2.png").unlink()
    with pytest.raises(OrapoError, match=r"pair p3: .*film2\.png is not there"):
        load_judging(sheet, out)
    assert not out.exists()


def test_the_sheet_itself_is_no_place_for_judgements(sheet):
    with pytest.raises(OrapoError, match="is the sheet"):
        load_judging(sheet, sheet)


def test_what_can_not_be_written_is_said_and_leaves_nothing_behind(sheet, out, monkeypatch):
    with Served(sheet, out) as client:
        judge(client, "p1")
        before = out.read_bytes()

        def full(file):
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            answer = judge(client, "p2")
        assert answer.status_code == 503
        assert "could not be kept (No space left" in answer.json()["detail"]
        assert out.read_bytes() == before
        assert begin(client).json()["next"]["pair"] == "p2"
        assert judge(client, "p2").status_code == 200


def test_a_kept_line_is_on_the_disk_before_it_is_said_to_be(tmp_path, monkeypatch):
    synced = []
    file = AppendedLines(tmp_path / "x.jsonl")
    monkeypatch.setattr(os, "fsync", lambda handle: synced.append(os.fstat(handle).st_size))
    file.append({"a": 1})
    file.close()
    assert synced == [len('{"a": 1}\n')]
    assert (tmp_path / "x.jsonl").stat().st_mode & 0o077 == 0
    with pytest.raises(RunFailedError):
        file.append({"a": 2})
