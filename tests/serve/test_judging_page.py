"""The page on which raters judge blinded pairs, in a real browser: with the keyboard alone."""

import os

import pytest
from fake_server import LEFT, lines_of, listening

from orapo.serve.app import create_app
from orapo.serve.judging import load_judging

pytest.importorskip("playwright", reason="playwright is not installed")
from chromium import opened_page, skip_without_chromium, violations
from playwright.sync_api import expect

pytestmark = skip_without_chromium


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
    expect(page.locator("#depth")).to_contain_text("300 × 400 pixels")
    fitted = int(page.locator("#zoom-value").inner_text().removesuffix(" %"))
    page.keyboard.press("+")
    page.keyboard.press("i")
    expect(page.locator("#zoom-value")).not_to_have_text(f"{fitted} %")
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


@pytest.mark.parametrize("width", [390, 1200])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_and_nothing_slides_sideways(browser, address, scheme, width):
    settings = {"viewport": {"width": width, "height": 844}, "color_scheme": scheme}
    # axe is injected as a script, which the page's own policy would refuse
    context = browser.new_context(**settings, bypass_csp=True)
    page = context.new_page()
    page.goto(f"{address}/judge")
    found = violations(page)
    page.fill("#rater", "r1")
    page.keyboard.press("Enter")
    for place in (1, 2, 3):
        title(page, f"Pair {place} of 3")
        if place != 2:
            found += violations(page)
            assert page.evaluate("document.documentElement.scrollWidth") == width
        if folder := os.environ.get("ORAPO_SCREENSHOTS"):
            expect(page.locator("#canvas")).to_be_visible(visible=place != 2)
            expect(page.locator("#canvas[aria-busy]")).to_have_count(0)
            page.screenshot(path=f"{folder}/judge-{place}-{width}-{scheme}.png", full_page=True)
        page.keyboard.press("t")
        page.keyboard.press("Enter")
    expect(page.locator("#done")).to_be_visible()
    found += violations(page)
    context.close()
    assert found == []
