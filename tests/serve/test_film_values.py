"""Films for the pages: every value of the file, and nothing of it stays."""

import io
import json

import httpx2
import numpy as np
import pytest
from fake_server import dicom_film, eventually, film, listening
from PIL import Image
from starlette.testclient import TestClient

from orapo.serve.app import create_app
from orapo.serve.limits import Limits

CURVE = 4097


def asked(client, content):
    answer = client.post("/v1/films/values", files={"image": content})
    assert answer.status_code == 200, answer.text
    facts = json.loads(answer.headers["orapo-film"])
    size = facts["rows"] * facts["columns"]
    assert len(answer.content) == 2 * size + CURVE
    values = np.frombuffer(answer.content, "<u2", size).reshape(facts["rows"], facts["columns"])
    return facts, values, np.frombuffer(answer.content, np.uint8, offset=2 * size)


def png(values):
    stream = io.BytesIO()
    Image.fromarray(values).save(stream, "PNG")
    return stream.getvalue()


def test_all_16_bits_of_a_picture_come_to_the_page(client):
    given = np.arange(200 * 300, dtype=np.uint16).reshape(200, 300)
    facts, values, curve = asked(client, png(given))
    assert (values == given).all()
    assert facts["top"] == 65535
    assert facts["windows"] == [[32768.0, 65536.0]]
    assert (facts["study"], facts["patient"], facts["smaller"]) == ("", "", 1)
    assert (curve[0], curve[len(curve) // 2], curve[-1]) == (0, 128, 255)


@pytest.mark.filterwarnings("ignore")  # pydicom, of what it is told to write
def test_a_dicom_film_brings_its_windows_and_no_id_of_its_patient(client, tmp_path):
    headers = {"PatientID": "Zebedee", "StudyInstanceUID": "1.2.3", "StudyDate": "20261129"}
    content = dicom_film(tmp_path, WindowCenter=[1000, 50], WindowWidth=[200, 10], **headers)
    answer = client.post("/v1/films/values", files={"image": content})
    assert not any(secret in str(answer.headers) for secret in ("Zebedee", "1.2.3"))
    facts, values, _ = asked(client, content)
    assert facts["windows"] == [[1000.0, 200.0], [50.0, 10.0]]
    assert (facts["position"], facts["date"]) == ("PA", "2026-11-29")
    assert values.max() > 255


@pytest.mark.filterwarnings("ignore")
def test_silly_windows_and_a_rescale_that_is_no_number_break_nothing(client, tmp_path):
    many = {"WindowCenter": [1000, *range(500)], "WindowWidth": [200] * 501}
    facts, _, _ = asked(client, dicom_film(tmp_path, **many))
    assert len(facts["windows"]) == 8
    far = {"WindowCenter": [1000, "1e300", 50], "WindowWidth": [200, "1e300", 10]}
    facts, _, _ = asked(client, dicom_film(tmp_path, **far))
    assert facts["windows"] == [[1000.0, 200.0], [50.0, 10.0]]
    for slope in ("nan", "inf", "1e308", "0"):
        try:
            content = dicom_film(tmp_path, RescaleSlope=slope, RescaleIntercept="0")
        except ValueError:  # pydicom writes no such number
            continue
        answer = client.post("/v1/films/values", files={"image": content})
        assert answer.status_code in (200, 422), answer.text


def test_a_film_larger_than_the_limit_is_made_of_means_and_says_so(model):
    with TestClient(
        create_app(model, limits=Limits(film_side=100)), base_url="http://localhost"
    ) as client:
        given = np.random.default_rng(0).integers(0, 4095, (150, 250), dtype=np.uint16)
        facts, values, _ = asked(client, png(given))
        assert facts["smaller"] == 3
        assert values.shape == (50, 83)
        assert values[0, 0] == round(given[:3, :3].mean())


def test_nothing_stays_when_it_was_read_when_it_failed_and_when_the_reader_hangs_up(model, folder):
    with listening(create_app(model)) as address:
        answer = httpx2.post(f"{address}/v1/films/values", files={"image": film()}, timeout=60)
        assert answer.status_code == 200
        eventually(lambda: list(folder.iterdir()) == [])
        answer = httpx2.post(f"{address}/v1/films/values", files={"image": b"no"}, timeout=60)
        assert answer.status_code == 422
        eventually(lambda: list(folder.iterdir()) == [])
        noise = np.random.default_rng(0).integers(0, 65535, (2500, 2500), dtype=np.uint16)
        with httpx2.stream(
            *("POST", f"{address}/v1/films/values"), files={"image": png(noise)}, timeout=60
        ) as answer:
            assert answer.status_code == 200
            assert list(folder.iterdir()) != []  # it comes from there, bit by bit
        eventually(lambda: list(folder.iterdir()) == [])
        assert httpx2.get(f"{address}/healthz", timeout=60).status_code == 200


def test_a_description_of_the_answer_names_the_header(client):
    described = client.get("/openapi.json").json()["paths"]["/v1/films/values"]["post"]
    assert "Orapo-Film" in described["responses"]["200"]["headers"]
