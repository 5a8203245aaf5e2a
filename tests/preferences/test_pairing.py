"""Pairs are informative, blinded, spread over studies and balanced over sides."""

import json
from collections import Counter

import pytest

from orapo.errors import OrapoError
from orapo.evaluation.inputs import Reference
from orapo.preferences.candidates import Candidate, candidates, plain_text, read_system
from orapo.preferences.pairing import PairingOptions, make_sheet
from orapo.preferences.sheet import read_sheet_folder, write_sheet_folder


def made(studies, second="cosine", **options):
    return make_sheet(studies, {}, {}, PairingOptions(**options), second)


def of(study, *reports):
    """Candidates by (source, text, FactS, second reward)."""
    return [
        Candidate(study, source, text, {"facts": facts, "cosine": words})
        for source, text, facts, words in reports
    ]


def test_a_sheet_tells_nothing_of_the_systems(sheet, tmp_path):
    write_sheet_folder(tmp_path, sheet, {})
    for line in (tmp_path / "sheet.jsonl").read_text().splitlines():
        assert list(json.loads(line)) == ["pair", "study_id", "images", "left", "right"]
    for name in ("sheet.jsonl", "sheet.csv"):
        text = (tmp_path / name).read_text()
        assert "careful" not in text
        assert "wild" not in text
        assert "repeats" not in text


def test_the_key_has_all_that_raters_must_not_see(sheet, tmp_path):
    write_sheet_folder(tmp_path, sheet, {})
    line = json.loads((tmp_path / "key.jsonl").read_text().splitlines()[0])
    assert list(line) == [
        *("pair", "study_id", "patient_id", "left_source", "right_source", "repeats", "why"),
        *("left_scores", "right_scores"),
    ]
    assert set(line["left_scores"]) == {"facts", "cosine"}


def test_pairs_of_systems_take_turns(sheet):
    kinds = Counter(
        (key.why, key.left_source == key.right_source) for key in sheet.keys if not key.repeats
    )
    for why in ("random", "near tie"):
        assert abs(kinds[why, True] - kinds[why, False]) <= 1


def test_sheet_and_key_are_read_back(sheet, tmp_path):
    write_sheet_folder(tmp_path, sheet, {})
    pairs, keys = read_sheet_folder(tmp_path)
    assert list(pairs.values()) == sheet.pairs
    assert list(keys.values()) == sheet.keys


def test_pairs_are_named_in_the_order_of_showing(sheet):
    assert [one.pair for one in sheet.pairs] == [f"p{number:04}" for number in range(1, 331)]


def test_identical_texts_are_never_paired(sheet):
    assert all(plain_text(one.left) != plain_text(one.right) for one in sheet.pairs)
    same = {"s": of("s", ("a", "Edema.", 1, 1), ("b", " edema. ", 1, 1))}
    with pytest.raises(OrapoError, match="no study has two different reports"):
        made(same)


def test_no_pair_of_reports_is_chosen_twice(sheet):
    shown = [
        (one.study_id, *sorted((one.left, one.right)))
        for one, key in zip(sheet.pairs, sheet.keys, strict=True)
        if key.repeats is None
    ]
    assert len(set(shown)) == len(shown) == 300


def test_each_system_stands_as_often_on_either_side(sheet):
    mixed = [
        key for key in sheet.keys if key.repeats is None and key.left_source != key.right_source
    ]
    left = Counter(key.left_source for key in mixed)
    assert abs(left["careful"] - left["wild"]) <= 1


def test_a_repeated_pair_shows_the_same_reports_much_later_half_of_them_swapped(sheet):
    place = {one.pair: at for at, one in enumerate(sheet.pairs)}
    again = [key for key in sheet.keys if key.repeats]
    assert len(again) == 30
    swapped = 0
    for key in again:
        one, first = sheet.pairs[place[key.pair]], sheet.pairs[place[key.repeats]]
        assert {one.left, one.right} == {first.left, first.right}
        assert place[key.pair] - place[key.repeats] >= 20
        swapped += one.left != first.left
        assert (key.left_source, key.right_source) == (
            (
                sheet.keys[place[key.repeats]].right_source,
                sheet.keys[place[key.repeats]].left_source,
            )
            if one.left != first.left
            else (
                sheet.keys[place[key.repeats]].left_source,
                sheet.keys[place[key.repeats]].right_source,
            )
        )
    assert swapped == 15


def test_pairs_are_what_the_key_says_they_were_chosen_for(sheet):
    kinds = Counter(key.why for key in sheet.keys if key.repeats is None)
    assert kinds == {"near tie": 105, "rewards disagree": 105, "random": 90}
    for key in sheet.keys:
        facts = key.left_scores["facts"] - key.right_scores["facts"]
        words = key.left_scores["cosine"] - key.right_scores["cosine"]
        if key.why == "near tie":
            assert abs(facts) <= 0.05
        if key.why == "rewards disagree":
            assert facts * words < 0


def test_the_starkest_disagreement_comes_first():
    studies = {
        "s1": of("s1", ("a", "One.", 0.5, 0.5), ("b", "Two.", 0.6, 0.4)),
        "s2": of("s2", ("a", "One.", 0.0, 1.0), ("b", "Two.", 1.0, 0.0)),
        "s3": of("s3", ("a", "One.", 0.0, 0.0), ("b", "Two.", 1.0, 1.0)),
    }
    sheet = made(studies, pairs=2, random_share=0.0, repeat_share=0.0)
    why = {key.study_id: key.why for key in sheet.keys}
    assert why["s2"] == "rewards disagree"


def test_a_study_comes_again_only_when_all_have_come(sheet, studies):
    often = Counter(key.study_id for key in sheet.keys if key.repeats is None)
    assert len(studies) >= 300
    # all kinds together: a kind that has run out of new studies takes a second pair of one
    assert max(often.values()) <= 2


def test_the_same_seed_makes_the_same_sheet_and_another_one_another(studies):
    assert made(studies, pairs=50).pairs == made(studies, pairs=50).pairs
    assert made(studies, pairs=50).pairs != made(studies, pairs=50, seed=1).pairs


def test_there_may_be_fewer_pairs_than_asked_for():
    studies = {"s": of("s", ("a", "One.", 0, 0), ("a", "Two.", 0, 0), ("a", "Three.", 1, 1))}
    sheet = made(studies, pairs=300, repeat_share=1.0)
    assert sheet.counts["pairs"] == 3
    assert {key.left_source for key in sheet.keys} == {"a"}


def test_several_samples_of_a_study_stand_in_a_list_or_in_several_rows(tmp_path):
    path = tmp_path / "p.jsonl"
    rows = [
        {"study_id": "s1", "report": "One.", "sample_reports": ["One.", "Two.", ""]},
        {"study_id": "s2", "report": "Three."},
        {"study_id": "s2", "report": "Four."},
        {"study_id": "s3", "report": "", "error": "unreadable"},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert read_system(path) == {"s1": ["One.", "Two."], "s2": ["Three.", "Four."], "s3": []}


@pytest.mark.parametrize("second", ["bleu", "cosine"])
def test_the_second_reward_is_likeness_to_the_reference(second):
    truth = {"s": Reference("s", {"Edema": 1}, "given", "There is mild pulmonary edema today.")}
    reports = {"a": {"s": ["There is mild pulmonary edema today.", "The heart is big."]}}
    like, unlike = candidates(reports, truth, second)["s"]
    assert like.scores == {"facts": 1.0, second: pytest.approx(1, abs=1e-5)}
    assert unlike.scores[second] < 0.2
    assert unlike.scores["facts"] == 0.0


def test_a_study_without_a_reference_report_has_no_second_reward():
    truth = {"s": Reference("s", {"Edema": 1}, "given")}
    reports = {"a": {"s": ["Edema.", "No edema."]}}
    found = candidates(reports, truth, "cosine")
    assert [set(one.scores) for one in found["s"]] == [{"facts"}, {"facts"}]
    assert made(found, pairs=1).counts["pairs"] == 1
