"""The shared worklist in a real browser: two readers, a restart, and a word about what is kept."""

import json
import re

import pytest
from fake_server import REPORTS, eventually, film, listening

from orapo.serve.app import create_app
from orapo.serve.store import Store

pytest.importorskip("playwright", reason="playwright is not installed")
from chromium import serious, skip_without_chromium
from playwright.sync_api import expect

pytestmark = skip_without_chromium


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "work.sqlite")
    yield store
    store.close()


@pytest.fixture
def address(model, store):
    with listening(create_app(model, store=store)) as address:
        yield address


@pytest.fixture
def arrive(browser, address):
    contexts = []

    def arrived(name):
        contexts.append(browser.new_context(bypass_csp=True))  # a browser of their own
        page = contexts[-1].new_page()
        page.set_default_timeout(20_000)
        page.goto(address)
        page.fill("#reader", name)
        page.keyboard.press("Enter")
        expect(page.locator("#reader-shown")).to_have_text(f"Reader: {name}")
        expect(page.locator("#formats button").first).to_be_visible()
        return page

    yield arrived
    for context in contexts:
        context.close()


def choose(page):
    content = {"name": "f.png", "mimeType": "image/png", "buffer": film((300, 400))}
    page.set_input_files("#files", [content])
    expect(page.locator("#film-label")).to_have_text("f.png")


def test_two_readers_share_a_worklist_and_each_keeps_their_own_text(arrive, store):
    first = arrive("dr a")
    expect(first.locator("#stored")).to_contain_text("keeps what you write")
    expect(first.locator("#nothing-stays")).to_be_hidden()
    choose(first)
    first.click("#write")
    expect(first.locator("#status")).to_contain_text("Draft")
    first.fill("#report", "Words of dr a.")
    eventually(lambda: [one.report for one in store.last_texts()] == ["Words of dr a."])

    second = arrive("dr b")
    expect(second.locator("#studies button")).to_have_count(1)
    expect(second.locator("#report")).to_have_value(REPORTS[0])  # the model's, not dr a's
    expect(second.locator("#others")).to_contain_text(
        "dr a is at this study now; kept a text of it"
    )
    expect(second.locator("#others")).to_contain_text("Words of dr a.")
    choose(second)  # the same film is the same study
    expect(second.locator("#studies button")).to_have_count(1)
    second.fill("#report", "Words of dr b.")
    eventually(lambda: len(store.last_texts()) == 2)
    first.fill("#report", "Other words of dr a.")
    expect(first.locator("#others")).to_contain_text("Words of dr b.")
    texts = {one.reader: one.report for one in store.last_texts()}
    assert texts["dr b"] == "Words of dr b."
    assert {one.study for one in store.last_texts()} == {store.last_texts()[0].study}
    assert serious(second) == []
    kinds = {json.loads(line)["kind"] for line in store.as_json_lines()}
    assert "text" in kinds


def test_a_reader_goes_on_in_another_browser_where_they_were(arrive, store):
    first = arrive("dr a")
    first.click("#new-text")
    first.fill("#report", "Left rib fracture.")
    first.fill("#name", "case 7")
    eventually(lambda: [one.name for one in store.last_texts()] == ["case 7"])
    again = arrive("dr a")
    expect(again.locator("#report")).to_have_value("Left rib fracture.")
    expect(again.locator("#name")).to_have_value("case 7")
    with again.expect_download():
        again.locator("#formats button").first.click()
    eventually(lambda: [one.state for one in store.last_texts()] == ["exported"])


def test_a_store_that_is_full_is_said_and_the_text_stays_on_the_page(arrive, store):
    page = arrive("dr a")
    store._open.execute("pragma query_only = on")
    page.fill("#report", "Left rib fracture.")
    expect(page.locator("#store-faults")).to_contain_text(re.compile("could not be kept"))
    expect(page.locator("#report")).to_have_value("Left rib fracture.")
    store._open.execute("pragma query_only = off")
    page.fill("#report", "Left rib fractures.")
    expect(page.locator("#store-faults")).to_be_empty()
