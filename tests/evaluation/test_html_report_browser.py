"""The page of an evaluation in a real browser: filters, keyboard, phone, dark, and no request."""

import shutil

import numpy as np
import pytest
from PIL import Image

from orapo.evaluation import clinical_scores
from orapo.evaluation.inputs import Reference
from orapo.evaluation.output import sample_studies, worst_studies, write_evaluation
from orapo.evaluation.trivial import trivial_scores
from orapo.facts import label_report
from orapo.labels import UncertainPolicy

CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
playwright = pytest.importorskip("playwright.sync_api")

HOSTILE = 'Edema. <script>document.title = "taken"</script><img src=x onerror="document.title=1">'
PAIRS = {  # reference, generated
    "a": ("Small left pleural effusion. No edema.", "No pleural effusion."),  # contradiction
    "b": ("Cardiomegaly.", "Cardiomegaly. Left pleural effusion."),  # false alarm
    "c": ("No acute disease.", "No acute disease."),
    "d": ("Pulmonary edema and cardiomegaly.", "Cardiomegaly is stable."),  # missed
    "e": ("Pulmonary edema.", HOSTILE),
}


@pytest.fixture(scope="module")
def page_file(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluation")
    film = folder / "film.png"
    Image.fromarray(np.linspace(0, 255, 64 * 64).reshape(64, 64).astype(np.uint8)).save(film)
    truth = {
        name: Reference(name, label_report(text).labels, "facts", text, (film,))
        for name, (text, _) in PAIRS.items()
    }
    reports = {name: text for name, (_, text) in PAIRS.items()}
    predicted = [label_report(text).labels for text in reports.values()]
    labels = [one.labels for one in truth.values()]
    policy = UncertainPolicy.NEGATIVE
    metrics = {"model": clinical_scores(predicted, labels, uncertain=policy).as_dict()}
    metrics |= {k: v.as_dict() for k, v in trivial_scores(labels, uncertain=policy).items()}
    write_evaluation(
        folder,
        metrics,
        sample_studies(reports, truth),
        worst_studies(reports, truth, predicted, 3, policy),
        [],
        policy,
        "orapo evaluate",
    )
    return folder / "report.html"


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
        page.goto(page_file.as_uri())
        return page

    yield open_
    for context in contexts:
        context.close()
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert said == []


def shown(page):
    return page.locator("article.study:visible").evaluate_all(
        "found => found.map(one => one.getAttribute('aria-label'))"
    )


def test_studies_are_filtered_by_error_and_label_with_the_keyboard_alone(opened):
    page = opened()
    assert page.locator("#shown").inner_text() == "8 of 8 studies shown"
    page.locator("#by-kind").focus()
    found = []
    for _ in ("missed", "false alarm", "contradiction"):
        page.keyboard.press("ArrowDown")
        found.append(set(shown(page)))
    # a denies what is there, and so calls a study normal that is not
    assert found == [{"Study a", "Study d"}, {"Study a", "Study b"}, {"Study a"}]
    page.keyboard.press("Home")  # all
    page.keyboard.press("Shift+Tab")
    assert page.evaluate("document.activeElement.id") == "by-label"
    page.keyboard.type("Edema")
    assert set(shown(page)) == {"Study d", "Study e"}
    assert "studies shown" in page.locator("#shown").inner_text()


def test_a_keyboard_reaches_everything_and_shows_where_it_is(opened):
    page = opened()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    seen = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        seen.add(page.evaluate("document.activeElement.tagName"))
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none" or page.evaluate("document.activeElement === document.body")
    assert {"A", "SELECT", "SUMMARY", "DIV"} <= seen


def test_the_worst_studies_come_first_with_their_evidence(opened):
    page = opened()
    assert shown(page)[:3] == ["Study a", "Study b", "Study d"]
    first = page.locator("article.study").first
    first.locator("details.evidence summary").click()
    assert "pleural effusion: absent (contradiction)" in first.inner_text()


def test_text_of_reports_stays_text(opened):
    page = opened()
    assert page.title() == "Evaluation of chest X-ray reports"
    assert page.locator("article script, article img[src=x]").count() == 0
    assert '<script>document.title = "taken"</script>' in page.inner_text("main")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_it_without_sideways_scrolling(opened, scheme):
    page = opened(viewport={"width": 390, "height": 800}, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") == 390


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(opened, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    # axe is injected as a script, which the page's own policy would refuse
    page = opened(color_scheme=scheme, bypass_csp=True)
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    found = axe.Axe().run(page).response["violations"]
    assert [
        (one["id"], one["impact"]) for one in found if one["impact"] in ("serious", "critical")
    ] == []


def test_it_reads_without_scripts(opened):
    page = opened(java_script_enabled=False)
    assert page.locator("article.study").count() == 8
    assert not page.locator("#filters").is_visible()
