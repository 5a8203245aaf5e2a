"""Films that come in many at once, in a real browser: a folder that is opened, files and folders that are dropped."""

import re

import pytest
from fake_server import FakeWriter, dicom_film, film, listening

from orapo.generation.rows import Provenance
from orapo.serve.app import create_app
from orapo.serve.inference import ServedModel

pytest.importorskip("playwright", reason="playwright is not installed")
from chromium import opened_page, skip_without_chromium
from playwright.sync_api import expect

pytestmark = [
    skip_without_chromium,
    pytest.mark.filterwarnings("ignore"),  # pydicom, of what it is told to write
]


@pytest.fixture
def page(browser):
    served = ServedModel(FakeWriter(), Provenance("tiny", ""), "all")
    with listening(create_app(served)) as address:
        yield from opened_page(browser, address)


@pytest.fixture
def disc(tmp_path):
    """A folder as a hospital's disc has it: two patients, three studies, and a note that is no film."""
    folder = tmp_path / "disc"
    for place, (patient, study, seed) in enumerate(
        [("A", "1.2.1", 1), ("A", "1.2.1", 2), ("A", "1.2.2", 3), ("B", "1.2.3", 4)]
    ):
        (folder / patient / study).mkdir(parents=True, exist_ok=True)
        headers = {"PatientID": patient, "StudyInstanceUID": study, "SOPInstanceUID": f"1.9.{seed}"}
        content = dicom_film(tmp_path, seed=seed, StudyDate=f"2026112{place}", **headers)
        (folder / patient / study / f"{patient}{seed}.dcm").write_bytes(content)
    (folder / "README.txt").write_text("Films of two patients.")
    return folder


def drop(page, *paths):
    """Drop files of this machine on the page, as a hand does: no script of the page has a part in it."""
    page.bring_to_front()
    box = page.locator("#drop").bounding_box()
    tell = page.context.new_cdp_session(page).send
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    place = {"x": box["x"] + 20, "y": box["y"] + 10, "data": data}
    for kind in ("dragEnter", "dragOver"):
        tell("Input.dispatchDragEvent", {"type": kind, **place})
    expect(page.locator("#worklist-part")).to_have_class("over")
    tell("Input.dispatchDragEvent", {"type": "drop", **place})


def the_discs_studies_are_there(page):
    """Each study by itself, none of its films with another patient's."""
    names = page.locator("#studies .name")
    expect(names).to_have_count(3)
    expect(page.locator("#film-status")).to_have_text("4 films came in.")
    expect(page.locator("#film-faults")).to_contain_text("README.txt")
    seen = [page.locator("#film-label").inner_text().rpartition(" ")[2]]
    expect(page.locator("#views button")).to_have_count(2)
    for _ in range(2):
        page.keyboard.press("Alt+ArrowDown")
        expect(page.locator("#film-label")).not_to_contain_text(seen[-1])
        expect(page.locator("#views button")).to_have_count(0)
        seen.append(page.locator("#film-label").inner_text().rpartition(" ")[2])
    assert seen == ["A1.dcm", "A3.dcm", "B4.dcm"]


def test_a_folder_that_is_opened_becomes_a_worklist_of_its_studies(page, disc):
    page.set_input_files("#folder", disc)
    the_discs_studies_are_there(page)


def test_a_folder_that_is_dropped_becomes_a_worklist_of_its_studies(page, disc):
    drop(page, disc)
    the_discs_studies_are_there(page)


def test_films_of_several_studies_that_are_dropped_at_once_go_each_to_its_own(page, disc, tmp_path):
    for number in (1, 2):
        (tmp_path / f"p{number}.png").write_bytes(film((300, 400), seed=number))
    films = sorted(disc.rglob("*.dcm"))
    drop(page, *films, tmp_path / "p1.png", tmp_path / "p2.png")
    # of pictures no file says whose they are
    expect(page.locator("#ask-dialog")).to_contain_text("2 of these films do not say")
    page.get_by_role("button", name="A study each").click()
    expect(page.locator("#studies button")).to_have_count(5)
    expect(page.locator("#studies button").first).to_contain_text("2 films")
    expect(page.locator("#worklist-part")).not_to_have_class("over")
    expect(page.locator("#film-label")).to_contain_text("A1.dcm")
    drop(page, films[0])  # is there already
    expect(page.locator("#film-status")).to_be_empty()
    expect(page.locator("#studies button")).to_have_count(5)


def test_a_folder_of_more_films_than_a_browser_lists_at_once_comes_in_whole(page, tmp_path):
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(101):
        (folder / f"{number:03}.png").write_bytes(film((8, 8), seed=number))
    drop(page, folder)
    expect(page.locator("#film-status")).to_have_text(re.compile(r"^Reading film \d+ of 101\.$"))
