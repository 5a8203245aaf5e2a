"""The HTTP API: what it answers when all is well."""

import csv
import hashlib
import io
import json

import numpy as np
import pytest
from fake_server import REPORTS, dicom_film, film
from PIL import Image
from starlette.testclient import TestClient

from orapo.data.conversation import EARLIER_FILM, REPORT_PROMPT
from orapo.data.phantom import PhantomConfig, draw_study
from orapo.export.draft import NOTICE, NOTICES
from orapo.facts import label_report, score_report
from orapo.facts.fact import report_as_json
from orapo.labels import LABELS
from orapo.serve.app import create_app

TEXT = "Small left pleural effusion. No pneumothorax."


def events(answer):
    """The server-sent events of an answer."""
    parts = [part.split("\n") for part in answer.text.strip().split("\n\n")]
    return [(one[0].removeprefix("event: "), json.loads(one[1][6:])) for one in parts]


def test_a_film_gives_a_report_with_its_facts_and_origin(client):
    answer = client.post("/v1/reports", files={"images": film()})
    assert answer.status_code == 200
    body = answer.json()
    assert body["report"] == REPORTS[0]
    assert body["facts"] == report_as_json(label_report(REPORTS[0])) | {
        "sentences": body["facts"]["sentences"],
        "fields": [],
    }
    assert body["samples"] == [{"report": REPORTS[0], "log_likelihood": -1.0, "cut": False}]
    assert (body["model"], body["revision"], body["notice"]) == ("tiny", "sha256:0", NOTICE)
    assert body["decoding"]["temperature"] == 0
    assert body["decoding"]["engine"] == "fake"


def test_of_several_samples_the_one_that_agrees_best_is_chosen_and_all_are_counted(client):
    answer = client.post("/v1/reports", files={"images": film()}, data={"samples": "3"}).json()
    assert answer["votes"]["Pleural Effusion"] == 2
    assert answer["votes"]["Cardiomegaly"] == 1
    assert answer["votes"]["No Finding"] == 1
    assert [sample["report"] for sample in answer["samples"]] == list(REPORTS)
    assert answer["report"] == REPORTS[answer["chosen"]] != REPORTS[2]
    first = {"samples": "3", "select": "first"}
    answer = client.post("/v1/reports", files={"images": film()}, data=first).json()
    assert answer["chosen"] == 0


def test_the_stream_shows_the_report_grow_and_ends_with_the_same_answer(client):
    streamed = client.post("/v1/reports/stream", files={"images": film()})
    assert streamed.headers["content-type"].startswith("text/event-stream")
    told = events(streamed)
    assert told[:2] == [("waiting", 0), ("started", None)]
    texts = [data for name, data in told if name == "text"]
    assert texts
    assert all(REPORTS[0].startswith(text) for text in texts)
    assert texts == sorted(set(texts), key=len)
    assert told[-1][0] == "report"
    assert told[-1][1] == client.post("/v1/reports", files={"images": film()}).json()


def test_the_same_films_have_the_same_name_and_others_another(client, writer):
    for content in (film(), film(), film(seed=1)):
        client.post("/v1/reports", files={"images": content})
    names = [name for _, name, _ in writer.shown]
    assert names[0] == names[1] != names[2]


def test_files_are_views_of_one_study_and_the_model_is_shown_as_many_as_it_knows(
    client, writer, model
):
    views = [("images", film((40, 48))), ("images", film((60, 50)))]
    assert client.post("/v1/reports", files=views).json()["films_shown"] == [0]
    assert writer.shown[-1][0] == [(40, 48)]
    knows_all = type(model)(model.write, model.provenance, "all")
    with TestClient(create_app(knows_all), base_url="http://localhost") as other:
        assert other.post("/v1/reports", files=views).json()["films_shown"] == [0, 1]
    assert writer.shown[-1][0] == [(40, 48), (60, 50)]


def test_of_dicom_files_the_frontal_one_is_shown_whatever_their_order(client, tmp_path):
    lateral = dicom_film(tmp_path, seed=1, ViewPosition="LL", PatientOrientation=["A", "F"])
    frontal = dicom_film(tmp_path, seed=2, ViewPosition="PA")
    answer = client.post("/v1/reports", files=[("images", lateral), ("images", frontal)])
    assert answer.json()["films_shown"] == [1]


def test_dicom_files_of_two_studies_are_refused(client, tmp_path):
    one = dicom_film(tmp_path, seed=1, StudyInstanceUID="1.2.3")
    other = dicom_film(tmp_path, seed=2, StudyInstanceUID="1.2.4")
    answer = client.post("/v1/reports", files=[("images", one), ("images", other)])
    assert answer.status_code == 422
    assert "2 studies" in answer.json()["detail"]


def knowing_the_earlier_study(model):
    known = type(model)(model.write, model.provenance, "frontal", True, True)
    return TestClient(create_app(known), base_url="http://localhost")


def test_a_model_that_was_trained_with_the_study_before_is_given_film_and_report(model, writer):
    writer.reports = ("The effusion is unchanged.",)
    before = {"previous_report": "Small left pleural effusion."}
    files = [("images", film((40, 48))), ("previous_image", film((60, 50), seed=1))]
    with knowing_the_earlier_study(model) as client:
        assert client.get("/v1/about").json()["earlier"] == ["report", "film"]
        answer = client.post("/v1/reports", files=files, data=before).json()
        alone = client.post("/v1/reports", files=files[:1]).json()
    assert writer.shown[0][0] == [(40, 48), (60, 50)]
    assert answer["prompt"].splitlines() == [
        REPORT_PROMPT,
        EARLIER_FILM,
        "Previous: Small left pleural effusion.",
    ]
    assert answer["earlier"] == "report and film"
    assert answer["films_shown"] == [0]
    assert answer["invented_comparisons"] == []
    assert (alone["prompt"], alone["earlier"]) == (REPORT_PROMPT, "")
    assert alone["invented_comparisons"] == ["unchanged"]
    assert alone["study_id"] == answer["study_id"]


def test_a_model_that_was_not_trained_with_the_study_before_is_not_given_it(client):
    files = [("images", film())]
    told = client.post("/v1/reports", files=files, data={"previous_report": "Effusion."})
    assert (told.status_code, "--previous-reports" in told.json()["detail"]) == (422, True)
    shown = client.post("/v1/reports", files=[*files, ("previous_image", film(seed=1))])
    assert (shown.status_code, "--previous-films" in shown.json()["detail"]) == (422, True)


def test_an_earlier_film_of_another_patient_or_of_the_same_study_is_refused(model, tmp_path):
    def dicom(seed, patient, study):
        uids = {"StudyInstanceUID": study, "SOPInstanceUID": f"1.9.{seed}"}
        return dicom_film(tmp_path, seed=seed, PatientID=patient, **uids)

    now = dicom(1, "a", "1.2.1")
    with knowing_the_earlier_study(model) as client:
        for before, reason in (
            (dicom(2, "b", "1.2.2"), "the earlier film is of another patient"),
            (dicom(3, "a", "1.2.1"), "the earlier film is one of this study's"),
            (now, "the earlier film is one of this study's"),
            (b"no film", "the earlier film: "),
        ):
            files = [("images", now), ("previous_image", before)]
            answer = client.post("/v1/reports", files=files)
            assert answer.status_code == 422
            assert reason in answer.json()["detail"]
        files = [("images", now), ("previous_image", dicom(4, "a", "1.2.4"))]
        assert client.post("/v1/reports", files=files).json()["earlier"] == "film"


def test_dicom_films_of_two_patients_are_refused_with_a_picture_beside_them_too(client, tmp_path):
    for study in ("1.2.3", "1.2.4"):
        one = dicom_film(tmp_path, seed=1, PatientID="a", StudyInstanceUID="1.2.3")
        other = dicom_film(tmp_path, seed=2, PatientID="b", StudyInstanceUID=study)
        files = [("images", one), ("images", film()), ("images", other)]
        answer = client.post("/v1/reports", files=files)
        assert answer.status_code == 422
        assert "patient" in answer.json()["detail"]


def test_a_film_comes_with_what_keeps_it_with_its_study_and_no_id_of_the_patient(client, tmp_path):
    headers = {"PatientID": "Zebedee", "StudyInstanceUID": "1.2.3", "StudyDate": "20261129"}
    content = dicom_film(tmp_path, **headers)
    said = client.post("/v1/films", files={"image": content}).headers["orapo-film"]
    facts = json.loads(said)
    assert facts["digest"] == hashlib.sha256(content).hexdigest()
    assert (facts["position"], facts["date"]) == ("PA", "2026-11-29")
    assert facts["study"].startswith("dicom-")
    assert facts["patient"]
    assert "Zebedee" not in said
    assert "1.2.3" not in said
    picture = json.loads(client.post("/v1/films", files={"image": film()}).headers["orapo-film"])
    assert (picture["study"], picture["patient"]) == ("", "")


def test_each_fact_is_marked_and_a_wrong_side_is_not_right(client):
    body = {"report": "Large right pneumothorax.", "reference": "Tiny left pneumothorax."}
    graded = client.post("/v1/score", json=body).json()["graded"]
    (mark,) = graded["marks"]
    assert mark["verdict"] == "partly right"
    assert "wrong location: right for left" in mark["words"]
    assert {one["verdict"]: one["count"] for one in graded["counts"]}["right"] == 0
    labels = {"report": TEXT, "labels": {"Edema": 1}}
    assert client.post("/v1/score", json=labels).json()["graded"] is None


def test_what_was_read_of_a_template_is_told(client):
    text = "Pneumothorax: No\nHeart: enlarged"
    fields = client.post("/v1/facts", json={"text": text}).json()["fields"]
    assert fields == [
        {"field": "Pneumothorax", "answer": "No"},
        {"field": "Heart", "answer": "enlarged"},
    ]


def test_the_example_is_a_phantom_that_can_be_drawn_again(client):
    told = client.get("/static/example.json").json()
    drawn = draw_study(told["drawn"]["seed"], told["drawn"]["index"], PhantomConfig(size=32))
    assert told["report"] == drawn.study.report
    assert client.get("/static/example.jpg").headers["content-type"] == "image/jpeg"


def test_a_film_comes_back_as_the_model_gets_it(client, tmp_path):
    deep = io.BytesIO()
    values = np.arange(40 * 48, dtype=np.uint16).reshape(48, 40) * 2
    Image.fromarray(values).save(deep, "PNG")
    answer = client.post("/v1/films", files={"image": deep.getvalue()})
    assert answer.headers["content-type"] == "image/png"
    shown = np.asarray(Image.open(io.BytesIO(answer.content)))
    assert np.abs(shown - values * (255 / 4095)).max() <= 0.5
    assert client.post("/v1/films", files={"image": dicom_film(tmp_path)}).status_code == 200


def test_a_large_film_is_made_smaller_for_the_page(client):
    answer = client.post("/v1/films", files={"image": film((3000, 1500))})
    assert Image.open(io.BytesIO(answer.content)).size == (2048, 1024)


def test_facts_are_those_of_the_command_line(client):
    answer = client.post("/v1/facts", json={"text": TEXT}).json()
    assert answer == json.loads(json.dumps(report_as_json(label_report(TEXT)))) | {"fields": []}
    assert list(answer["labels"]) == list(LABELS)


def test_a_report_is_scored_against_a_text_or_against_labels(client):
    expected = score_report(TEXT, {"Pleural Effusion": 1, "Cardiomegaly": 1})
    labels = {"Pleural Effusion": 1, "Cardiomegaly": 1}
    reference = "There is an effusion. The heart is enlarged."
    for given in ({"labels": labels}, {"reference": reference}):
        score = client.post("/v1/score", json={"report": TEXT, **given}).json()["score"]
        assert score["reward"] == pytest.approx(expected.reward)
        assert score["entailed"] == ["Pleural Effusion"]
        assert score["missed"] == ["Cardiomegaly"]
        assert [one["verdict"] for one in score["sentences"]] == ["entailed", "agreed_absent"]


def test_a_reference_that_says_nothing_is_no_normal_one(client):
    answer = client.post("/v1/score", json={"report": TEXT, "reference": "Thank you."}).json()
    assert answer["score"] is None
    assert "no fact" in answer["reason"]


GERMAN = "Kleiner Pleuraerguss links. Das Herz ist vergrößert. Kein Pneumothorax."


@pytest.mark.parametrize(
    "given",
    [{"reference": "Cardiomegaly."}, {"labels": {"Cardiomegaly": 1}}],
    ids=["text", "labels"],
)
def test_what_is_not_english_has_no_score_and_no_zero(client, given):
    answer = client.post("/v1/score", json={"report": GERMAN, **given}).json()
    assert (answer["score"], answer["graded"]) == (None, None)
    assert (
        answer["reason"] == "the report is not English and was not read; FactS reads English only"
    )
    other = client.post("/v1/score", json={"report": TEXT, "reference": GERMAN}).json()
    assert other["score"] is None
    assert other["reason"].startswith("the reference is not English and was not read")


def test_a_normal_silhouette_does_not_agree_with_a_large_heart(client):
    for report, verdict in (
        ("Cardiomediastinal silhouette is within normal limits.", "unscored"),
        ("Heart size is within normal limits.", "contradiction"),
    ):
        asked = {"report": report, "reference": "Cardiomegaly."}
        score = client.post("/v1/score", json=asked).json()["score"]
        assert [one["verdict"] for one in score["sentences"]] == [verdict]
        asked["reference"] = "No cardiomegaly."
        score = client.post("/v1/score", json=asked).json()["score"]
        assert [one["verdict"] for one in score["sentences"]] == ["agreed_absent"]


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"reference": "a", "labels": {}},
        {"labels": {"Flu": 1}},
        {"labels": {"Edema": 2}},
        {"reference": "a", "facts_beta": 0},
        {"reference": "a", "more": 1},
    ],
)
def test_a_score_that_can_not_be_asked_for_is_refused_in_a_sentence(client, given):
    answer = client.post("/v1/score", json={"report": TEXT, **given})
    assert answer.status_code == 422
    assert isinstance(answer.json()["detail"], str)


def exported(client, kind, **more):
    body = {"report": TEXT, "format": kind, "study_id": "s1", **more}
    answer = client.post("/v1/export", json=body)
    assert answer.status_code == 200
    return answer


def test_a_table_to_be_opened_holds_no_formula(client):
    asked = {"report": "- No effusion.", "format": "csv", "study_id": "=cmd|'/c calc'!A1"}
    answer = client.post("/v1/export", json=asked)
    (row,) = csv.DictReader(io.StringIO(answer.text))
    assert row["study_id"] == "'=cmd|'/c calc'!A1"
    assert row["report"] == "'- No effusion."


def test_text_json_and_csv_hold_report_and_notice(client):
    text = exported(client, "text")
    assert text.headers["content-disposition"] == 'attachment; filename="s1.txt"'
    assert text.text == f"{NOTICE}\n\n{TEXT}"  # who wrote it is not said: not that a reader did
    record = exported(client, "json", source="edited").json()
    assert (record["report"], record["source"]) == (TEXT, "edited")
    assert record["notice"] == NOTICES["edited"]
    assert (record["model"], record["labels"]["Pneumothorax"]) == ("tiny", 0)
    (row,) = csv.DictReader(io.StringIO(exported(client, "csv", source="model").text))
    assert (row["study_id"], row["report"], row["notice"]) == ("s1", TEXT, NOTICE)
    assert row["Pleural Effusion"] == "1.0"


def test_dicom_sr_and_fhir_can_be_read_back(client, tmp_path):
    pytest.importorskip("highdicom")
    pytest.importorskip("fhir.resources")
    from orapo.export.dicom_sr import read_structured_report
    from orapo.export.fhir import read_fhir_bundle

    for kind, read in (("dicom-sr", read_structured_report), ("fhir", read_fhir_bundle)):
        path = tmp_path / kind
        path.write_bytes(exported(client, kind).content)
        back = read(path)
        assert back.text == TEXT
        assert {name: value for name, value in back.labels.items() if value is not None} == {
            name: value for name, value in label_report(TEXT).labels.items() if value is not None
        }


def test_what_a_format_can_not_hold_is_said(client):
    pytest.importorskip("highdicom")
    body = {"report": "Effusion.\x07", "format": "dicom-sr"}
    assert client.post("/v1/export", json=body).headers["orapo-note"].startswith("1 characters")
    assert "orapo-note" not in exported(client, "dicom-sr").headers


def test_a_text_of_ones_own_is_not_said_to_be_the_models(client):
    assert exported(client, "json").json()["model"] == ""


SAID_OF = {
    "model": "DRAFT written by a model, not verified",
    "edited": "DRAFT written by a model, edited by a reader, not verified",
    "own": "Text typed by a reader, no model, not verified",
}


@pytest.mark.parametrize("source", SAID_OF)
@pytest.mark.parametrize("kind", ["text", "json", "csv", "dicom-sr", "fhir"])
def test_every_format_says_who_wrote_the_text(client, kind, source):
    if kind in ("dicom-sr", "fhir"):
        pytest.importorskip({"dicom-sr": "highdicom", "fhir": "fhir.resources"}[kind])
    content = exported(client, kind, source=source).content.decode("utf-8", "replace")
    others = [said for name, said in SAID_OF.items() if name != source]
    assert SAID_OF[source] in content
    assert "research use only" in content
    assert not any(said in content for said in others)
    assert ("model, edited" in content) == (source == "edited")


def test_json_and_fhir_of_one_study_have_two_names(client):
    pytest.importorskip("fhir.resources")
    names = {
        kind: exported(client, kind).headers["content-disposition"] for kind in ("json", "fhir")
    }
    assert names["json"] == 'attachment; filename="s1.json"'
    assert names["fhir"] == 'attachment; filename="s1.fhir.json"'


def test_a_study_name_never_becomes_a_path(client):
    name = exported(client, "text", study_id='../../a"\r\nX: y').headers["content-disposition"]
    assert name.startswith('attachment; filename="a-')
    assert "/" not in name


def test_without_a_model_texts_are_still_read_scored_and_exported(tmp_path):
    with TestClient(create_app(), base_url="http://localhost") as client:
        assert client.get("/v1/about").json()["model"] is None
        assert client.post("/v1/facts", json={"text": TEXT}).status_code == 200
        score = {"report": TEXT, "reference": TEXT}
        assert client.post("/v1/score", json=score).json()["score"]["reward"] == 1
        assert exported(client, "text").text.endswith(TEXT)
        for path in ("/v1/reports", "/v1/reports/stream"):
            answer = client.post(path, files={"images": film()})
            assert answer.status_code == 501
            assert "--model" in answer.json()["detail"]


def test_health_and_counters(client):
    assert client.get("/healthz").json() == {"status": "ok", "model": True, "waiting": 0}
    client.post("/v1/reports", files={"images": film()})
    counters = client.get("/metrics")
    assert counters.headers["content-type"].startswith("text/plain")
    lines = counters.text.splitlines()
    wanted = 'orapo_http_requests_total{method="POST",route="/v1/reports",status="200"} 1.0'
    assert wanted in lines
    assert "orapo_report_seconds_count 1.0" in lines


def test_the_description_names_every_route_and_no_page_fetches_scripts_from_elsewhere(client):
    described = client.get("/openapi.json").json()
    assert set(described["paths"]) == {
        *("/healthz", "/metrics", "/v1/about", "/v1/facts", "/v1/score", "/v1/export"),
        *("/v1/films", "/v1/films/values", "/v1/reports", "/v1/reports/stream"),
    }
    form = described["paths"]["/v1/reports"]["post"]["requestBody"]["content"]
    fields = form["multipart/form-data"]["schema"]["properties"]
    assert set(fields) == {
        *("images", "samples", "seed", "select", "previous_image", "previous_report")
    }
    assert fields["images"]["items"] == {"type": "string", "format": "binary"}
    assert "$ref" not in json.dumps(form)
    assert client.get("/docs").status_code == 404


def test_the_page_and_its_parts_are_served_and_name_no_other_address(client):
    page = client.get("/")
    assert "not for diagnosis" in page.text
    for name in ("workbench.js", "workbench.css", "api.js", "film.js", "reading.js", "icon.svg"):
        text = client.get(f"/static/{name}").text.replace("http://www.w3.org/2000/svg", "")
        assert "http:" not in text
        assert "https:" not in text
        assert "innerHTML" not in text


def test_a_beta_whose_square_vanishes_is_refused_and_no_error_of_the_server(client):
    for beta, status in ((5e-324, 422), (0.0009, 422), (0.001, 200), (1000, 200)):
        body = {"report": "", "labels": {}, "facts_beta": beta}
        assert client.post("/v1/score", json=body).status_code == status
