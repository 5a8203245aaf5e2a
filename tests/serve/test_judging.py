"""Blinded pairs: what raters are shown, what is kept of what they say, and that it stays."""

import json
import os
from datetime import datetime

import pytest
from fake_server import film, listening

from orapo.errors import OrapoError, RunFailedError
from orapo.serve.app import create_app
from orapo.serve.appended import AppendedLines
from orapo.serve.judging import load_judging

LEFT = "Small left pleural effusion."
HOSTILE = "<img src=x onerror=\"document.title='owned'\"> No pneumothorax."


@pytest.fixture
def sheet(tmp_path):
    """Three pairs: of two films, of none, and of one with a hostile report."""
    for place in range(3):
        (tmp_path / f"film{place}.png").write_bytes(film((300, 400), seed=place))
    pairs = [
        ("p1", ["film0.png", "film1.png"], LEFT, "No effusion."),
        ("p2", [], "The lungs are clear.", "The heart is enlarged."),
        ("p3", ["film2.png"], HOSTILE, "Line one.\nLine two."),
    ]
    lines = [
        {"pair": pair, "study_id": f"secret-{pair}", "images": images, "left": left, "right": right}
        for pair, images, left, right in pairs
    ]
    path = tmp_path / "sheet.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


@pytest.fixture
def out(tmp_path):
    return tmp_path / "judgements.jsonl"


def lines_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


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
    assert [answer.headers["content-type"] for answer in answers] == ["image/png"] * 2
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


# --- the page ---

pytest.importorskip("playwright", reason="playwright is not installed")
from chromium import opened_page, serious, skip_without_chromium  # noqa: E402
from playwright.sync_api import expect  # noqa: E402


@pytest.fixture
def address(sheet, out):
    judging = load_judging(sheet, out)
    with listening(create_app(judging=judging)) as address:
        yield address
    judging.close()


@pytest.fixture
def page(browser, address):
    yield from opened_page(browser, address, "/judge")


def title(page, text):
    expect(page.locator("#pair-title")).to_have_text(text)


@skip_without_chromium
def test_a_rater_judges_with_the_keyboard_alone(page, out):
    expect(page.locator("#rater")).to_be_focused()
    page.keyboard.type("reader 1")
    page.keyboard.press("Enter")
    title(page, "Pair 1 of 3")
    expect(page.locator("#pair-title")).to_be_focused()
    expect(page.locator("#left")).to_have_text(LEFT)
    expect(page.locator("#canvas")).to_have_attribute("aria-label", "Film, view 1 of 2")

    page.keyboard.press("Enter")
    expect(page.locator("#judgement-faults")).to_have_text("Choose left, tie or right first.")
    expect(page.locator("#canvas:not([aria-busy])")).to_be_visible()
    page.keyboard.press("f")
    expect(page.locator("#canvas")).to_be_focused()
    page.keyboard.press("+")
    page.keyboard.press("i")
    expect(page.locator("#zoom-value")).to_have_text("125 %")
    page.keyboard.press("l")
    expect(page.locator("input[value=left]")).to_be_checked()
    expect(page.locator("#judgement-faults")).to_be_empty()
    page.keyboard.press("e")
    page.keyboard.type("better, left")  # letters are text here
    page.keyboard.press("ControlOrMeta+Enter")

    title(page, "Pair 2 of 3")
    expect(page.locator("#status")).to_have_text("Kept. 1 of 3 judged.")
    expect(page.locator("#no-film")).to_be_visible()
    expect(page.locator("#reason")).to_have_value("")
    assert page.locator("input:checked[name=choice]").count() == 0
    page.keyboard.press("t")
    page.keyboard.press("Enter")

    title(page, "Pair 3 of 3")
    page.keyboard.press("b")
    title(page, "Pair 2 of 3, once more")
    expect(page.locator("#back")).to_contain_text("Leave it as it was")
    page.keyboard.press("b")
    title(page, "Pair 3 of 3")
    page.keyboard.press("b")
    title(page, "Pair 2 of 3, once more")
    expect(page.locator("input[value=tie]")).to_be_checked()
    page.keyboard.press("r")
    page.keyboard.press("e")
    page.keyboard.type("heart")
    page.keyboard.press("Escape")
    page.keyboard.press("Enter")

    title(page, "Pair 3 of 3")
    page.keyboard.press("r")
    page.keyboard.press("Enter")
    expect(page.locator("#done-title")).to_have_text("All 3 pairs are judged.")
    expect(page.locator("#done-title")).to_be_focused()
    page.keyboard.press("b")
    title(page, "Pair 3 of 3, once more")

    kept = [(line["pair"], line["choice"], line["reason"]) for line in lines_of(out)]
    assert kept == [
        ("p1", "left", "better, left"),
        ("p2", "tie", ""),
        ("p2", "right", "heart"),
        ("p3", "right", ""),
    ]
    assert {line["rater"] for line in lines_of(out)} == {"reader 1"}


@skip_without_chromium
def test_without_single_keys_tab_arrows_and_enter_do(page, out):
    page.keyboard.type("r2")
    page.keyboard.press("Enter")
    title(page, "Pair 1 of 3")
    page.uncheck("#letters")
    page.focus("#pair-title")
    page.keyboard.press("r")
    assert page.locator("input:checked[name=choice]").count() == 0
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.name") == "choice":
            break
    page.keyboard.press("Space")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    title(page, "Pair 2 of 3")
    assert lines_of(out)[0]["choice"] == "tie"


@skip_without_chromium
def test_a_reloaded_page_and_a_restarted_server_go_on_where_the_rater_was(browser, sheet, out):
    for expected in ("Pair 1 of 3", "Pair 2 of 3"):
        judging = load_judging(sheet, out)
        with listening(create_app(judging=judging)) as address:
            for page in opened_page(browser, address, "/judge"):
                page.fill("#rater", "r1")
                page.keyboard.press("Enter")
                title(page, expected)
                page.keyboard.press("l")
                page.keyboard.press("Enter")
                expect(page.locator("#status")).to_contain_text("Kept.")
                page.reload()
                expect(page.locator("#rater")).to_have_value("r1")
                page.keyboard.press("Enter")
                title(page, {"Pair 1 of 3": "Pair 2 of 3"}.get(expected, "Pair 3 of 3"))
        judging.close()


@skip_without_chromium
def test_the_workbench_leads_there_and_a_token_is_asked_for(browser, sheet, out, model):
    judging = load_judging(sheet, out)
    token = "a-token-of-some-length"
    with listening(create_app(model, judging=judging, token=token)) as address:
        for page in opened_page(browser, address):
            page.fill("#token", token)
            page.keyboard.press("Enter")
            page.get_by_role("link", name="Judge pairs").click()
            expect(page.locator("#rater")).to_be_focused()
            page.keyboard.type("r1")
            page.keyboard.press("Enter")
            title(page, "Pair 1 of 3")
            page.evaluate("sessionStorage.setItem('orapo-token', 'no longer valid')")
            page.keyboard.press("l")
            page.keyboard.press("Enter")
            expect(page.locator("#token-why")).to_have_text("That token is wrong.")
            page.keyboard.type("letters like b or r are text here")
            page.fill("#token", token)
            page.keyboard.press("Enter")
            title(page, "Pair 2 of 3")
    judging.close()
    assert [line["choice"] for line in lines_of(out)] == ["left"]


@skip_without_chromium
def test_html_in_a_report_is_text_and_lines_stay_lines(page):
    page.fill("#rater", "r1")
    page.keyboard.press("Enter")
    for place in (1, 2):
        title(page, f"Pair {place} of 3")
        page.keyboard.press("t")
        page.keyboard.press("Enter")
    title(page, "Pair 3 of 3")
    expect(page.locator("#left")).to_contain_text("<img src=x")
    assert page.locator("main img").count() == 0
    assert page.title() == "orapo: which report is better?"
    assert page.evaluate("document.getElementById('right').innerText") == "Line one.\nLine two."


@skip_without_chromium
def test_seconds_are_counted_while_the_page_is_visible(page, out):
    page.clock.install()
    page.reload()
    page.fill("#rater", "r1")
    page.keyboard.press("Enter")
    title(page, "Pair 1 of 3")
    page.clock.run_for(5_000)
    hide(page, True)
    page.clock.run_for(60_000)
    hide(page, False)
    page.clock.run_for(2_000)
    page.keyboard.press("l")
    page.keyboard.press("Enter")
    title(page, "Pair 2 of 3")
    assert 7 <= lines_of(out)[0]["seconds"] < 60


def hide(page, hidden):
    """Say to the page what a browser says when another tab comes before it."""
    page.evaluate(
        """(hidden) => {
          const state = hidden ? "hidden" : "visible";
          Object.defineProperty(document, "visibilityState", { value: state, configurable: true });
          document.dispatchEvent(new Event("visibilitychange"));
        }""",
        hidden,
    )


@skip_without_chromium
def test_a_judgement_that_is_not_kept_stays_on_the_page(page, out, monkeypatch):
    page.fill("#rater", "r1")
    page.keyboard.press("Enter")
    title(page, "Pair 1 of 3")
    page.keyboard.press("l")
    page.fill("#reason", "clear")

    def full(file):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("orapo.serve.appended.os.fsync", full)
        page.click("#next")
        expect(page.locator("#judgement-faults")).to_contain_text("could not be kept")
    title(page, "Pair 1 of 3")
    expect(page.locator("#reason")).to_have_value("clear")
    page.click("#next")
    title(page, "Pair 2 of 3")
    assert len(lines_of(out)) == 1


@skip_without_chromium
@pytest.mark.parametrize("width", [390, 1200])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_and_nothing_slides_sideways(browser, address, scheme, width):
    settings = {"viewport": {"width": width, "height": 844}, "color_scheme": scheme}
    # axe is injected as a script, which the page's own policy would refuse
    context = browser.new_context(**settings, bypass_csp=True)
    page = context.new_page()
    page.goto(f"{address}/judge")
    found = serious(page)
    page.fill("#rater", "r1")
    page.keyboard.press("Enter")
    for place in (1, 2, 3):
        title(page, f"Pair {place} of 3")
        if place != 2:
            found += serious(page)
            assert page.evaluate("document.documentElement.scrollWidth") == width
        if folder := os.environ.get("ORAPO_SCREENSHOTS"):
            expect(page.locator("#canvas")).to_be_visible(visible=place != 2)
            expect(page.locator("#canvas[aria-busy]")).to_have_count(0)
            page.screenshot(path=f"{folder}/judge-{place}-{width}-{scheme}.png", full_page=True)
        page.keyboard.press("t")
        page.keyboard.press("Enter")
    expect(page.locator("#done")).to_be_visible()
    found += serious(page)
    context.close()
    assert found == []
