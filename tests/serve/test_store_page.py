"""The shared worklist in a real browser: two readers, a restart, and a word about what is kept."""

import hashlib
import json
import re

import pytest
from fake_server import REPORTS, eventually, film, listening

from orapo.serve.app import create_app
from orapo.serve.store import Store

pytest.importorskip("playwright", reason="playwright is not installed")
from chromium import skip_without_chromium, violations
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
        with page.expect_response("**/v1/worklist/others"):  # asked once the worklist is shown
            page.keyboard.press("Enter")
        expect(page.locator("#reader-shown")).to_have_text(f"Reader: {name}")
        expect(page.locator("#formats button").first).to_be_visible()
        return page

    yield arrived
    for context in contexts:
        context.close()


def choose(page, name="f.png", seed=0):
    content = {"name": name, "mimeType": "image/png", "buffer": film((300, 400), seed=seed)}
    page.set_input_files("#files", [content])
    expect(page.locator("#film-label")).to_have_text(name)


def digest(seed):
    return hashlib.sha256(film((300, 400), seed=seed)).hexdigest()


def exported(page):
    with page.expect_download() as download:
        page.get_by_role("button", name="JSON", exact=True).click()
    with open(download.value.path(), "rb") as file:
        return json.loads(file.read())


def texts_of(store):
    """Of each reader: each study's name, the text, and the films it is about."""
    return {(one.reader, one.study, one.report, one.films) for one in store.last_texts()}


def named(seed):
    return f"film-{digest(seed)[:32]}"


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
    assert violations(second) == []
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


def test_another_readers_study_without_a_draft_never_takes_another_film(arrive, store):
    first = arrive("dr a")
    choose(first, "x.png", seed=1)
    first.fill("#name", "patient X")
    first.fill("#report", "Words of X.")
    about_x = ("dr a", named(1), "Words of X.", (digest(1),))
    eventually(lambda: texts_of(store) == {about_x})

    second = arrive("dr c")
    expect(second.locator("#name")).to_have_value("patient X")
    choose(second, "z.png", seed=2)
    expect(second.locator("#studies button")).to_have_count(2)
    expect(second.locator("#name")).not_to_have_value("patient X")
    second.fill("#report", "Words of Z.")
    record = exported(second)
    assert record["films"] == [digest(2)]
    assert record["study_id"] != "patient X"
    about_z = ("dr c", named(2), "Words of Z.", (digest(2),))
    eventually(lambda: about_z in texts_of(store))
    assert texts_of(store) == {about_x, about_z}


def test_ones_own_study_without_a_text_takes_no_other_film_in_another_browser(arrive, store):
    first = arrive("dr a")
    choose(first, "x.png", seed=1)
    first.fill("#name", "patient X")
    kept = [("patient X", (digest(1),))]
    eventually(lambda: [(one.name, one.films) for one in store.last_texts()] == kept)

    again = arrive("dr a")
    expect(again.locator("#name")).to_have_value("patient X")
    choose(again, "z.png", seed=2)
    expect(again.locator("#studies button")).to_have_count(2)
    expect(again.locator("#name")).not_to_have_value("patient X")
    choose(again, "x.png", seed=1)
    expect(again.locator("#studies button")).to_have_count(2)
    expect(again.locator("#name")).to_have_value("patient X")


def test_the_same_picture_is_the_same_study_where_there_is_a_reference_and_no_draft(arrive, store):
    first = arrive("dr a")
    choose(first, "x.png", seed=1)
    first.fill("#name", "patient X")
    first.fill("#reference", "Small left pleural effusion.")
    first.fill("#report", "Words of dr a.")
    eventually(lambda: any(one.report for one in store.last_texts()))

    second = arrive("dr d")
    second.fill("#report", "First words of dr d.")
    eventually(lambda: len(store.last_texts()) == 2)
    choose(second, "the same.png", seed=1)
    expect(second.locator("#studies button")).to_have_count(1)
    expect(second.locator("#report")).to_have_value("First words of dr d.")
    expect(second.locator("#reference")).to_have_value("Small left pleural effusion.")
    second.fill("#report", "")
    second.fill("#report", "Words of dr d.")
    eventually(lambda: ("dr d", named(1), "Words of dr d.", (digest(1),)) in texts_of(store))

    again = arrive("dr d")
    expect(again.locator("#studies button")).to_have_count(1)
    expect(again.locator("#report")).to_have_value("Words of dr d.")
    expect(again.locator("#name")).to_have_value("patient X")


def test_a_study_that_goes_on_to_another_film_is_another_study_in_the_store(arrive, store):
    page = arrive("dr a")
    choose(page, "x.png", seed=1)
    page.fill("#report", "Words of X.")
    about_x = ("dr a", named(1), "Words of X.", (digest(1),))
    eventually(lambda: about_x in texts_of(store))
    content = {"name": "z.png", "mimeType": "image/png", "buffer": film((300, 400), seed=2)}
    page.set_input_files("#more", [content])
    expect(page.locator("#views button")).to_have_count(2)
    page.locator("#views button").nth(0).click()
    page.click("#remove-view")
    expect(page.locator("#film-label")).to_have_text("z.png")
    page.fill("#report", "")
    page.fill("#report", "Words of Z.")
    about_z = ("dr a", named(2), "Words of Z.", (digest(2),))
    eventually(lambda: about_z in texts_of(store))
    assert texts_of(store) == {about_x, about_z}

    again = arrive("dr a")  # both are there
    expect(again.locator("#studies button")).to_have_count(2)
    choose(again, "x.png", seed=1)
    expect(again.locator("#report")).to_have_value("Words of X.")
    choose(again, "z.png", seed=2)
    expect(again.locator("#report")).to_have_value("Words of Z.")
    expect(again.locator("#studies button")).to_have_count(2)


def test_a_text_that_was_cleared_does_not_come_back_in_another_browser(arrive, store):
    page = arrive("dr a")
    page.fill("#report", "Left rib fracture.")
    eventually(lambda: [one.report for one in store.last_texts()] == ["Left rib fracture."])
    page.fill("#report", "")
    eventually(lambda: [one.report for one in store.last_texts()] == [""])


def test_who_leaves_at_once_after_an_export_finds_it_in_the_store(arrive, store):
    page = arrive("dr a")
    page.fill("#report", "Left rib fracture.")
    exported(page)
    expect(page.locator("#exported")).to_contain_text("Saved")
    page.reload()
    eventually(lambda: [one.state for one in store.last_texts()] == ["exported"])
