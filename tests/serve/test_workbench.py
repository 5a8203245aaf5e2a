"""The workbench in a real browser, headless: what a reader of films does there."""

import json
import re

import pytest
from fake_server import REPORTS, FakeWriter, dicom_film, film, listening

from orapo.export.draft import NOTICES
from orapo.labels import LABELS
from orapo.serve.app import create_app
from orapo.serve.inference import ServedModel

pytest.importorskip("playwright", reason="playwright is not installed")
from chromium import opened_page, skip_without_chromium, violations
from playwright.sync_api import expect

pytestmark = skip_without_chromium

HOSTILE = "<img src=x onerror=\"document.title='owned'\"> Small left pleural effusion."


@pytest.fixture
def address(model):
    with listening(create_app(model)) as address:
        yield address


@pytest.fixture
def page(browser, address):
    yield from opened(browser, address)


@pytest.fixture
def phone(browser, address):
    yield from opened(browser, address, viewport={"width": 390, "height": 844})


def opened(browser, address, **settings):
    for page in opened_page(browser, address, **settings):
        expect(page.locator("#labels tr")).to_have_count(len(LABELS))
        yield page


def choose(page, *files):
    given = [
        {"name": name, "mimeType": "application/octet-stream", "buffer": content}
        for name, content in files
    ]
    page.set_input_files("#files", given)


def write_draft(page, samples="1"):
    choose(page, ("film.png", film((300, 400))))
    page.select_option("#samples", samples)
    page.click("#write")
    expect(page.locator("#status")).to_contain_text("agrees best" if samples != "1" else "Draft")


def label(page, name):
    return page.locator("#labels tr", has=page.get_by_role("rowheader", name=name, exact=True))


def test_from_film_to_streamed_report_to_edit_to_every_export(page, writer):
    expect(page.locator(".notice").first).to_contain_text("not for diagnosis")
    expect(page.locator("#write")).to_be_disabled()
    choose(page, ("film.png", film((300, 400))), ("side.png", film((400, 300), seed=1)))
    page.get_by_role("button", name="Views of one study").click()
    expect(page.locator("#views button")).to_have_count(2)
    expect(page.locator("#canvas")).to_have_attribute("aria-label", "Film, view 1 of 2")

    writer.go_on.clear()
    page.click("#write")
    expect(page.locator("#report")).to_have_value("There")  # the first word, while it is written
    expect(page.locator("#report")).not_to_be_editable()
    writer.go_on.set()
    expect(page.locator("#report")).to_have_value(REPORTS[0])
    expect(page.locator("#status")).to_contain_text("shown view 1 alone")

    sentences = page.locator("#sentences li")
    expect(sentences).to_have_count(2)
    expect(sentences.nth(0)).to_contain_text("+ pleural effusion: present, small, left")
    expect(sentences.nth(1)).to_contain_text("− pneumothorax: absent")
    expect(label(page, "Pleural Effusion")).to_contain_text("+ present")
    expect(label(page, "Pneumothorax")).to_contain_text("− absent")
    label(page, "Pneumothorax").get_by_role("button").click()
    expect(sentences.nth(1)).to_be_focused()

    page.fill("#report", "No pleural effusion. Possible left pneumothorax.")
    expect(sentences.nth(1)).to_contain_text("? pneumothorax: uncertain, left")
    expect(sentences.nth(1)).to_have_class("bar-uncertain coloured")
    expect(label(page, "Pleural Effusion")).to_contain_text("− absent")
    expect(label(page, "Pneumothorax")).to_contain_text("? uncertain")
    expect(page.locator("#origin")).to_have_text("Edited by hand.")

    page.fill("#reference", "Small pleural effusion. There is a pneumothorax.")
    expect(page.locator("#score")).to_contain_text("FactS")
    expect(page.locator("#score")).to_contain_text("precision 0.50, recall 0.50")
    expect(sentences.nth(0)).to_contain_text("≠ contradicted: pleural effusion, denied")
    expect(sentences.nth(1)).to_contain_text("≈ partly right: pneumothorax, imprecise")
    expect(page.locator("#counts")).to_contain_text("≈ 1 partly right")
    expect(page.locator("#counts")).to_contain_text("≠ 1 contradicted")

    page.fill("#name", "case 7")
    buttons = page.locator("#formats button")
    names = [buttons.nth(place).inner_text() for place in range(buttons.count())]
    assert names[:3] == ["Text", "JSON", "CSV"]
    for place, name in enumerate(names):
        with page.expect_download() as download:
            buttons.nth(place).click()
        with open(download.value.path(), "rb") as file:
            content = file.read()
        if name == "JSON":
            record = json.loads(content)
            assert record["source"] == "edited"
            assert record["labels"]["Pneumothorax"] == -1
            assert record["notice"] == NOTICES["edited"]
        assert b"pneumothorax" in content

    page.click("#restore")
    expect(page.locator("#report")).to_have_value(REPORTS[0])


def test_what_was_not_read_is_said_and_never_shown_as_a_zero(page):
    page.fill("#reference", "Small left pleural effusion. Cardiomegaly.")
    page.fill("#report", "Kleiner Pleuraerguss links. Das Herz ist vergrößert.")
    score = page.locator("#score")
    expect(score).to_have_text(
        "No score: the report is not English and was not read; FactS reads English only."
    )
    expect(page.locator("#counts li")).to_have_count(0)
    page.fill("#report", "The weather was nice on that day, as it is in June.")
    expect(score).to_have_text("No score: no fact could be read from the report.")
    page.fill("#report", "Small left pleural effusion. Cardiomegaly.")
    expect(score).to_contain_text("FactS1.00")


def test_what_an_impression_says_again_is_marked_alike(page):
    page.fill("#reference", "Small left pleural effusion.")
    page.fill("#report", "Small right pleural effusion. Impression: Right effusion.")
    sentences = page.locator("#sentences li")
    expect(sentences).to_have_count(2)
    for sentence in sentences.all():
        expect(sentence).to_contain_text("≈ partly right: pleural effusion, wrong location")
        expect(sentence).not_to_contain_text("agrees")


def test_of_several_samples_it_shows_how_many_claim_each_label(page):
    write_draft(page, samples="4")
    expect(label(page, "Pleural Effusion")).to_contain_text("3 of 4")
    expect(label(page, "Cardiomegaly")).to_contain_text("1 of 4")
    page.click("#all-samples summary")
    expect(page.locator("#sample-list li")).to_have_count(4)
    expect(page.locator("#sample-list strong")).to_have_count(1)


def grey(page):
    """Mean grey value of what the canvas shows."""
    return page.evaluate(
        """() => {
          const canvas = document.getElementById("canvas");
          const { width, height } = canvas;
          const data = canvas.getContext("2d").getImageData(0, 0, width, height).data;
          let sum = 0;
          for (let place = 0; place < data.length; place += 4) sum += data[place];
          return sum / (width * height);
        }"""
    )


def test_window_level_zoom_and_inversion_change_the_film(page):
    choose(page, ("film.png", film((300, 400))))
    expect(page.locator("#depth")).to_contain_text("300 × 400 pixels")
    plain = grey(page)
    page.locator("#level").fill("60")
    brighter = grey(page)
    assert brighter > plain + 5
    page.click("#reset-view")
    assert grey(page) == plain
    before = zoom(page)
    page.click("#zoom-in")
    assert zoom(page) == pytest.approx(1.25 * before, abs=1)
    assert grey(page) > plain  # less of the black beside it
    page.click("#invert")
    expect(page.locator("#invert")).to_have_attribute("aria-pressed", "true")
    page.click("#remove")
    expect(page.locator("#viewer")).to_be_hidden()
    expect(page.locator("#write")).to_be_disabled()


def zoom(page):
    """In percent: how many pixels of the screen one of the film is wide."""
    return int(page.locator("#zoom-value").inner_text().removesuffix(" %"))


def test_who_zooms_before_the_film_is_there_keeps_that_zoom(page):
    page.evaluate(
        """() => {
          const read = Blob.prototype.arrayBuffer;
          const wait = new Promise((go) => { window.go = go; });
          Blob.prototype.arrayBuffer = function () { return wait.then(() => read.call(this)); };
        }"""
    )
    choose(page, ("film.png", film((300, 400))))
    expect(page.locator("#viewer")).to_be_visible()
    page.click("#zoom-in")
    page.click("#invert")
    expect(page.locator("#zoom-value")).to_have_text("125 %")  # of nothing yet
    page.evaluate("window.go()")
    expect(page.locator("#depth")).to_contain_text("300 × 400 pixels")
    fitted = page.evaluate("document.getElementById('canvas').height") / 400
    assert zoom(page) == round(125 * fitted)
    expect(page.locator("#invert")).to_have_attribute("aria-pressed", "true")


def test_everything_can_be_done_with_the_keyboard(page):
    def tab_to(name):
        for _ in range(60):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.id") == name:
                return
        raise AssertionError(f"Tab never comes to {name}")

    tab_to("files")
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    content = {"name": "f.png", "mimeType": "image/png", "buffer": film((300, 400))}
    chooser.value.set_files([content])
    expect(page.locator("#depth")).to_contain_text("300 × 400 pixels")
    tab_to("canvas")
    before = zoom(page)
    page.keyboard.press("+")
    page.keyboard.press("i")
    assert zoom(page) == pytest.approx(1.25 * before, abs=1)
    expect(page.locator("#invert")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("0")
    page.keyboard.press("1")
    expect(page.locator("#zoom-value")).to_have_text("100 %")
    page.keyboard.press("0")
    tab_to("window")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#window-value")).to_have_text("257")
    tab_to("write")
    page.keyboard.press("Enter")
    expect(page.locator("#status")).to_contain_text("Draft")
    tab_to("report")
    page.keyboard.press("ControlOrMeta+End")
    page.keyboard.type(" Left rib fracture.")
    expect(label(page, "Fracture")).to_contain_text("+ present")
    tab_to("name")
    page.keyboard.press("Tab")
    with page.expect_download():
        page.keyboard.press("Enter")
    expect(page.locator("#exported")).to_contain_text("Saved")


@pytest.mark.parametrize("size", ["100%", "150%", "200%"])
def test_the_example_does_not_slide_sideways_on_a_phone_whatever_the_size_of_letters(phone, size):
    phone.evaluate(
        """size => {
          const sheet = new CSSStyleSheet();
          sheet.replaceSync(`html { font-size: ${size} }`);
          document.adoptedStyleSheets = [sheet];
        }""",
        size,
    )
    assert phone.evaluate("document.documentElement.scrollWidth") == 390
    phone.click("#example")
    expect(phone.locator("#film-part")).to_be_visible()
    expect(phone.locator("#studies .name")).to_have_text("phantom-example")
    assert phone.evaluate("document.documentElement.scrollWidth") == 390


def test_a_phone_of_390_pixels_shows_all_without_sliding_sideways(phone, writer):
    long = "Severe hydropneumothoraxlikeconfigurationwithoutanyspace " * 3
    writer.reports = (f"{REPORTS[0]} {long}", *REPORTS[1:])
    write_draft(phone, samples="4")
    phone.fill("#reference", "Small pleural effusion. " + "x" * 300)
    expect(phone.locator("#score")).to_contain_text("FactS")
    assert phone.evaluate("document.documentElement.scrollWidth") == 390
    for name in ("#write", "#report", "#labels", "#reference", "#formats"):
        box = phone.locator(name).bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390


def test_html_in_names_and_reports_is_text(page, writer):
    # within a sentence: a tag alone is no sentence, and stands in the report alone
    writer.reports = (
        f"Small left {HOSTILE.removeprefix('Small left pleural effusion. ')} pleural effusion.",
    )
    write_draft(page)
    expect(page.locator("#sentences")).to_contain_text("<img src=x")
    choose(page, ("<b onclick=x>.png", b"no picture"))
    expect(page.locator("#film-faults")).to_contain_text("<b onclick=x>.png: ")
    page.fill("#reference", HOSTILE)
    expect(page.locator("#score")).to_contain_text("FactS")
    assert page.locator("main img, main b").count() == 0
    assert page.title() == "orapo workbench"


@pytest.mark.filterwarnings("ignore")  # pydicom, of what it is told to write
def test_html_in_dicom_headers_is_text_wherever_it_is_shown(page, tmp_path):
    headers = {
        "PatientName": HOSTILE,
        "StudyDescription": HOSTILE[:60],
        "ViewPosition": "<B>",
        "StudyInstanceUID": "1.2.<img src=x>",
        "PatientOrientation": ["<b>", "<i>"],
    }
    choose(page, ("film.dcm", dicom_film(tmp_path, **headers)))
    expect(page.locator("#viewer")).to_be_visible()
    page.click("#write")
    expect(page.locator("#status, #report-faults").filter(has_text=re.compile("."))).to_have_count(
        1
    )
    broken = dicom_film(tmp_path, PhotometricInterpretation="<I>MONO</I>")
    choose(page, ("film.dcm", broken))
    expect(page.locator("#film-faults")).to_contain_text("film.dcm: ")
    assert page.locator("main img, main b, main i").count() == 0
    assert page.title() == "orapo workbench"
    assert "onerror" not in page.locator("body").inner_text()


def test_characters_beyond_the_basic_plane_do_not_shift_the_marks(page):
    page.fill("#report", "🫁🫁 Large pleural effusion 🫁. No pneumothorax.")
    expect(page.locator("#sentences mark")).to_have_text(["pleural effusion", "pneumothorax"])


def test_a_dicom_file_is_shown_and_a_bad_one_is_said_beside_the_good(page, tmp_path):
    choose(page, ("a.dcm", dicom_film(tmp_path)), ("b.dcm", b"\0" * 128 + b"DICM"))
    expect(page.locator("#film-faults")).to_contain_text("b.dcm: ")
    expect(page.locator("#canvas")).to_have_attribute("aria-label", "Film, view 1 of 1")
    expect(page.locator("#write")).to_be_enabled()


def test_stopping_brings_back_what_was_there(page, writer):
    choose(page, ("film.png", film((300, 400))))
    expect(page.locator("#viewer")).to_be_visible()
    page.fill("#report", "My own words.")
    writer.go_on.clear()
    page.click("#write")
    page.get_by_role("button", name="Go on").click()
    expect(page.locator("#report")).to_have_value("There")
    page.click("#stop")
    expect(page.locator("#status")).to_have_text("Stopped.")
    expect(page.locator("#report")).to_have_value("My own words.")
    assert writer.ended_early.wait(20)


def test_a_fault_is_said_and_the_text_stays(page, writer):
    writer.error = ValueError("odd shape")
    choose(page, ("film.png", film((300, 400))))
    expect(page.locator("#viewer")).to_be_visible()
    page.fill("#report", "My own words.")
    page.click("#write")
    page.get_by_role("button", name="Go on").click()
    expect(page.locator("#report-faults")).to_contain_text("processor refuses it (odd shape)")
    expect(page.locator("#report")).to_have_value("My own words.")


def test_colours_follow_the_system_and_can_be_turned(page):
    def background():
        return page.evaluate("getComputedStyle(document.body).backgroundColor")

    light = background()
    page.emulate_media(color_scheme="dark")
    dark = background()
    assert light != dark
    page.click("#theme")
    assert background() == light
    page.reload()
    assert background() == light


def test_every_field_and_button_has_a_name(page):
    write_draft(page, samples="4")
    nameless = page.evaluate(
        """() => [...document.querySelectorAll("button, input, select, textarea, canvas, output")]
          .filter((one) => !(one.labels?.length || one.getAttribute("aria-label")
            || one.textContent.trim()))
          .map((one) => one.id || one.outerHTML)"""
    )
    assert nameless == []


def test_a_token_is_asked_for_and_a_wrong_one_again(browser):
    model = ServedModel(FakeWriter(), provenance_of_nothing())
    with listening(create_app(model, token="a-token-of-some-length")) as address:
        context = browser.new_context()
        page = context.new_page()
        page.goto(address)
        expect(page.locator("#token-dialog")).to_be_visible()
        page.fill("#token", "wrong")
        page.keyboard.press("Enter")
        expect(page.locator("#token-why")).to_have_text("That token is wrong.")
        page.fill("#token", "a-token-of-some-length")
        page.keyboard.press("Enter")
        expect(page.locator("#labels tr")).to_have_count(len(LABELS))
        page.reload()
        expect(page.locator("#labels tr")).to_have_count(len(LABELS))
        context.close()


def provenance_of_nothing():
    from orapo.generation.rows import Provenance

    return Provenance("tiny", "")


def test_what_is_not_written_yet_has_no_score(page):
    page.fill("#reference", "Small left pleural effusion.")
    page.fill("#report", "Left pleural effusion.")
    expect(page.locator("#score")).to_contain_text("FactS")
    page.fill("#report", "")
    expect(page.locator("#no-sentences")).to_be_visible()
    expect(page.locator("#score")).to_be_empty()


def test_without_a_model_the_page_reads_what_is_typed(browser):
    with listening(create_app()) as address:
        for page in opened(browser, address):
            expect(page.locator("#no-model")).to_contain_text("no model")
            page.fill("#report", "Left rib fracture.")
            expect(label(page, "Fracture")).to_contain_text("+ present")
            choose(page, ("film.png", film((300, 400))))
            expect(page.locator("#viewer")).to_be_visible()
            expect(page.locator("#write")).to_be_disabled()


def test_why_no_draft_can_be_written_stays_beside_the_button(browser):
    with listening(create_app()) as address:
        for page in opened(browser, address):
            page.click("#example")
            expect(page.locator("#status")).to_contain_text("A phantom")
            expect(page.locator("#write")).to_be_disabled()
            expect(page.locator("#write")).to_have_accessible_description(re.compile("no model"))
            expect(page.locator("#no-model")).to_be_visible()
            page.click("#new-text")
            expect(page.locator("#no-model")).to_be_visible()


def test_with_a_model_nothing_is_said_of_none(page):
    expect(page.locator("#model")).to_contain_text("tiny")
    expect(page.locator("#no-model")).to_be_hidden()


def test_a_text_typed_without_film_and_model_is_exported_as_the_readers(browser):
    with listening(create_app()) as address:
        for page in opened(browser, address):
            page.click("#new-text")
            page.fill("#report", "Left rib fracture.")
            with page.expect_download() as download:
                page.get_by_role("button", name="Text", exact=True).click()
            with open(download.value.path(), encoding="utf-8") as file:
                assert file.read() == f"{NOTICES['own']}\n\nLeft rib fracture."


def test_a_text_in_another_language_is_said_to_be_unread(page):
    page.fill("#report", "Kleiner Pleuraerguss links. Kein Pneumothorax. Herz nicht vergrößert.")
    why = page.locator("#no-sentences")
    expect(why).to_have_text("This text is not English; FactS reads English only.")
    expect(why).to_be_visible()
    expect(label(page, "Pneumothorax")).to_contain_text("not read")
    page.fill("#report", "Small left pleural effusion. No pneumothorax.")
    expect(why).to_be_hidden()
    expect(label(page, "Pneumothorax")).to_contain_text("− absent")
    expect(label(page, "Fracture")).to_contain_text("not mentioned")
    page.fill("#report", "")
    expect(why).to_have_text("Nothing to read yet.")


def test_enter_keeps_a_text_that_would_be_taken_off_the_list(page):
    page.fill("#report", "Left rib fracture.")
    page.click("#close-study")
    expect(page.locator("#ask-dialog .primary")).to_have_text("Keep")
    page.keyboard.press("Enter")
    expect(page.locator("#ask-dialog")).to_be_hidden()
    expect(page.locator("#report")).to_have_value("Left rib fracture.")
    page.click("#close-study")
    page.get_by_role("button", name="Discard text").click()
    expect(page.locator("#report")).to_have_value("")


@pytest.mark.parametrize("width", [390, 1200])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(browser, address, scheme, width):
    # axe is injected as a script, which the page's own policy would refuse
    context = browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme=scheme, bypass_csp=True
    )
    page = context.new_page()
    page.goto(address)
    expect(page.locator("#labels tr")).to_have_count(len(LABELS))
    write_draft(page, samples="4")
    page.fill("#reference", "Small pleural effusion.")
    expect(page.locator("#score")).to_contain_text("FactS")
    found = violations(page)
    context.close()
    assert found == []
