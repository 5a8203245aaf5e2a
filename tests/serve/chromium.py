"""A real browser, headless, and pages in it that must ask nobody else and complain of nothing."""

import os
import shutil

import pytest

CHROMIUM = os.environ.get("ORAPO_CHROMIUM") or shutil.which("chromium") or shutil.which("chrome")
skip_without_chromium = pytest.mark.skipif(
    not CHROMIUM, reason="no chromium (or ORAPO_CHROMIUM) here"
)
BY_THE_TEST = ("status of 4", "status of 503", "willReadFrequently")


def opened_page(browser, address, path="/", **settings):
    """A page on which nothing is said in the console and nothing asked of anyone else."""
    context = browser.new_context(**settings)
    page = context.new_page()
    page.set_default_timeout(20_000)
    complaints, asked = [], []
    page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "filechooser", lambda _: None
    )  # Chromium is told of it by now, not when a key is pressed
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{address}{path}")
    yield page
    # Chromium's own line for an answer of 4xx, and its advice to this test, which reads pixels
    refused = [one for one in complaints if not any(mine in one for mine in BY_THE_TEST)]
    assert refused == []
    assert [url for url in asked if not url.startswith((f"{address}/", f"blob:{address}/"))] == []
    context.close()


def violations(page):
    """All that axe-core finds on a page, and where; its context must bypass the CSP."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    found = axe.Axe().run(page).response["violations"]
    return [(one["id"], one["impact"], [each["target"] for each in one["nodes"]]) for one in found]
