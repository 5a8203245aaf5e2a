"""Error counts become preferences: fewer significant errors win, equal is a tie."""

import pytest

from orapo.errors import OrapoError
from orapo.preferences.graded import Errors, graded_preferences, read_counts, read_graded_reports

REPORTS = {("s", "a"): "Edema.", ("s", "b"): "No edema.", ("s", "c"): "Clear."}


def choices(counts, **options):
    """Who is preferred by whom: (rater, winner or tie) of each pair."""
    found = graded_preferences(counts, REPORTS, **options)
    return {
        (one.rater, *sorted((one.left_source, one.right_source))): {
            "left": one.left_source,
            "right": one.right_source,
            "tie": "tie",
        }[one.choice]
        for one in found
    }


def test_fewer_significant_errors_are_preferred_and_equal_ones_tie():
    counts = {
        ("s", "a", "r"): Errors(0, 9),
        ("s", "b", "r"): Errors(2, 0),
        ("s", "c", "r"): Errors(2, 5),
    }
    assert choices(counts) == {("r", "a", "b"): "a", ("r", "a", "c"): "a", ("r", "b", "c"): "tie"}


def test_a_margin_widens_ties_and_insignificant_errors_can_count():
    counts = {("s", "a", "r"): Errors(0, 3), ("s", "b", "r"): Errors(1, 0)}
    assert choices(counts, margin=1) == {("r", "a", "b"): "tie"}
    assert choices(counts, insignificant=0.5) == {("r", "a", "b"): "b"}


def test_only_what_the_same_rater_graded_is_compared():
    counts = {("s", "a", "r1"): Errors(0), ("s", "b", "r2"): Errors(1)}
    with pytest.raises(OrapoError, match="no rater has graded two"):
        graded_preferences(counts, REPORTS)


def test_a_pair_has_one_name_and_one_side_for_all_raters():
    counts = {
        ("s", name, rater): Errors(errors)
        for errors, name in enumerate("abc")
        for rater in ("r1", "r2")
    }
    found = graded_preferences(counts, REPORTS)
    assert len(found) == 6
    assert len({(one.pair, one.left, one.right) for one in found}) == 3


def test_rexval_s_files_are_read(tmp_path):
    counts = tmp_path / "6_valid_raters_per_rater_error_categories.csv"
    counts.write_text(
        "study_number,candidate_type,error_category,rater_index,clinically_significant,num_errors\n"
        "0,radgraph,1,0,True,1\n0,radgraph,2,0,True,2\n0,radgraph,2,0,False,1\n0,bleu,1,0,True,0\n"
    )
    texts = tmp_path / "50_samples_gt_and_candidates.csv"
    texts.write_text("study_id,gt_report,radgraph,bleu\n5041,truth,One.,Two.\n")
    found, _ = read_counts(counts)
    assert found == {("0", "radgraph", "0"): Errors(3, 1), ("0", "bleu", "0"): Errors(0, 0)}
    reports = read_graded_reports(texts)
    assert reports == {("0", "radgraph"): "One.", ("0", "bleu"): "Two."}
    (one,) = graded_preferences(found, reports)
    assert (one.left_source if one.choice == "left" else one.right_source) == "bleu"


def test_a_wide_table_holds_counts_by_category_and_the_reports(tmp_path):
    path = tmp_path / "g.csv"
    path.write_text(
        "study_id,candidate,rater,significant_omission,significant_severity,insignificant,report\n"
        "s,a,r,1,2,4,Edema.\ns,b,r,,0,0,Clear.\n"
    )
    counts, reports = read_counts(path)
    assert counts == {("s", "a", "r"): Errors(3, 4), ("s", "b", "r"): Errors(0, 0)}
    assert reports == {("s", "a"): "Edema.", ("s", "b"): "Clear."}


def test_all_faults_are_listed(tmp_path):
    path = tmp_path / "g.csv"
    path.write_text(
        "study_id,candidate,rater,significant\ns,a,r,-1\ns,b,,1\ns,c,r,x\ns,d,r,1\ns,d,r,1\n"
    )
    with pytest.raises(OrapoError) as error:
        read_counts(path)
    assert [
        f"line {line}" in fault
        for line, fault in zip((2, 3, 4, 6), str(error.value).splitlines(), strict=True)
    ] == [True] * 4


@pytest.mark.parametrize(
    "header", ["study_id,candidate,rater,errors_total", "candidate,rater,significant"]
)
def test_columns_that_lack_are_named(tmp_path, header):
    path = tmp_path / "g.csv"
    path.write_text(f"{header}\n" + ",".join("1" for _ in header.split(",")) + "\n")
    with pytest.raises(OrapoError, match="lacks"):
        read_counts(path)


def test_a_graded_report_that_is_nowhere_is_said():
    with pytest.raises(OrapoError, match="reports of 1 graded candidates are not there"):
        graded_preferences({("s", "z", "r"): Errors()}, REPORTS)
