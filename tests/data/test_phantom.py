"""The phantom: seeded films whose findings can be seen and whose reports say what they say."""

import hashlib
import json
import re
import threading
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer import Typer
from typer.testing import CliRunner

from orapo.cli.data import add_to
from orapo.data.manifest import read_manifest
from orapo.data.phantom import (
    DIFFICULTIES,
    PHANTOM_VERSION,
    PREVALENCE,
    Difficulty,
    DrawnFinding,
    PhantomConfig,
    contact_sheet,
    draw_study,
    write_phantom,
)
from orapo.data.phantom.anatomy import sample_anatomy
from orapo.data.phantom.film import render
from orapo.data.phantom.findings import place_findings, sample_findings
from orapo.data.phantom.reports import write_report
from orapo.errors import OrapoError
from orapo.labels import LABELS, NO_FINDING, SUPPORT_DEVICES

EASY = PhantomConfig()
STUDIES = 3000


def reports(count: int, config: PhantomConfig, seed: int = 0):
    """Findings and reports as `draw_study` has them, without the cost of the films."""
    for index in range(count):
        for_findings, for_report, _ = np.random.default_rng([seed, index]).spawn(3)
        drawn = sample_findings(for_findings, config.uncertain_share)
        yield drawn, write_report(for_report, drawn, config)


@pytest.fixture(scope="module")
def easy_reports():
    return list(reports(STUDIES, EASY))


# --- what a report says ------------------------------------------------------------------------


@pytest.mark.parametrize("level", list(DIFFICULTIES))
def test_facts_reads_from_each_report_exactly_its_labels(level):
    from orapo.facts import label_report, reference_labels

    wrong = Counter()
    examples = []
    count = STUDIES if level == "easy" else STUDIES // 3
    for _, report in reports(count, PhantomConfig(difficulty=DIFFICULTIES[level])):
        for text in {report.findings, f"{report.findings} {report.impression}".strip()}:
            read = reference_labels(label_report(text))
            for label in LABELS:
                if read[label] != report.labels[label]:
                    wrong[label, report.labels[label], read[label]] += 1
                    examples.append(f"{label}: {text}")
    assert not wrong, f"{wrong}\n" + "\n".join(examples[:5])


def test_positive_and_uncertain_labels_are_the_drawn_findings(easy_reports):
    for drawn, report in easy_reports:
        stated = {
            label: value
            for label, value in report.labels.items()
            if value in (1, -1) and label != NO_FINDING
        }
        assert stated == {one.label: -1 if one.uncertain else 1 for one in drawn}


def test_no_finding_is_positive_only_where_nothing_else_is_wrong(easy_reports):
    for drawn, report in easy_reports:
        normal = {one.label for one in drawn} <= {SUPPORT_DEVICES}
        spine = "degenerative" in report.findings
        found = any(
            value == 1
            for name, value in report.labels.items()
            if name != SUPPORT_DEVICES and name != NO_FINDING
        )
        # a reference that is blank there would ask for "normal", which this report is not
        assert report.labels[NO_FINDING] == (
            1 if normal and not spine else 0 if spine and not found else None
        )


def test_label_noise_makes_reports_err_by_one_finding_at_the_asked_rate():
    config = PhantomConfig(difficulty=Difficulty(label_noise=0.2))
    differing = 0
    for drawn, report in reports(2000, config):
        truth = {one.label for one in drawn}
        stated = {label for label, value in report.labels.items() if value in (1, -1)} - {
            NO_FINDING
        }
        assert len(truth ^ stated) <= 1
        differing += truth != stated
    assert differing / 2000 == pytest.approx(0.2, abs=0.03)


def test_style_share_is_the_chance_of_each_kind_of_style_sentence():
    def share(style: float) -> float:
        config = PhantomConfig(difficulty=Difficulty(style_share=style))
        texts = [report.findings for _, report in reports(600, config)]
        return sum(bool(re.search("No prior", text)) for text in texts) / len(texts)

    assert share(0) == 0
    assert share(0.3) == pytest.approx(0.3, abs=0.06)
    assert share(1) > 0.9


@pytest.mark.parametrize(
    ("level", "median", "usual"), [("easy", (20, 30), (10, 40)), ("medium", (30, 50), (25, 55))]
)
def test_the_level_says_how_long_reports_are(level, median, usual):
    config = PhantomConfig(difficulty=DIFFICULTIES[level])
    lengths = [len(f"{r.findings} {r.impression}".split()) for _, r in reports(600, config)]
    assert median[0] <= np.median(lengths) <= median[1]
    assert np.mean([usual[0] <= length <= usual[1] for length in lengths]) > 0.97


def test_reports_are_varied_and_of_few_words(easy_reports):
    texts = [f"{report.findings} {report.impression}".strip() for _, report in easy_reports]
    words = {word for text in texts for word in re.sub(r"[.,]", "", text.lower()).split()}
    assert len(words) < 300
    assert all(re.fullmatch(r"[a-z]+", word) for word in words), "no digits, hyphens or slots"
    assert len(set(texts)) > 0.98 * STUDIES
    for drawn in PREVALENCE:
        told = {text for (one, _), text in zip(easy_reports, texts, strict=True) if drawn in
                {finding.label for finding in one}}  # fmt: skip
        assert len(told) > 50


def test_reports_never_compare_with_a_film_that_does_not_exist(easy_reports):
    for _, report in easy_reports:
        assert not re.search(
            "stable|unchanged|interval|again|increased|decreased|improved|worse|new ",
            report.findings,
            re.IGNORECASE,
        )


def test_side_place_and_severity_stand_in_the_report():
    drawn = (
        DrawnFinding("Pleural Effusion", "right", None, "large"),
        DrawnFinding("Consolidation", "left", "upper lobe"),
    )
    report = write_report(np.random.default_rng(5), drawn, EASY)
    assert re.search(r"[Ll]arge (right pleural effusion|pleural effusion on the right)",
                     report.findings)  # fmt: skip
    assert "left upper lobe" in report.findings


# --- which findings there are ------------------------------------------------------------------


def test_prevalence_is_the_stated_one_with_two_rare_labels():
    drawn = [sample_findings(np.random.default_rng([1, i]), 0.08) for i in range(6000)]
    for label, share in PREVALENCE.items():
        seen = np.mean([label in {one.label for one in findings} for findings in drawn])
        assert seen == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / 6000))
    assert sum(share <= 0.04 for share in PREVALENCE.values()) == 2
    normal = np.mean([{one.label for one in findings} <= {SUPPORT_DEVICES} for findings in drawn])
    assert 0.25 <= normal <= 0.32
    unsure = [one.uncertain for each in drawn for one in each if one.label != SUPPORT_DEVICES]
    assert np.mean(unsure) == pytest.approx(0.08, abs=0.015)


# --- what a film shows -------------------------------------------------------------------------


def film(labels: list[str], index: int, contrast: float = 1.0, uncertain: float = 0.0):
    """A film with the given findings and the same film without them."""
    finding_rng = np.random.default_rng([2, index])
    findings = place_findings(finding_rng, labels, uncertain)
    patient = sample_anatomy(np.random.default_rng([3, index]))
    with_it, without = (
        np.asarray(
            render(patient, shown, 64, contrast, np.random.default_rng([4, index])), dtype=float
        )
        for shown in (findings, ())
    )
    return findings, with_it, without


def test_films_are_grey_seeded_and_do_not_depend_on_how_many_are_drawn():
    first = draw_study(7, 5, EASY)
    for index in (4, 9):
        draw_study(7, index, EASY)
    again = draw_study(7, 5, EASY)
    assert first.image.mode == "L"
    assert first.image.size == (64, 64)
    assert first.image.tobytes() == again.image.tobytes()
    assert (first.study, first.drawn) == (again.study, again.drawn)
    assert draw_study(8, 5, EASY).image.tobytes() != first.image.tobytes()
    assert draw_study(7, 6, EASY).study.report != first.study.report


def test_size_and_contrast_change_the_film_and_nothing_else():
    base = draw_study(0, 3, EASY)
    large = draw_study(0, 3, replace(EASY, size=128))
    faint = draw_study(0, 3, replace(EASY, difficulty=replace(EASY.difficulty, contrast=0.3)))
    assert large.study == base.study == faint.study
    assert large.drawn == base.drawn == faint.drawn
    reduced = np.asarray(large.image.reduce(2), dtype=float)
    assert np.abs(reduced - np.asarray(base.image, dtype=float)).mean() < 8


def test_lungs_are_darker_than_heart_and_abdomen():
    for index in range(20):
        _, _, normal = film([], index)
        lung = normal[22:34, 12:20].mean()
        assert lung + 50 < normal[34:42, 33:40].mean(), "heart"
        assert lung + 50 < normal[58:63, 16:48].mean(), "abdomen"


@pytest.mark.parametrize("label", list(PREVALENCE))
def test_each_finding_changes_the_film_and_less_so_at_lower_contrast(label):
    change = {contrast: np.zeros((64, 64)) for contrast in (1.0, 0.25, 0.0)}
    for index in range(12):
        for contrast, total in change.items():
            _, with_it, without = film([label], index, contrast)
            total += np.abs(with_it - without)
            if contrast == 1.0:
                assert np.sort(np.abs(with_it - without).ravel())[-12:].mean() > 20, "visible"
    assert not change[0.0].any()
    assert 0 < change[0.25].sum() < 0.6 * change[1.0].sum()


@pytest.mark.parametrize("label", ["Pleural Effusion", "Pneumothorax", "Lung Opacity", "Fracture"])
def test_a_finding_is_drawn_on_the_side_it_is_said_to_be(label):
    for index in range(24):
        (finding,), with_it, without = film([label], index)
        change = np.abs(with_it - without)
        # The patient's right is on the left of the film.
        right, left = change[:, :30].sum(), change[:, 34:].sum()
        if finding.side == "right":
            assert right > left
        elif finding.side == "left":
            assert left > right


def test_severity_changes_the_drawing():
    def fluid(severity: str) -> float:
        patient = sample_anatomy(np.random.default_rng(0))
        shown = (DrawnFinding("Pleural Effusion", "right", None, severity),)
        return np.asarray(render(patient, shown, 64, 1.0, np.random.default_rng(1))).mean()

    assert fluid("small") + 1 < fluid("moderate")
    assert fluid("moderate") + 1 < fluid("large")


def test_an_uncertain_finding_is_fainter():
    patient = sample_anatomy(np.random.default_rng(0))
    sure = DrawnFinding("Lung Lesion", "right", "mid lung", "large")
    peaks = [
        np.asarray(render(patient, (one,), 64, 1.0, np.random.default_rng(1)), dtype=float)[
            26:38, 12:22
        ].max()
        for one in (sure, replace(sure, uncertain=True))
    ]
    assert peaks[1] + 15 < peaks[0]


# --- the folder --------------------------------------------------------------------------------

COUNTS = {"train": 22, "validate": 3, "test": 4}


def test_the_folder_holds_films_manifest_and_truth(tmp_path):
    path = write_phantom(tmp_path / "data", COUNTS, 0, EASY)
    studies = read_manifest(path)
    assert Counter(study.split for study in studies) == COUNTS
    expected = draw_study(0, 17, EASY)
    study = studies[17]
    assert study.study_id == "phantom-000017"
    assert (study.report, study.labels) == (expected.study.report, expected.study.labels)
    assert study.images[0].read_bytes()[1:4] == b"PNG"
    truth = [json.loads(line) for line in (path.parent / "drawn.jsonl").read_text().splitlines()]
    assert [one["study_id"] for one in truth] == [study.study_id for study in studies]
    assert [one["label"] for one in truth[17]["drawn"]] == [one.label for one in expected.drawn]
    assert not [name.name for name in path.parent.iterdir() if "part" in name.name]


def test_a_few_patients_have_two_studies_and_none_stands_in_two_splits(tmp_path):
    studies = read_manifest(write_phantom(tmp_path, COUNTS, 0, EASY))
    patients = Counter(study.patient_id for study in studies)
    assert max(patients.values()) == 2
    assert 0 < sum(count == 2 for count in patients.values()) < 0.25 * len(patients)
    for patient in patients:
        assert len({study.split for study in studies if study.patient_id == patient}) == 1


def test_held_out_studies_do_not_change_with_the_number_of_training_studies(tmp_path):
    small, large = (
        read_manifest(write_phantom(tmp_path / str(train), {"train": train, "test": 3}, 0, EASY))
        for train in (2, 9)
    )
    assert [study.report for study in small[-3:]] == [study.report for study in large[-3:]]
    assert [study.images[0].read_bytes() for study in small[-3:]] == [
        study.images[0].read_bytes() for study in large[-3:]
    ]


def test_a_complete_phantom_is_not_drawn_again_and_a_damaged_one_is(tmp_path):
    calls: list[tuple[int, int]] = []

    def run(seed: int = 0) -> None:
        calls.clear()
        write_phantom(
            tmp_path,
            {"train": 4},
            seed,
            EASY,
            lambda *done: calls.append(done),
            overwrite=True,
        )

    run()
    assert calls == [(1, 4), (2, 4), (3, 4), (4, 4)]
    run()
    assert calls == [(4, 4)]
    (tmp_path / "images" / "phantom-000002.png").unlink()
    run()
    assert len(calls) == 4
    run(seed=1)
    assert len(calls) == 4
    assert len(list((tmp_path / "images").iterdir())) == 4


def test_an_interrupted_phantom_leaves_the_older_one_whole(tmp_path):
    write_phantom(tmp_path, {"train": 3}, 0, EASY)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    def interrupt(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_phantom(tmp_path, {"train": 5}, 1, EASY, interrupt, overwrite=True)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_who_comes_while_it_is_drawn_waits_and_finds_it(tmp_path):
    second_draws, calls = threading.Event(), []

    def second(done: int, total: int) -> None:
        calls.append((done, total))
        second_draws.set()

    other = threading.Thread(
        target=write_phantom, args=(tmp_path, {"train": 4}, 0, EASY, second), daemon=True
    )

    def first(done: int, total: int) -> None:
        if done == 1:
            other.start()
            assert not second_draws.wait(0.2)

    write_phantom(tmp_path, {"train": 4}, 0, EASY, first)
    other.join(10)
    assert calls == [(4, 4)]  # found whole
    assert len(read_manifest(tmp_path / "manifest.jsonl")) == 4


def test_a_phantom_of_other_arguments_is_drawn_over_only_if_asked(tmp_path):
    path = write_phantom(tmp_path, {"train": 3}, 0, EASY)
    before = path.read_bytes()
    with pytest.raises(
        OrapoError, match=r"holds a phantom made with another counts, seed; .*--force"
    ):
        write_phantom(tmp_path, {"train": 5}, 1, EASY)
    assert path.read_bytes() == before
    write_phantom(tmp_path, {"train": 5}, 1, EASY, overwrite=True)
    assert len(read_manifest(path)) == 5


def test_a_folder_with_another_data_set_is_left_alone(tmp_path):
    (tmp_path / "manifest.jsonl").write_text('{"study_id": "mine"}\n')
    with pytest.raises(OrapoError, match="holds another data set"):
        write_phantom(tmp_path, {"train": 1}, 0, EASY)
    assert (tmp_path / "manifest.jsonl").read_text() == '{"study_id": "mine"}\n'


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({"valid": 3}, "unknown split valid"),
        ({"train": -1}, "0 to 500000 studies, not -1"),
        ({"train": 0}, "at least one study"),
    ],
)
def test_impossible_counts_are_refused(tmp_path, counts, message):
    with pytest.raises(OrapoError, match=message):
        write_phantom(tmp_path / "data", counts, 0, EASY)
    assert not (tmp_path / "data").exists()


def test_settings_out_of_range_are_refused():
    with pytest.raises(OrapoError, match="between 32 and 1024 pixels, not 8"):
        PhantomConfig(size=8)
    with pytest.raises(OrapoError, match="label_noise must lie between 0 and 1"):
        Difficulty(label_noise=2)


def test_the_contact_sheet_shows_each_film_with_its_findings_below():
    studies = [draw_study(0, index, replace(EASY, size=192)) for index in range(5)]
    sheet = contact_sheet(studies, 3)
    assert sheet.width > 3 * 192
    assert sheet.height > 2 * 192
    pixels = np.asarray(sheet)
    film = np.asarray(studies[0].image)
    assert (pixels[6:198, 6:198] == film).all()
    assert (pixels[198 : 198 + 20, 6:198] < 128).any(), "a caption"


# --- the command -------------------------------------------------------------------------------


@pytest.fixture
def command():
    app = Typer()
    add_to(app)

    def run(*arguments: object):
        return CliRunner().invoke(app, ["data", "phantom", *map(str, arguments)])

    return run


def test_the_command_writes_a_phantom_and_prints_its_profile(tmp_path, command):
    sheet, precious = tmp_path / "sheet.png", tmp_path / "precious"
    precious.write_text("precious")
    sheet.symlink_to(precious)
    result = command("--out", tmp_path / "d", "--studies", 30, "--contact-sheet", sheet, "--json")
    assert result.exit_code == 0
    summary = json.loads(result.stdout)
    assert summary["studies"] == {"train": 24, "validate": 3, "test": 3}
    studies = read_manifest(Path(summary["manifest"]))
    positive = sum(s.labels["Pleural Effusion"] in (1, -1) for s in studies if s.split == "train")
    assert summary["positive_or_uncertain"]["Pleural Effusion"]["train"] == positive
    assert sheet.stat().st_size > 10_000
    assert precious.read_text() == "precious"


def test_the_command_takes_the_size_of_each_split_or_the_whole_but_not_both(tmp_path, command):
    result = command("--out", tmp_path / "d", "--train", 3, "--test", 2, "--json")
    assert json.loads(result.stdout)["studies"] == {"train": 3, "test": 2}
    result = command("--out", tmp_path / "e", "--train", 3, "--studies", 2)
    assert isinstance(result.exception, OrapoError)
    assert not (tmp_path / "e").exists()


def test_a_change_of_what_a_seed_draws_comes_with_a_new_version():
    """Cached bases and finished trainings are told apart by it: raise it, then pin anew here."""
    studies = [draw_study(0, index, PhantomConfig()) for index in range(40)]
    texts = "\n".join(study.study.report for study in studies)
    films = [round(float(np.asarray(study.image).mean())) for study in studies[:8]]
    labels = json.dumps([list(study.study.labels.values()) for study in studies])
    assert PHANTOM_VERSION == 3
    assert hashlib.sha256(labels.encode()).hexdigest()[:16] == "a272fbb19549f05a"
    assert hashlib.sha256(texts.encode()).hexdigest()[:16] == "839a79cf41083e1a"
    assert films == pytest.approx([131, 124, 132, 134, 136, 138, 116, 155], abs=1)
