"""The page of an evaluation in a real browser: filters, keyboard, phone, dark, and no request."""

import shutil

import numpy as np
import pytest
from PIL import Image

from orapo.cli.evaluate import evaluate
from orapo.data.manifest import write_manifest
from orapo.data.study import Study
from orapo.data.table_writing import write_rows
from orapo.data.tables import read_rows
from orapo.facts import label_report

CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
playwright = pytest.importorskip("playwright.sync_api")

HOSTILE = 'Edema. <script>document.title = "taken"</script><img src=x onerror="document.title=1">'
HOSTILE_ID = "e<script>document.title='taken'</script>\"'>" + "1.2.840." * 12
PAIRS = {  # reference, generated
    "a": ("Small left pleural effusion. No edema.", "No pleural effusion."),
    "b": ("Cardiomegaly.", "Cardiomegaly. Left pleural effusion."),
    "c": ("No acute disease.", "No acute disease."),
    "d": ("Pulmonary edema and cardiomegaly.", "Cardiomegaly is stable. Possible pneumonia."),
    HOSTILE_ID: ("Pulmonary edema.", HOSTILE),
    "f": ("Likely pneumonia. Pacemaker.", ""),
}


@pytest.fixture(scope="module")
def page_file(tmp_path_factory):
    """The page that `orapo evaluate` writes of six studies with films, three shown as the worst."""
    folder = tmp_path_factory.mktemp("evaluation")
    film = folder / "film.png"
    Image.fromarray(np.linspace(0, 255, 64 * 64).reshape(64, 64).astype(np.uint8)).save(film)
    manifest, predictions = folder / "manifest.jsonl", folder / "predictions.jsonl"
    texts = {name: text for name, (text, _) in PAIRS.items()}
    write_manifest(
        manifest,
        [
            Study(
                study_id=prefix + name,
                images=(film,),
                report=text,
                labels=label_report(text).labels,
                split=split,
            )
            for split, prefix in (("train", "t-"), ("test", ""))
            for name, text in texts.items()
        ],
    )
    with write_rows(predictions, ("study_id", "report")) as write:
        for name, (_, text) in PAIRS.items():
            write({"study_id": name, "report": text})
    assert len(list(read_rows(predictions))) == len(PAIRS)
    out = folder / "out"
    evaluate(predictions, manifest, out, train=manifest, split="test", worst=3, resamples=50)
    return out / "report.html"


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=options)
        yield browser
        browser.close()


@pytest.fixture
def opened(browser, page_file):
    """Open the page; fails at the end if it asked for anything or complained."""
    contexts, asked, said = [], [], []

    def open_(**options):
        context = browser.new_context(**{"viewport": {"width": 1200, "height": 900}, **options})
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("dialog", lambda dialog: said.append(dialog.message))
        page.goto(page_file.as_uri())
        return page

    yield open_
    for context in contexts:
        context.close()
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert said == []


def shown(page):
    """Ids of the studies that are to be seen, as a set: the worst three stand twice."""
    return set(
        page.locator("article.study:visible").evaluate_all(
            "found => found.map(one => one.querySelector('.id').textContent)"
        )
    )


def unfold(page):
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")


def test_studies_are_filtered_by_kind_of_error_with_the_keyboard_alone(opened):
    page = opened()
    assert page.locator("#shown").inner_text() == "9 of 9 studies shown"
    page.locator("#by-kind").focus()
    found = {}
    for _ in range(5):
        page.keyboard.press("ArrowDown")
        found[page.locator("#by-kind").input_value()] = shown(page)
    assert found == {
        "missed": {"a", "d", "f"},
        # a denies what is there, and so calls a study normal that is not; d's possible pneumonia
        "false alarm": {"a", "b", "d"},
        "contradiction": {"a"},
        "uncertain": {"d"},
        "none": {"c", HOSTILE_ID},
    }
    page.keyboard.press("Home")
    assert shown(page) == set(PAIRS)


def test_with_both_filters_the_error_is_one_of_that_label(opened):
    page = opened()
    page.locator("#by-label").focus()
    page.keyboard.type("Cardiom")
    assert page.locator("#by-label").input_value() == "Cardiomegaly"
    assert shown(page) == {"b", "d"}
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "by-kind"
    page.keyboard.type("missed")
    # d misses an edema, but finds the cardiomegaly
    assert shown(page) == set()
    assert page.locator("#shown").inner_text() == "0 of 9 studies shown"
    page.keyboard.press("Shift+Tab")
    page.keyboard.type("Edema")
    assert shown(page) == {"d"}


def test_a_keyboard_reaches_everything_and_shows_where_it_is(opened):
    page = opened()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == "#headline"
    seen = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        seen.add(page.evaluate("document.activeElement.tagName"))
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none" or page.evaluate("document.activeElement === document.body")
    assert {"A", "SELECT", "SUMMARY", "DIV"} <= seen


def test_the_worst_studies_come_first_with_their_film_and_evidence(opened):
    page = opened()
    order = page.locator("article.study .id").all_inner_texts()
    # a: effusion missed, No Finding called; d: edema missed, pneumonia called; f: two missed
    assert order[:3] == ["a", "d", "f"]
    first = page.locator("article.study").first
    assert first.locator(".film img").evaluate("film => film.naturalWidth") == 64
    evidence = first.locator("details.evidence")
    evidence.locator("summary").focus()
    page.keyboard.press("Enter")
    read = " ".join(evidence.inner_text().split())
    assert "pleural effusion: absent → Pleural Effusion negative (contradiction)" in read
    assert "pleural effusion: present (left, small) → Pleural Effusion positive (missed)" in read
    title = first.locator("mark.contradiction").get_attribute("title")
    assert title == "contradiction – pleural effusion: absent"


def test_the_headline_and_the_wording_have_intervals(opened):
    page = opened()
    assert "(95 % interval 0." in page.locator(".lead").inner_text()
    model = page.locator("#headline ~ .scroll tbody tr").first
    assert model.locator("small").count() == 5
    words = page.locator("section[aria-labelledby=wording] tbody tr th").all_inner_texts()
    assert words == ["present", "uncertain", "“possible”", "absent", "nothing"]
    assert page.locator("#plots ~ figure img").count() == 3


def test_text_of_reports_stays_text(opened):
    page = opened()
    assert page.title() == "Evaluation of chest X-ray reports"
    assert page.locator("article script, article img[src=x]").count() == 0
    assert '<script>document.title = "taken"</script>' in page.inner_text("main")
    assert HOSTILE_ID in page.inner_text("main")


def test_the_page_s_policy_stops_a_script_that_got_in_all_the_same(browser, page_file, tmp_path):
    broken = tmp_path / "broken.html"
    html = page_file.read_text().replace("</main>", "</main><script>document.title=1</script>")
    broken.write_text(html + '<img src="x" onerror="document.title=1">')
    page = browser.new_page()
    refused = []
    page.on("console", lambda message: refused.append(message.text))
    page.goto(broken.as_uri())
    assert page.title() == "Evaluation of chest X-ray reports"
    assert any("Content Security Policy" in text for text in refused)
    assert page.locator("#filters").is_visible()  # the page's own script runs
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 390, 1280])
def test_no_screen_scrolls_sideways(opened, scheme, width):
    page = opened(viewport={"width": width, "height": 800}, color_scheme=scheme)
    unfold(page)
    assert page.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize(("scheme", "bright"), [("light", True), ("dark", False)])
def test_the_scheme_follows_the_reader_s_and_plots_stay_on_white(opened, scheme, bright):
    page = opened(color_scheme=scheme)

    def brightness(selector, what):
        return sum(colour(page, selector, what)) / 3

    assert (brightness("body", "backgroundColor") > 128) is bright
    assert (brightness("body", "color") < 128) is bright
    assert brightness(".plot", "backgroundColor") == 255


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_figures_are_readable_on_their_bar(opened, scheme):
    # axe can't see colours through a gradient, so the bar under the figures is reckoned here
    page = opened(color_scheme=scheme)
    probe = "getComputedStyle(document.documentElement).getPropertyValue('--bar').trim()"
    bar = [int(page.evaluate(probe)[place : place + 2], 16) for place in (1, 3, 5, 7)]
    card, alpha = colour(page, ".scroll", "backgroundColor"), bar[3] / 255
    under = [alpha * top + (1 - alpha) * below for top, below in zip(bar, card, strict=False)]
    for figure in ("td.with-bar", "td.with-bar small"):
        assert contrast(colour(page, figure, "color"), under) >= 4.5


@pytest.mark.parametrize("width", [390, 1200])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(opened, scheme, width):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    # axe is injected as a script, which the page's own policy would refuse
    page = opened(viewport={"width": width, "height": 800}, color_scheme=scheme, bypass_csp=True)
    unfold(page)
    found = axe.Axe().run(page).response["violations"]
    assert [
        (one["id"], one["impact"]) for one in found if one["impact"] in ("serious", "critical")
    ] == []


def test_it_reads_without_scripts(opened):
    page = opened(java_script_enabled=False)
    assert page.locator("article.study").count() == 9
    assert not page.locator("#filters").is_visible()


def colour(page, selector, what):
    """The red, green and blue of the first such element, 0 to 255."""
    value = page.locator(selector).first.evaluate(f"one => getComputedStyle(one).{what}")
    return [float(part) for part in value[value.index("(") + 1 : -1].split(",")[:3]]


def contrast(one, other):
    """WCAG 2's contrast ratio of two colours."""

    def luminance(rgb):
        shares = [part / 255 for part in rgb]
        linear = [s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)
