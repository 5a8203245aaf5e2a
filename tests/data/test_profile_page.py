"""The page of `orapo data check` in a real browser, on a phone."""

import shutil
from pathlib import Path

import pytest

from orapo.data.loaded import Loaded, Place, Problem
from orapo.data.profile import profile
from orapo.data.profile_page import write_profile
from orapo.data.study import Study

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
playwright = pytest.importorskip("playwright.sync_api")


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_the_page_of_a_large_data_set_with_long_names_needs_no_sliding_sideways(tmp_path, width):
    studies = [
        Study(
            study_id=f"1.2.840.{'9' * 60}.{place}",
            patient_id=f"patient-{place}",
            findings="Small left pleural effusion.",
            split="a-split-with-a-rather-long-name-" * 2,
            labels={"Pleural Effusion": 1},
        )
        for place in range(30)
    ]
    long = Path("a" * 90 + ".csv")
    problems = [
        Problem(Place(long, line=223_228), f"{'b' * 90}.png is not there", "image", fatal=True)
    ]
    places = [Place(long, line=line) for line in range(30)]
    loaded = Loaded("a_source_with_a_long_name" * 3, studies, places, problems, {})
    figures = profile(loaded, problems, None)
    for label in figures["labels"].values():
        label.update(dict.fromkeys(label, 1_223_228))
    page_file = write_profile(tmp_path, loaded, figures, problems, thumbnails=False)
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": width, "height": 800})
        page.goto(page_file.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") == width
        browser.close()
