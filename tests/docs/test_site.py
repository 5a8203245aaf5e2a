"""The documentation as a site: built without a warning, no dead link, nothing fetched from elsewhere."""

import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

for needed in ("mkdocs", "material", "mkdocstrings"):
    pytest.importorskip(needed, reason="the extra [docs] is not installed: no site to check")

ROOT = Path(__file__).parents[2]
# What makes a browser ask for something by itself; a link that a reader follows is not among them.
FETCHES = {
    ("script", "src"),
    ("img", "src"),
    ("iframe", "src"),
    ("source", "src"),
    ("link", "href"),
}


def build(root, site):
    # not --quiet: it hides the warnings from --strict, too
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", site],
        cwd=root,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


class Page(HTMLParser):
    """Ids, links and fetched addresses of a page."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.links, self.fetched = set(), [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.ids |= {values[name] for name in ("id", "name") if values.get(name)}
        if tag == "a" and values.get("href"):
            self.links.append(values["href"])
        for name in ("src", "href"):
            if (tag, name) in FETCHES and values.get(name) and values.get("rel") != "canonical":
                self.fetched.append(values[name])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    built = build(ROOT, folder)
    assert built.returncode == 0, built.stderr
    return folder


@pytest.fixture(scope="module")
def pages(site):
    return {path: Page(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}


def test_every_page_is_in_the_site(pages, site):
    written = {path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.md")}
    made = {path.relative_to(site) for path in pages}
    assert {path.with_suffix(".html") for path in written} <= made
    figures = {path.stem for path in (ROOT / "benchmarks" / "results").glob("*.md")}
    assert {Path("benchmarks.html"), *(Path(f"figures/{name}.html") for name in figures)} <= made


def test_no_link_within_the_site_is_dead(pages, site):
    dead = []
    for path, page in pages.items():
        if path.name == "404.html":  # its links start at an address that nobody knows yet
            continue
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if target.is_dir():
                target /= "index.html"
            if not target.is_file() or site not in target.parents:
                dead.append((path.name, link))
            elif parts.fragment and target in pages:
                anchors = pages[target].ids
                if unquote(parts.fragment) not in anchors:
                    dead.append((path.name, link))
    assert dead == []


def test_a_page_asks_nothing_of_any_network(pages):
    foreign = {
        address
        for page in pages.values()
        for address in page.fetched
        if urlsplit(address).scheme in ("http", "https") or address.startswith("//")
    }
    assert foreign == set()


def test_the_style_asks_nothing_of_any_network(site):
    for path in site.rglob("*.css"):
        assert re.findall(r"url\(['\"]?https?:|@import\s+['\"]https?:", path.read_text()) == []


def test_the_reference_has_every_public_name(site):
    import orapo

    text = "".join(path.read_text(encoding="utf-8") for path in (site / "api").glob("*.html"))
    missing = [
        name for name in orapo.__all__ if not re.search(rf'id="orapo\.[\w.]+\.{name}"', text)
    ]
    assert missing == []


@pytest.mark.parametrize(
    "wrong",
    ["[no page](nowhere.md)", "[no heading](method.md#nowhere)", "![no picture](img/nowhere.png)"],
)
def test_a_dead_link_fails_the_build(wrong, tmp_path):
    for name in ("docs", "examples", "recipes", "benchmarks"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.rmtree(tmp_path / "docs" / "api")
    config = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    config = re.sub(r"  - API reference:\n(      - .*\n)+", "", config)
    config = config.replace("plugins:\n  - search\n", "plugins:\n")
    (tmp_path / "mkdocs.yml").write_text(config, encoding="utf-8")
    page = tmp_path / "docs" / "contributing.md"
    page.write_text(page.read_text(encoding="utf-8") + f"\n{wrong}\n", encoding="utf-8")
    built = build(tmp_path, tmp_path / "site")
    assert built.returncode != 0
    assert "nowhere" in built.stdout + built.stderr


def test_the_readme_is_read_in_minutes():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").split()) <= 900


@pytest.mark.parametrize("name", ["README.md", "ARCHITECTURE.md", "CHANGELOG.md"])
def test_no_link_beside_the_site_is_dead(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text)]
    inside = [link for link in links if link and not urlsplit(link).scheme]
    assert [link for link in inside if not (ROOT / link).exists()] == []


@pytest.mark.parametrize(
    ("page", "part"), [("README.md", "## Results"), ("docs/faq.md", "## Is all-positive better?")]
)
def test_a_figure_of_results_stands_where_its_command_is(page, part):
    text = (ROOT / page).read_text(encoding="utf-8").partition(part)[2].partition("\n## ")[0]
    figures = set(re.findall(r"\d\.\d{3}", text))
    pages = [*(ROOT / "benchmarks" / "results").glob("*.md"), *(ROOT / "docs").glob("results*.md")]
    measured = "".join(path.read_text(encoding="utf-8") for path in pages)
    assert figures
    assert [figure for figure in figures if figure not in measured] == []
