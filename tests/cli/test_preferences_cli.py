"""`orapo preferences` from the command line to its files."""

import csv
import json
import random
import signal

import pytest

from orapo import cli
from orapo.data.manifest import write_manifest
from orapo.data.study import Study
from orapo.data.tables.reading import read_rows
from orapo.preferences import read_preferences

FINDINGS = ("Edema", "Pleural Effusion", "Cardiomegaly", "Pneumothorax", "Consolidation")
STUDIES = 30


@pytest.fixture
def data(tmp_path):
    """Thirty test studies, and reports of two systems: `a` is mostly right, `b` mostly not."""
    draw = random.Random(0)
    studies, reports = [], {"a": {}, "b": {}}
    for number in range(STUDIES):
        name = f"s{number}"
        there = [one for one in FINDINGS if draw.random() < 0.5] or ["Edema"]
        report = ". ".join(there) + "."
        studies.append(
            Study(
                study_id=name,
                patient_id=f"patient{number // 2}",
                report=f"INDICATION: Cough. FINDINGS: {report}",
                findings=report,
                labels=dict.fromkeys(there, 1),
                split="test",
                images=(tmp_path / f"{name}.png",),
            )
        )
        reports["a"][name] = f"There is {there[0].lower()}."
        reports["b"][name] = f"=Possible {draw.choice(FINDINGS).lower()}, film {number}."
    write_manifest(tmp_path / "manifest.jsonl", studies)
    for system, each in reports.items():
        lines = [json.dumps({"study_id": name, "report": text}) for name, text in each.items()]
        (tmp_path / f"{system}.jsonl").write_text("\n".join(lines) + "\n")
    return tmp_path


@pytest.fixture
def orapo(monkeypatch, capsys, data):
    """Run `orapo preferences ...` in the data's folder: exit code, stdout, stderr."""
    handler = signal.getsignal(signal.SIGTERM)
    monkeypatch.chdir(data)
    monkeypatch.setenv("COLUMNS", "80")

    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["orapo", "preferences", *arguments])
        with pytest.raises(SystemExit) as exit_:
            cli.main()
        return exit_.value.code, *capsys.readouterr()

    yield run
    signal.signal(signal.SIGTERM, handler)


MAKE = ("make", "--systems", "a=a.jsonl", "b=b.jsonl", "--references", "manifest.jsonl")


@pytest.fixture
def sheet(orapo, data):
    code, _, said = orapo(*MAKE, "--with-radiologist", "--pairs", "60", "--out", "sheet")
    assert code == 0, said
    return data / "sheet"


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def judge(sheet, rater, choose, path):
    """Append a rater's judgements as the web page does."""
    with path.open("a") as file:
        for number, pair in enumerate(lines(sheet / "sheet.jsonl")):
            record = {
                "pair": pair["pair"],
                "rater": rater,
                "choice": choose(pair),
                "reason": "",
                "seconds": 8.0 + number % 3,
                "judged_at": f"2026-11-25T10:{number // 60:02}:{number % 60:02}+00:00",
            }
            file.write(json.dumps(record) + "\n")


def longer(pair):
    left, right = len(pair["left"]), len(pair["right"])
    return "tie" if left == right else "left" if left > right else "right"


@pytest.fixture
def judgements(sheet, data):
    draw = random.Random(1)
    path = data / "judgements.jsonl"
    judge(sheet, "dr_long", longer, path)
    judge(sheet, "dr_long_too", longer, path)
    judge(sheet, "dr_dice", lambda _: draw.choice(["left", "right", "tie"]), path)
    return path


def test_make_says_what_goes_to_raters_and_what_does_not(orapo, data):
    code, out, _ = orapo(*MAKE, "--out", "sheet")
    assert code == 0
    assert "For raters: sheet/sheet.jsonl" in out
    assert "Not for raters: sheet/key.jsonl" in out
    assert "Fewer than the 300 asked for" in out
    assert max(map(len, out.splitlines())) <= 80
    pairs = lines(data / "sheet/sheet.jsonl")
    assert len(pairs) == STUDIES + 3
    assert pairs[0]["images"] == [str(data / f"{pairs[0]['study_id']}.png")]
    summary = json.loads((data / "sheet/make.json").read_text())
    assert summary["systems"] == {"a": STUDIES, "b": STUDIES}


def test_the_radiologist_s_text_is_without_headings(orapo, sheet):
    sources = {}
    for pair, key in zip(lines(sheet / "sheet.jsonl"), lines(sheet / "key.jsonl"), strict=True):
        sources.setdefault(key["left_source"], []).append(pair["left"])
    assert not any("FINDINGS" in text for text in sources["radiologist"])


def test_no_cell_of_the_sheet_is_a_formula(sheet):
    rows = list(csv.DictReader((sheet / "sheet.csv").open()))
    assert all(not text.startswith(("=", "+", "-", "@")) for row in rows for text in row.values())
    assert any(row["left"].startswith("'=Possible") for row in rows)
    assert list(rows[0])[-4:] == ["rater", "choice", "reason", "seconds"]


def test_a_sheet_that_may_have_been_judged_is_not_replaced(orapo, sheet):
    before = (sheet / "sheet.jsonl").read_bytes()
    code, _, said = orapo(*MAKE, "--out", "sheet")
    assert code == 2
    assert "there is a sheet already" in said
    assert (sheet / "sheet.jsonl").read_bytes() == before


def test_judgements_become_preferences(orapo, sheet, judgements):
    code, out, _ = orapo("convert", "sheet", "--judgements", "judgements.jsonl")
    assert code == 0
    found = read_preferences(sheet / "preferences.jsonl")
    assert len(found) == 3 * len(lines(sheet / "sheet.jsonl"))
    keys = {one["pair"]: one for one in lines(sheet / "key.jsonl")}
    for one in found:
        assert one.left_source == keys[one.pair]["left_source"]
        assert one.patient_id == f"patient{int(one.study_id[1:]) // 2}"
        assert one.repeats == keys[one.pair]["repeats"]
    assert f"preferences {len(found)}" in out.replace("\n", " ")


def test_a_rater_can_be_left_out(orapo, sheet, judgements):
    arguments = ("convert", "sheet", "--judgements", "judgements.jsonl", "--json")
    code, out, _ = orapo(*arguments, "--without-rater", "dr_dice", "--out", "p.jsonl")
    assert code == 0
    assert json.loads(out)["raters"] == 2
    code, _, said = orapo(*arguments, "--without-rater", "nobody")
    assert code == 2
    assert "the raters are dr_dice, dr_long, dr_long_too" in said


def test_a_sheet_filled_by_hand_gives_the_same(orapo, sheet, data):
    rows = list(csv.DictReader((sheet / "sheet.csv").open()))
    for row in rows:
        row |= {"choice": longer(row), "seconds": "9"}
    with (data / "dr_hand.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    code, _, _ = orapo("convert", "sheet", "--judgements", "dr_hand.csv")
    assert code == 0
    assert {one.rater for one in read_preferences(sheet / "preferences.jsonl")} == {"dr_hand"}


def test_check_writes_figures_page_and_plots(orapo, sheet, judgements, data):
    code, out, _ = orapo("check", "sheet", "--judgements", "judgements.jsonl", "--out", "checked")
    assert code == 0
    assert {one.name for one in (data / "checked").iterdir()} == {
        *("check.json", "check.html", "raters.png", "kappa.png", "drift.png", "systems.png")
    }
    check = json.loads((data / "checked/check.json").read_text())
    assert check["raters"]["dr_long"]["self_agreement"]["value"] == 1
    both = next(one for one in check["kappa"] if one["raters"] == ["dr_long", "dr_long_too"])
    assert both["kappa"]["value"] == 1
    assert check["flagged"] == ["dr_dice"]
    tables = [line for line in out.splitlines() if not line.startswith(("dr_", "Written"))]
    assert max(map(len, tables)) <= 80
    assert "dr_dice is flagged, careless" in out


def test_check_as_json_is_what_it_writes(orapo, sheet, judgements):
    code, out, _ = orapo("check", "sheet", "--judgements", "judgements.jsonl", "--json")
    assert code == 0
    assert json.loads(out) == json.loads((sheet / "check.json").read_text())


def test_check_is_the_same_for_the_same_seed(orapo, sheet, judgements):
    arguments = ("check", "sheet", "--judgements", "judgements.jsonl")
    orapo(*arguments)
    first = {one.name: one.read_bytes() for one in sheet.iterdir()}
    orapo(*arguments)
    assert {one.name: one.read_bytes() for one in sheet.iterdir()} == first


def test_without_nltk_alpha_is_absent_and_said(orapo, sheet, judgements, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "nltk.metrics.agreement", None)
    code, out, _ = orapo("check", "sheet", "--judgements", "judgements.jsonl")
    assert code == 0
    assert "Krippendorff's alpha needs the extra [preferences]" in out
    assert json.loads((sheet / "check.json").read_text())["alpha"]["value"] is None


def test_every_bad_row_is_listed(orapo, sheet, data):
    (data / "bad.jsonl").write_text(
        '{"pair": "p0001", "rater": "r", "choice": "both"}\n'
        '{"pair": "p9999", "rater": "r", "choice": "tie"}\n'
    )
    for command in ("check", "convert"):
        code, _, said = orapo(command, "sheet", "--judgements", "bad.jsonl")
        assert code == 2
        assert "bad.jsonl, line 1: choice must be" in said
        assert "bad.jsonl, line 2: pair 'p9999' is not in the sheet" in said
    assert not (sheet / "preferences.jsonl").exists()


def test_graded_reports_become_preferences(orapo, data):
    rows = ["study_id,candidate,rater,significant,insignificant,report"]
    rows += [
        f"s{n},{name},r,{errors},0,{name} of {n}."
        for n in range(3)
        for errors, name in enumerate("ab")
    ]
    (data / "graded.csv").write_text("\n".join(rows) + "\n")
    code, _, said = orapo(
        "convert", "--graded", "graded.csv", "--manifest", "manifest.jsonl", "--out", "g.jsonl"
    )
    assert code == 0, said
    found = read_preferences(data / "g.jsonl")
    assert {one.left_source if one.choice == "left" else one.right_source for one in found} == {"a"}
    assert found[0].images == (data / "s0.png",)
    assert [one.patient_id for one in found] == ["patient0", "patient0", "patient1"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("make", "--references", "manifest.jsonl", "--out", "x"), "give the reports of a system"),
        ((*MAKE[:2], "a", *MAKE[4:], "--out", "x"), "expected NAME=FILE, not 'a'"),
        ((*MAKE[:3], "a=b.jsonl", *MAKE[4:], "--out", "x"), "the name a is given twice"),
        ((*MAKE[:3], *MAKE[4:], "--out", "x"), "no study has two different reports"),
        ((*MAKE, "--out", "a.jsonl"), "a.jsonl: expected a folder"),
        ((*MAKE, "--split", "train", "--out", "x"), "no study of the split 'train'"),
        ((*MAKE, "--second", "rouge", "--out", "x"), "--second must be bleu or cosine"),
        (("make", "--systems", "a=no.jsonl", *MAKE[4:], "--out", "x"), "no.jsonl: no such file"),
        (("check", "nowhere", "--judgements", "a.jsonl"), "nowhere: no such folder"),
        (("check", "."), "give the judgements"),
        (("convert",), "give either DIR with --judgements or --graded"),
        (("convert", "--graded", "a.jsonl"), "lacks a column candidate"),
    ],
)  # fmt: skip
def test_wrong_use_is_a_sentence(orapo, data, arguments, said):
    code, _, error = orapo(*arguments)
    assert code == 2
    assert said in error
    assert "Traceback" not in error
    assert not (data / "x").exists()


def test_rollouts_of_one_system_are_paired(orapo, data):
    rows = list(read_rows(data / "a.jsonl"))
    (data / "many.jsonl").write_text(
        "".join(
            json.dumps({**row.values, "sample_reports": [row.values["report"], "No edema."]}) + "\n"
            for row in rows
        )
    )
    arguments = ("make", "--systems", "m=many.jsonl", "--references", "manifest.jsonl")
    code, _, said = orapo(*arguments, "--out", "rollouts", "--second", "cosine")
    assert code == 0, said
    keys = lines(data / "rollouts/key.jsonl")
    assert {(key["left_source"], key["right_source"]) for key in keys} == {("m", "m")}
