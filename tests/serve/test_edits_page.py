"""The log of edits in a real browser: said on the page, and written when a draft is left."""

import pytest
from fake_server import REPORTS, eventually, film, lines_of, listening

from orapo.serve.app import create_app

pytest.importorskip("playwright", reason="playwright is not installed")
from chromium import opened_page, skip_without_chromium, violations
from playwright.sync_api import expect

pytestmark = skip_without_chromium


def draft(page, seed=0):
    name = f"f{seed}.png"
    content = {"name": name, "mimeType": "image/png", "buffer": film((300, 400), seed=seed)}
    page.set_input_files("#files", [content])
    expect(page.locator("#film-label")).to_have_text(name)
    page.click("#write")
    expect(page.locator("#status")).to_contain_text("Draft")


def export(page):
    with page.expect_download():
        page.locator("#formats button").first.click()


def test_the_page_says_that_it_logs_and_logs_draft_final_text_and_edits(browser, model, file):
    with listening(create_app(model, edits=file)) as address:
        for page in opened_page(browser, address):
            expect(page.locator("#logged")).to_contain_text("Edits are logged.")
            expect(page.locator("#nothing-stays")).to_be_hidden()
            page.fill("#report", "My own words, which are no draft.")
            export(page)
            draft(page)
            page.fill("#report", "No effusion.")
            page.fill("#report", "No pleural effusion.")
            with page.expect_response("**/v1/edits"):
                export(page)
            page.fill("#log-study", "case 7")
            with page.expect_response("**/v1/edits"):
                page.click("#remove")
            draft(page, seed=1)
            with page.expect_response("**/v1/edits"):
                export(page)
    assert all(line["draft"] == REPORTS[0] for line in lines_of(file.path))
    first, removed, again, second = lines_of(file.path)[:4]  # then the page was closed
    assert first["final"] == removed["final"] == again["final"] == "No pleural effusion."
    assert len(first["edits"]) == 2
    assert first["study"].startswith("study-")
    assert removed["study"] == again["study"] == "case 7"
    assert first["log"] == removed["log"] == again["log"] != second["log"]
    assert second["final"] == REPORTS[0]
    assert second["edits"] == []


def test_a_page_that_is_left_is_logged_too(browser, model, file):
    with listening(create_app(model, edits=file)) as address:
        for page in opened_page(browser, address):
            draft(page)
            page.fill("#report", "No effusion.")
            page.goto(f"{address}/healthz")
            eventually(lambda: lines_of(file.path))
            page.goto(address)
            expect(page.locator("#formats button").first).to_be_visible()
    lines = lines_of(file.path)  # a reloaded page goes on with the log of its draft
    assert {(line["log"], line["final"]) for line in lines} == {(lines[0]["log"], "No effusion.")}


def test_without_it_the_page_sends_no_edit(browser, address_without):
    sent = []
    for page in opened_page(browser, address_without):
        page.on("request", lambda request: sent.append(request.url))
        expect(page.locator("#logged")).to_be_hidden()
        draft(page)
        page.fill("#report", "No effusion.")
        export(page)
        page.click("#remove")
    assert not any(url.endswith("/v1/edits") for url in sent)


@pytest.fixture
def address_without(model):
    with listening(create_app(model)) as address:
        yield address


@pytest.mark.parametrize("width", [390, 1200])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_where_it_is_on(browser, model, file, scheme, width):
    settings = {"viewport": {"width": width, "height": 844}, "color_scheme": scheme}
    with listening(create_app(model, edits=file)) as address:
        # axe is injected as a script, which the page's own policy would refuse
        context = browser.new_context(**settings, bypass_csp=True)
        page = context.new_page()
        page.goto(address)
        draft(page)
        expect(page.locator("#logged")).to_be_visible()
        found = violations(page)
        assert page.evaluate("document.documentElement.scrollWidth") == width
        context.close()
    assert found == []
