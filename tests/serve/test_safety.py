"""Hostile uploads, foreign sites, missing tokens; and what the log says of all that: nothing."""

import asyncio
import io
import json
import logging
import struct
import zlib

import pytest
from fake_server import REPORTS, dicom_film, film
from PIL import Image
from starlette.testclient import TestClient

from orapo.models.chat_templates import FilmsLeftOutError
from orapo.serve.app import create_app
from orapo.serve.limits import Limits

TOKEN = "a-token-of-some-length"


def png_that_claims(width, height):
    """A small file that would fill the memory."""

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(b"\0" * 10**6))
        + chunk(b"IEND", b"")
    )


def animation():
    frames = [Image.new("P", (40, 40), colour) for colour in (0, 1)]
    stream = io.BytesIO()
    frames[0].save(stream, "GIF", save_all=True, append_images=frames[1:], duration=100)
    return stream.getvalue()


def pages():
    """Two films in one TIFF file: which one was meant is unknown."""
    films = [Image.open(io.BytesIO(film(seed=seed))) for seed in (0, 1)]
    stream = io.BytesIO()
    films[0].save(stream, "TIFF", save_all=True, append_images=films[1:])
    return stream.getvalue()


HOSTILE = {
    "empty": b"",
    "text": b"<script>alert(1)</script>",
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>',
    "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\nshowpage\n",
    "truncated": film((200, 200))[:5000],
    "bomb": png_that_claims(60_000, 60_000),
    "pixel": film((1, 1)),
    "one colour": b"P5 64 64 255\n" + b"\0" * 4096,
    "animation": animation(),
    "pages": pages(),
    "zip": b"PK\x03\x04" + b"\0" * 200,
    "dicom of noise": b"\0" * 128 + b"DICM" + bytes(range(256)) * 8,
    "dicom of nothing": b"\0" * 128 + b"DICM",
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("path", ["/v1/reports", "/v1/films", "/v1/films/values"])
def test_a_hostile_file_gets_a_sentence_and_disturbs_nobody(client, folder, name, path):
    field = "image" if "films" in path else "images"
    answer = client.post(path, files={field: ("../../etc/x.png", HOSTILE[name])})
    assert answer.status_code == 422
    detail = answer.json()["detail"]
    assert detail.startswith("image 1: ")
    assert "\n" not in detail
    assert str(folder) not in detail
    assert "etc" not in detail
    assert client.post("/v1/reports", files={"images": film()}).json()["report"] == REPORTS[0]
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("path", ["/v1/films", "/v1/films/values", "/v1/reports"])
def test_a_tiff_of_several_pages_is_refused_for_that_and_one_of_a_single_page_is_read(client, path):
    field = "image" if "films" in path else "images"
    answer = client.post(path, files={field: pages()})
    assert answer.status_code == 422
    assert answer.json()["detail"] == "image 1: has several frames; a film has one"
    assert client.post(path, files={field: film(kind="TIFF")}).status_code == 200


def test_a_hostile_file_in_a_stream_ends_it_with_a_fault(client):
    answer = client.post("/v1/reports/stream", files={"images": HOSTILE["bomb"]})
    assert 'event: fault\ndata: {"detail": "image 1: ' in answer.text


def test_a_picture_of_no_chest_is_refused(client, tmp_path):
    answer = client.post("/v1/films", files={"image": dicom_film(tmp_path, Modality="CT")})
    assert answer.status_code == 422
    assert "not a chest radiograph" in answer.json()["detail"]


def test_no_upload_is_kept(client, folder):
    big = film((1500, 1500))  # more than is kept in memory
    assert client.post("/v1/reports", files={"images": big}).status_code == 200
    assert list(folder.iterdir()) == []


def test_a_body_that_announces_too_much_is_refused_before_it_is_read(model):
    with TestClient(create_app(model, limits=Limits(upload_bytes=1000, text_bytes=500))) as client:
        client.base_url = "http://localhost"
        asked = []

        def body():
            asked.append(1)
            yield b"x"

        for path, size in (("/v1/reports", 1001), ("/v1/facts", 501)):
            answer = client.post(path, content=body(), headers={"content-length": str(size)})
            assert answer.status_code == 413


@pytest.mark.parametrize(
    "path", ["/v1/reports", "/v1/reports/stream", "/v1/films", "/v1/films/values"]
)
def test_a_body_that_announces_nothing_is_counted_while_it_comes(model, path):
    with TestClient(create_app(model, limits=Limits(upload_bytes=10_000))) as client:
        client.base_url = "http://localhost"

        def body():
            yield b'--b\r\nContent-Disposition: form-data; name="images"; filename="a"\r\n\r\n'
            for _ in range(100):
                yield b"x" * 1000

        headers = {"content-type": "multipart/form-data; boundary=b"}
        answer = client.post(path, content=body(), headers=headers)
        assert answer.status_code == 413
        assert answer.json()["detail"] == "larger than the limit of 10,000 bytes"


def test_a_text_that_is_too_long_is_refused(client):
    text = "No effusion. " * 2000
    for path, body in (
        ("/v1/facts", {"text": text}),
        ("/v1/score", {"report": "", "reference": text}),
        ("/v1/export", {"report": text, "format": "text"}),
    ):
        answer = client.post(path, json=body)
        assert answer.status_code == 422
        assert answer.json()["detail"] == "longer than 20,000 characters"


@pytest.mark.parametrize(
    ("files", "data"),
    [
        ([("images", film())] * 9, {}),
        ([("other", film())], {}),
        ([], {"samples": "1"}),
        ([("images", film())], {"samples": "17"}),
        ([("images", film())], {"samples": "many"}),
        ([("images", film())], {"seed": "-1"}),
        ([("images", film())], {"select": "best"}),
        ([("images", film())], {"more": "1"}),
        ([("images", film())], {"samples": "1" * 2000}),
    ],
)
def test_a_form_that_is_none_of_ours_is_refused(client, files, data):
    answer = client.post("/v1/reports", files=files or {"a": ("", b"")}, data=data)
    assert answer.status_code in (400, 422)
    assert isinstance(answer.json()["detail"], str)


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("application/json", b"{}"),
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=b", b"--c\r\n"),
        ("multipart/form-data; boundary=b", b"--b\r\nContent-Disposition: \xff\r\n\r\n--b--"),
    ],
)
def test_a_broken_form_is_refused(client, kind, content):
    answer = client.post("/v1/reports", content=content, headers={"content-type": kind})
    assert answer.status_code in (400, 422)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"text": 1}',
        b'{"text": "\\ud800"}',
        b'{"\\ud800": "a"}',
        b"[" * 500_000,
        b"\xff",
    ],
)
def test_json_that_is_none_of_ours_is_refused(client, body):
    headers = {"content-type": "application/json"}
    answer = client.post("/v1/facts", content=body, headers=headers)
    assert answer.status_code in (400, 422)
    assert isinstance(answer.json()["detail"], str)


def test_half_a_character_is_refused_wherever_it_stands(client):
    half = "\ud800"
    for path, body in (
        ("/v1/score", {"report": half, "reference": ""}),
        ("/v1/score", {"report": "", "reference": half}),
        ("/v1/score", {"report": "", "labels": {half: 1}}),
        ("/v1/export", {"report": half, "format": "json"}),
        ("/v1/export", {"report": "", "format": "json", "study_id": half}),
        ("/v1/export", {"report": "", "format": half}),
    ):
        headers = {"content-type": "application/json"}
        answer = client.post(path, content=json.dumps(body).encode(), headers=headers)
        assert answer.status_code == 422


# --- who may ask ---------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "", "[::1", "a b"])
def test_a_name_that_is_not_ours_is_refused(client, host):
    assert client.get("/v1/about", headers={"host": host}).status_code == 403


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:9000", "[::1]:8000", "LOCALHOST:1"])
def test_this_machine_s_names_and_addresses_are_ours(client, host):
    assert client.get("/v1/about", headers={"host": host}).status_code == 200


def test_a_name_can_be_allowed(model):
    with TestClient(create_app(model, names=["Ward.example"])) as client:
        client.base_url = "http://ward.example"
        assert client.get("/v1/about").status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://localhost:8001"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "cross-site", "origin": "http://localhost:8000"},
    ],
)
def test_a_page_of_another_site_gets_nothing(client, headers):
    for path in ("/v1/about", "/metrics", "/static/workbench.js", "/openapi.json"):
        assert client.get(path, headers=headers).status_code == 403
    assert client.post("/v1/facts", json={"text": ""}, headers=headers).status_code == 403


def test_a_length_of_more_digits_than_python_reads_is_too_large(client):
    answer = client.post("/v1/facts", content=b"{}", headers={"content-length": "9" * 5000})
    assert answer.status_code == 413


@pytest.mark.parametrize("origin", ["http://[", "http://[::1", "http://]"])
def test_an_origin_that_is_no_address_is_a_bad_request(client, origin):
    answer = client.get("/v1/about", headers={"origin": origin})
    assert answer.status_code == 400
    assert answer.json()["detail"] == "Origin must be an address"


def test_our_own_page_may_ask_and_links_from_elsewhere_lead_to_it(client):
    ours = {"origin": "http://localhost:8000", "sec-fetch-site": "same-origin"}
    assert client.post("/v1/facts", json={"text": ""}, headers=ours).status_code == 200
    assert client.get("/", headers={"sec-fetch-site": "cross-site"}).status_code == 200


def test_with_a_token_only_who_has_it_gets_more_than_the_page(model):
    with TestClient(create_app(model, token=TOKEN), base_url="http://localhost") as client:
        for path in ("/", "/healthz", "/static/workbench.js"):
            assert client.get(path).status_code == 200
        for given in ({}, *({"authorization": f"Bearer {bad}"} for bad in ("", "x", TOKEN + "x"))):
            for path in ("/v1/about", "/metrics", "/openapi.json", "/static", "/v1/none"):
                answer = client.get(path, headers=given)
                assert answer.status_code == 401
                assert answer.headers["www-authenticate"] == "Bearer"
        assert client.get("/v1/about", headers={"authorization": TOKEN}).status_code == 401
        good = {"authorization": f"Bearer {TOKEN}"}
        assert client.get("/v1/about", headers=good).status_code == 200


@pytest.mark.parametrize("path", ["/", "/v1/about", "/static/workbench.js", "/none"])
def test_every_answer_bears_the_headers_that_keep_a_page_safe(client, path):
    headers = client.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "require-trusted-types-for 'script'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"
    assert "access-control-allow-origin" not in headers
    refused = client.get(path, headers={"host": "evil.example"})
    assert refused.headers["x-frame-options"] == "DENY"


def test_no_sentence_of_a_report_stays_in_the_memory(client, writer):
    from orapo.facts import engine
    from orapo.serve.answers import reader

    text = "Small left effusion of Zebedee."
    client.post("/v1/facts", json={"text": text})
    client.post("/v1/score", json={"report": text, "reference": text})
    client.post("/v1/export", json={"report": text, "format": "json"})
    writer.reports = ("A large nodule of Zebedee.",)
    client.post("/v1/reports", files={"images": film()})
    for each in (reader(), engine._default_engine()):
        assert not [sentence for sentence in each._read if "Zebedee" in sentence]


# --- the log -------------------------------------------------------------------------------


def test_the_log_holds_no_text_name_or_header(client, writer, tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    secret = "Zebedee"
    named = dicom_film(tmp_path, PatientName=secret, StudyDescription=secret)
    about = {"x-note": secret, "user-agent": secret, "cookie": secret}
    client.post("/v1/reports", files={"images": (f"{secret}.dcm", named)}, headers=about)
    client.post("/v1/reports", files={"images": (f"{secret}.dcm", named[:400])})
    client.post("/v1/films", files={"image": (f"{secret}.png", b"x")})
    client.post("/v1/facts", json={"text": f"{secret} has an effusion."})
    client.post("/v1/facts", json={secret: secret})
    client.post("/v1/export", json={"report": secret, "format": "text", "study_id": secret})
    client.get(f"/{secret}?{secret}")
    client.get("/v1/about", headers={"host": secret})
    client.request(secret.upper(), "/v1/about")
    writer.reports = (f"{secret} has an effusion.",)
    client.post("/v1/reports", files={"images": film()})
    writer.error = KeyError(secret)
    assert client.post("/v1/reports", files={"images": film()}).status_code == 500
    assert client.post("/v1/reports/stream", files={"images": film()}).status_code == 200
    ours = [one for one in caplog.records if not one.name.startswith("httpx")]
    text = "\n".join(logging.Formatter("%(message)s").format(one) for one in ours)
    assert "POST /v1/reports 200" in text
    assert "KeyError in" in text
    assert secret.lower() not in text.lower()
    assert secret.lower() not in client.get("/metrics").text.lower()


def test_an_answer_quotes_nothing_that_failed(client, writer):
    writer.error = RuntimeError("a secret")
    answer = client.post("/v1/reports", files={"images": film()})
    assert answer.status_code == 500
    assert "secret" not in answer.text
    writer.error = None
    assert client.post("/v1/reports", files={"images": film()}).status_code == 200


def test_a_film_that_the_processor_refuses_and_a_full_memory_are_said(client, writer):
    writer.error = ValueError("height and width must be larger than factor 28")
    answer = client.post("/v1/reports", files={"images": film()})
    assert (answer.status_code, "larger than factor" in answer.text) == (422, True)
    writer.error = FilmsLeftOutError(
        "m: its chat template puts 1 of the 2 films of a study into it"
    )
    answer = client.post("/v1/reports", files={"images": film()})
    assert answer.status_code == 422
    assert "processor" not in answer.json()["detail"]
    assert "puts 1 of the 2 films" in answer.json()["detail"]
    writer.error = RuntimeError("CUDA out of memory. Tried to allocate")
    answer = client.post("/v1/reports", files={"images": film()})
    assert answer.status_code == 503
    assert "memory" in answer.json()["detail"]


def test_uploads_get_names_of_our_own():
    from orapo.serve.uploads import kept_for_now

    async def looked_at():
        async with kept_for_now(
            [("/etc/passwd", io.BytesIO(b"a")), ("b.DCM", io.BytesIO(b"b"))]
        ) as kept:
            assert [one.path.name for one in kept] == ["image-1", "image-2.dcm"]
            assert kept[0].path.parent.stat().st_mode & 0o077 == 0
            return kept[0].path.parent

    assert not asyncio.run(looked_at()).exists()
