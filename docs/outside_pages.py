"""MkDocs hook: pages and files of the repository that lie outside ``docs/`` join the site.

Links to them are written as they work in the repository (``../benchmarks/RESULTS.md``); here they are
turned to where the site has them.
"""

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
# Place in the repository -> place in the site.
OUTSIDE = {
    "benchmarks/RESULTS.md": "benchmarks.md",
    **{
        f"benchmarks/results/{path.name}": f"figures/{path.name}"
        for path in (ROOT / "benchmarks" / "results").glob("*.md")
    },
    **{
        f"examples/{path.name}": f"examples/{path.name}"
        for path in (ROOT / "examples").glob("*.py")
    },
    **{
        f"recipes/{path.name}": f"recipes/{path.name}" for path in (ROOT / "recipes").glob("*.yaml")
    },
}
_LINK = re.compile(r"(\]\()([^)#\s:]+)((?:#[^)\s]*)?\))")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what lies outside."""
    for source, place in OUTSIDE.items():
        files.append(File.generated(config, place, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links that leave ``docs/``, and those of pages from outside that lead into it."""
    inside = page.file.src_uri
    source = next((key for key, value in OUTSIDE.items() if value == inside), f"docs/{inside}")

    def turned(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), link[2]))
        place = OUTSIDE.get(target)
        if place is None and target.startswith("docs/"):
            place = target.removeprefix("docs/")
        if place is None:
            return link[0]
        return link[1] + posixpath.relpath(place, posixpath.dirname(inside) or ".") + link[3]

    return _LINK.sub(turned, markdown)
