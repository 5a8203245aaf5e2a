"""How fast the page of an evaluation opens and scrolls in Chromium, with as many studies as asked for.

    python benchmarks/report_viewer.py [--studies 5000] [--systems 1] [--folder DIR]

Phantom texts, and a film of its own for each study. What is measured, in headless Chromium without a
GPU: first paint and first contentful paint after the navigation starts; when the list is there; the time
between frames while the list scrolls from end to end; the longest wait after a key in the search field;
the tab's JavaScript heap.
"""

import argparse
import json
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import sync_playwright

from orapo.data.phantom import PhantomConfig
from orapo.data.phantom.findings import sample_findings
from orapo.data.phantom.reports import write_report as phantom_report
from orapo.evaluation.pages.report import write_report
from orapo.evaluation.pages.shown_studies import ShownStudy
from orapo.facts import label_report

SCROLL = """async () => {
  const list = document.getElementById("list"), times = [];
  const end = list.scrollHeight - list.clientHeight;
  let last = await new Promise(requestAnimationFrame);
  for (let frame = 1; frame <= 240; frame++) {
    list.scrollTop = (end * frame) / 240;
    const now = await new Promise(requestAnimationFrame);
    times.push(now - last);
    last = now;
  }
  return [times, document.querySelectorAll(".row").length];
}"""
KEY = """async (text) => {
  const field = document.getElementById("by-text"), start = performance.now();
  field.value = text;
  field.dispatchEvent(new Event("input"));
  await new Promise(requestAnimationFrame);
  return performance.now() - start;
}"""


def texts(count, seed):
    rng, config = np.random.default_rng(seed), PhantomConfig()
    return [
        phantom_report(rng, sample_findings(rng, config.uncertain_share), config).text
        for _ in range(count)
    ]


def film(number):
    rng = np.random.default_rng(number)
    coarse = Image.fromarray(rng.integers(40, 200, (24, 24), np.uint8).astype(np.uint8))
    return coarse.resize((512, 512), Image.Resampling.BICUBIC)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=5000)
    parser.add_argument("--systems", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=None)
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp())
    page_file = folder / "report.html"
    truth = texts(options.studies, 0)
    written = {f"system {n}": texts(options.studies, n + 1) for n in range(options.systems)}
    studies = [
        ShownStudy(
            f"study-{n:05}",
            film(n),
            text,
            label_report(text).labels,
            {name: reports[n] for name, reports in written.items()},
        )
        for n, text in enumerate(truth)
    ]
    start = time.monotonic()
    write_report(page_file, {}, {}, studies, data=folder / "report.json")
    found = {
        "studies": options.studies,
        "systems": options.systems,
        "seconds to write": round(time.monotonic() - start, 1),
        "page MB": round(page_file.stat().st_size / 1e6, 1),
        "films beside MB": round(
            sum(file.stat().st_size for file in folder.glob("report_films/*")) / 1e6, 1
        ),
    }
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        paints, ready = [], []
        for _ in range(5):
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            page.goto(page_file.as_uri())
            page.wait_for_selector(".row")
            page.wait_for_timeout(300)
            paints.append(
                page.evaluate(
                    "performance.getEntriesByType('paint').map(one => [one.name, one.startTime])"
                )
            )
            ready.append(
                page.evaluate(
                    "performance.timing.domContentLoadedEventEnd - performance.timing.navigationStart"
                )
            )
            if len(ready) < 5:
                page.close()
        for name in ("first-paint", "first-contentful-paint"):
            found[f"{name} ms, median of 5"] = round(
                statistics.median(dict(each)[name] for each in paints)
            )
        found["list there ms, median of 5"] = round(statistics.median(ready))
        times, rows = page.evaluate(SCROLL)
        found["scrolling ms a frame, median"] = round(statistics.median(times), 1)
        found["scrolling ms a frame, 99 %"] = round(sorted(times)[int(0.99 * len(times))], 1)
        found["rows in the page"] = rows
        found["first key of a search ms"] = round(page.evaluate(KEY, "effusion"))
        found["later keys ms, longest of 6"] = round(
            max(page.evaluate(KEY, "left pleural"[:n]) for n in range(7, 13))
        )
        found["heap MB"] = round(page.evaluate("performance.memory.usedJSHeapSize") / 1e6)
        browser.close()
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
