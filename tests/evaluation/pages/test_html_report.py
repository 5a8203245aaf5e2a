"""The HTML report: one safe, self-contained page that says what the figures say."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from orapo.errors import OrapoError
from orapo.evaluation import clinical_scores, trivial_scores
from orapo.evaluation.pages import page_films
from orapo.evaluation.pages.report import final_share, write_report
from orapo.evaluation.pages.shown_studies import ShownStudy
from orapo.evaluation.plots.results import per_label_bars

REFERENCE = [{"Edema": 1}, {"Pleural Effusion": 1}, {"No Finding": 1}]
VOID = {"meta", "img", "br", "link", "input"}
SVG_VOID = {"path", "use", "rect"}


class Page(HTMLParser):
    """A page as its tags, the text under each tag and class, and the rows of its tables."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.open, self.balanced = [], [], True
        self.texts, self.rows, self.data = [], [], {}
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        self.balanced &= bool(self.open) and self.open.pop()[0] == tag

    def handle_data(self, data):
        stack = [tag for tag, _ in self.open]
        if stack[-1:] == ["script"]:
            self.data[self.open[-1][1].get("id", "script")] = data
        elif "style" not in stack:
            self.texts.append((data, dict(self.open[-1:]).get("mark", {}).get("class")))
        if self.rows and ("td" in stack or "th" in stack):
            self.rows[-1][-1] += data

    def all(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]

    def row(self, title):
        return next(row for row in self.rows if row[0] == title)

    @property
    def studies(self):
        """What the page's list has of its studies."""
        return [json.loads(line) for line in self.data["data-studies"].splitlines()]

    @property
    def text(self):
        return " ".join(data for data, _ in self.texts)


@pytest.fixture
def metrics():
    model = [{"Edema": 1}, {"Edema": 1}, {"No Finding": 1}]
    rows = {"orapo": clinical_scores(model, REFERENCE).as_dict()}
    rows["orapo"] |= {
        "zero_reward_share": {str(step): 0.8 - step / 100 for step in range(1, 51)},
        "rollouts": 12_800,
        "seconds": 94.6,
    }
    rows |= {name: row.as_dict() for name, row in trivial_scores(REFERENCE).items()}
    return rows | {"seed": 7, "versions": {"orapo": "0.1.0"}, "command": "orapo demo --seed 7"}


@pytest.fixture
def plot(tmp_path):
    per_label_bars({"orapo": {"Edema": {"f1": 0.5, "support": 2}}}, tmp_path / "plot.svg")
    return tmp_path / "plot.svg"


def study(text, reference="There is edema. No effusion.", image=None):
    return ShownStudy("s1", image, reference, {"Edema": 1}, {"orapo": text})


@pytest.fixture
def write(tmp_path, metrics, plot):
    def write(examples=(), metrics=metrics, **options):
        path = tmp_path / "report.html"
        write_report(path, metrics, {"A plot": plot}, examples, ["A note."], **options)
        return path.read_text(encoding="utf-8")

    return write


def test_the_page_needs_nothing_beside_it(write, tmp_path):
    html = write([study("Edema.", image=Image.new("L", (64, 64)))])
    page = Page(html)
    assert len(page.all("svg")) == 1  # the plot
    assert page.data["data-films"].startswith('"data:image/jpeg;base64,')
    assert all(a["href"].startswith("#") for a in page.all("a"))
    assert not page.all("link") + page.all("iframe") + page.all("img")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["plot.svg", "report.html"]
    (script,) = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}';" in html  # the page's own, and no other
    assert not re.search(r"https?:|url\((?!#plot0-)|@import", html)
    assert "default-src 'none'; img-src data:;" in html


def test_the_page_is_well_formed_and_accessible(write):
    page = Page(write([study("Edema.", image=Image.new("L", (64, 64)))]))
    assert page.balanced
    assert not page.open
    assert page.all("html")[0]["lang"] == "en"
    assert all(a.get("role") == "img" and a["aria-label"] for a in page.all("svg"))
    assert all(a.get("scope") in ("row", "col") for a in page.all("th"))
    places = {a["id"] for _, a in page.tags if "id" in a}
    links = {a["href"][1:] for a in page.all("a")}
    assert {link for link in links if "=" not in link} <= places
    assert {link for link in links if "=" in link} == {"label=Edema"}  # studies with that label
    assert "For research only." in page.text


def test_two_plots_of_a_page_share_no_ids(write, plot, tmp_path, metrics):
    write_report(tmp_path / "two.html", metrics, {"One": plot, "Other": plot}, [])
    page = Page((tmp_path / "two.html").read_text())
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids)) > 20
    used = re.findall(r"url\(#([^)]*)\)|href=\"#(plot[^\"]*)", (tmp_path / "two.html").read_text())
    assert used
    assert {one or other for one, other in used} <= set(ids)


def test_the_headline_shows_the_figures_and_the_trivial_rows(write, metrics):
    page = Page(write())
    # Edema: P 1/2, R 1; Effusion: 0; No Finding: 1
    assert page.row("OraPO") == [
        "OraPO", "0.556", "0.500", "0.667", "0.667", "0.119", "32 %", "12,800", "95"
    ]  # fmt: skip
    assert page.row("All positive")[1] == f"{metrics['all_positive']['macro_f1']:.3f}"
    assert page.row("All positive")[-3:] == ["–"] * 3
    assert "+0.056 against the best trivial baseline (All positive, 0.500)" in page.text


def test_the_table_of_labels_tells_no_support_from_a_zero(write):
    page = Page(write())
    assert page.row("Edema")[:3] == ["Edema", "1", "0.670.50 / 1.00"]
    assert page.row("Pleural Effusion")[:3] == ["Pleural Effusion", "1", "0.00– / 0.00"]
    assert page.row("Fracture") == [
        *("Fracture", "0", "–no positive reference"),
        "–no positive reference; 3 called",
    ]


def test_an_opening_sentence_comes_first_and_intervals_stand_where_they_are_known(write, metrics):
    metrics["orapo"]["macro_f1_interval"] = [0.123, 0.456]
    page = Page(write(opening="It learned edema.", metrics=metrics))
    assert page.text.index("It learned edema.") < page.text.index("Headline")
    assert "0.123 to 0.456" in page.row("OraPO")[1]
    assert " to " not in page.row("All positive")[1]
    assert "0.123 to 0.456" in page.text[: page.text.index("Headline")]


def test_settings_and_notes_are_shown(write):
    text = Page(write()).text
    for shown in ("orapo demo --seed 7", "orapo 0.1.0", "A note.", "counts as negative"):
        assert shown in text


def test_report_text_cannot_become_markup(write):
    hostile = "<script>alert(1)</script> Edema \"'><img src=x onerror=alert(1)> {{ 7*7 }} </script>"
    shown = ShownStudy(
        hostile, None, hostile, {"Edema": 1}, {hostile: hostile, "<!-- <script>": ""}
    )
    page = Page(write([shown]))
    assert len(page.all("script")) == 1 + 3  # the page's own, and its data
    assert not page.all("img")
    assert page.balanced
    (there,) = page.studies
    assert (there["study_id"], there["reference"]) == (hostile, hostile)
    assert [one["system"] for one in there["reports"]] == [hostile, "<!-- <script>"]


def test_every_study_is_there_and_the_json_holds_what_the_page_shows(write, tmp_path, metrics):
    shown = [
        ShownStudy(f"s{n}", None, "Edema.", {"Edema": 1}, {"orapo": f"Edema {n} cm."})
        for n in range(300)
    ]
    film = Image.new("L", (64, 64))
    shown.append(ShownStudy("last", film, "Edema.", {"Edema": 1}, {"orapo": ""}))
    page = Page(write(shown, data=tmp_path / "report.json", warnings=["Beware."]))
    held = json.loads((tmp_path / "report.json").read_text())
    assert [one["study_id"] for one in page.studies] == [f"s{n}" for n in range(300)] + ["last"]
    films = [json.loads(line) for line in page.data["data-films"].splitlines()]
    assert [{**one, "film": film} for one, film in zip(page.studies, films, strict=True)] == held[
        "studies"
    ]
    assert (held["warnings"], held["notes"]) == (["Beware."], ["A note."])
    assert held["metrics"] == metrics
    index = json.loads(page.data["data-index"])
    assert [one[0] for one in index["studies"]] == [one["study_id"] for one in page.studies]


def test_the_filter_offers_the_labels_that_something_happened_to(write):
    page = Page(write([study("There is edema. Left pneumothorax.")], metrics={}))
    options = [a.get("value") for a in page.all("option")]
    texts = [text for text, _ in page.texts]
    assert options.count(None) == 2  # labels
    assert [value for value in options if value and value.startswith("fact:")] == [
        *("fact:any", "fact:hidden"),
        "fact:false finding",  # the kind that occurs
    ]
    assert texts.count("Pneumothorax") == texts.count("Edema") == 1


def test_every_verdict_on_the_page_has_a_style(write):
    html = write([study("Edema.")])
    style = html[html.index("<style>") : html.index("</style>")]
    classes = {a["class"] for a in Page(html).all("mark")}
    assert len(classes) == 8  # the legend shows all
    for name in classes:
        assert re.search(rf"\.{name}[ ,{{]", style), name


def test_the_style_sheet_has_one_rule_a_line_and_closes_its_braces(write):
    html = write()
    style = html[html.index("<style>") + 7 : html.index("</style>")]
    assert style.count("{") == style.count("}")
    # a line without brace, colon, comma or comment is the rest of a lost rule
    assert [s for s in style.splitlines() if s.strip() and not re.search(r"[{}:,*]", s)] == []


def test_large_films_are_made_small(write, tmp_path):
    Image.radial_gradient("L").resize((3000, 2000)).save(tmp_path / "film.png")
    assert len(write([study("Edema.", image=tmp_path / "film.png")])) < 400_000


def test_a_page_with_28_films_of_noise_stays_below_5_mb(write):
    random = np.random.default_rng(0)  # noise compresses worst
    films = [Image.fromarray(random.integers(0, 256, (900, 900), np.uint8)) for _ in range(28)]
    size = len(write([study("Edema.", image=film) for film in films]))
    assert 1_000_000 < size < 5_000_000


def test_what_is_missing_is_left_out(write):
    page = Page(write(metrics={}))
    assert not page.rows[1:]
    page = Page(write(metrics={"model": {"macro_f1": 0.5}}))
    assert page.row("Model") == ["Model", "0.500"]


def test_films_beyond_a_size_lie_beside_the_page_and_those_of_an_older_page_go(
    write, tmp_path, monkeypatch
):
    def drawn(*greys):
        return [study("Edema.", image=Image.new("L", (64, 64), grey)) for grey in greys]

    folder = tmp_path / "report_films"
    monkeypatch.setattr(page_films, "INSIDE_BYTES", 1000)
    page = Page(write(drawn(10, 90, 200, 10)))
    films = [json.loads(line) for line in page.data["data-films"].splitlines()]
    assert all((tmp_path / film).is_file() for film in films)
    assert films[0] == films[3]  # the same picture once
    assert len(list(folder.iterdir())) == 3
    Page(write(drawn(90, 91, 92)))
    assert len(list(folder.iterdir())) == 3
    monkeypatch.undo()
    assert "data:image/jpeg" in Page(write(drawn(90))).data["data-films"]
    assert not folder.exists()


@pytest.mark.parametrize("name", ["gone.png", "text.png"])
def test_a_film_that_cannot_be_read_is_said_and_the_page_is_written(write, tmp_path, name):
    (tmp_path / "text.png").write_text("no picture")
    page = Page(write([study("Edema.", image=tmp_path / name), study("Edema.")]))
    assert "Films that can't be read: 1" in page.text
    assert [one["film_unreadable"] for one in page.studies] == [True, False]


def test_a_plot_that_cannot_be_read_is_named_and_the_old_page_stays(write, tmp_path, plot):
    before = write()
    plot.write_text("no plot")
    with pytest.raises(OrapoError, match=r"plot\.svg: expected a plot"):
        write()
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == before


def test_half_a_surrogate_pair_does_not_stop_the_page(write):
    assert "Edema ?" in write([study("Edema \ud800.")])


@pytest.mark.parametrize(
    ("curve", "share"),
    [
        ([(step, float(step > 18)) for step in range(1, 21)], 1.0),
        ({"2": 0.5, "10": 0.25, "1": 0.9}, 0.25),  # steps as JSON has them
        ([(1, 0.5), (2, float("nan"))], 0.5),
        ([], None),
        (None, None),
    ],
)
def test_the_final_share_is_the_mean_of_the_last_tenth(curve, share):
    assert final_share(curve) == share
