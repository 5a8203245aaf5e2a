"""ReXGradient-160K, as it lies on disk."""

import json

import pytest
from PIL import Image

from orapo.data.datasets import load_dataset
from orapo.data.loaded import LoadOptions
from orapo.errors import OrapoError


def entry(folder, study, **fields):
    path = f"deid_png/GRDN1/{study}/studies/1.2/series/1.3/instances/1.4.png"
    film = folder / path
    film.parent.mkdir(parents=True, exist_ok=True)
    Image.linear_gradient("L").save(film)
    return {
        "Findings": "The heart is enlarged",
        "Impression": "Cardiomegaly.",
        "Indication": "Cough.",
        "Comparison": "None",
        "PatientID": "GRDN1",
        "PatientAge": "061Y",
        "PatientSex": "F",
        "EthnicGroup": None,
        "AccessionNumber": study,
        "StudyInstanceUid": "1.2",
        "StudyDate": 20200102,
        "ImagePath": [f"../{path}"],
        "ImageViewPosition": ["PA"],
        "ImageShape": [[256, 256]],
        "ImageModality": ["DX"],
        "ImageBodyPart": ["CHEST"],
        **fields,
    }


def tree(folder, split="train", **studies):
    table = folder / "metadata" / f"{split}_metadata_view_position.json"
    table.parent.mkdir(exist_ok=True)
    entries = {f"pGRDN1_{name}": entry(folder, name, **fields) for name, fields in studies.items()}
    table.write_text(json.dumps(entries))
    return table


def test_a_study_has_its_sections_films_and_patient(tmp_path):
    tree(tmp_path, A={}, B={"Impression": "None", "PatientAge": "006M", "StudyDate": 20190101})
    tree(tmp_path, "valid", C={"ImageViewPosition": ["LATERAL"]})
    loaded = load_dataset("rexgradient", tmp_path)
    assert loaded.problems == []
    later, earlier, other = (
        {study.study_id[-1]: study for study in loaded.studies}[name] for name in "ABC"
    )
    assert later.report == "The heart is enlarged. Cardiomegaly."
    assert (later.findings, later.impression, later.comparison) == (
        "The heart is enlarged",
        "Cardiomegaly.",
        "",
    )
    assert (later.age, later.sex, later.patient_id) == (61, "F", "GRDN1")
    assert later.views == ("frontal",)
    assert later.labels["Cardiomegaly"] == 1
    assert later.labels_source == "facts"
    assert (earlier.report, earlier.age, earlier.split) == ("The heart is enlarged", 0.5, "train")
    assert (other.views, other.split) == (("lateral",), "validate")
    # a patient's studies in the order of time
    assert [study.study_id[-1] for study in loaded.studies[:2]] == ["B", "A"]


@pytest.mark.parametrize(
    ("fields", "sentence", "fatal"),
    [
        ({"ImagePath": "x.png"}, "ImagePath must be a list", True),
        ({"ImagePath": ["../deid_png/../../etc/passwd"]}, "leaves the image root", True),
        ({"ImagePath": ["../deid_png/gone.png"]}, "no such file", True),
        ({"ImageViewPosition": []}, "must be a list as long as ImagePath", False),
        ({"Findings": None, "Impression": "None"}, "has no report text", False),
        ({"Findings": 3}, "Findings must be a string", True),
        ({"PatientAge": "999Y"}, "age is no number of years", False),
    ],
)
def test_a_fault_is_said_with_its_file(tmp_path, fields, sentence, fatal):
    table = tree(tmp_path, A=fields, B={})
    problems = load_dataset("rexgradient", tmp_path).problems
    (found,) = [one for one in problems if sentence in one.sentence]
    assert found.fatal is fatal
    assert found.place.file == table


def test_what_is_not_it_is_refused(tmp_path):
    with pytest.raises(OrapoError, match=r"holds none of train_metadata_view_position\.json"):
        load_dataset("rexgradient", tmp_path)
    (tmp_path / "train_metadata.csv").write_text("id,Findings\n1,x\n")
    with pytest.raises(OrapoError, match="the CSV tables of ReXGradient name no film"):
        load_dataset("rexgradient", tmp_path / "train_metadata.csv")


def test_what_is_not_known_is_left_blank_however_it_is_written(tmp_path):
    nothing = {
        "Findings": float("nan"),  # pandas writes NaN, which is no JSON
        "Indication": "None",
        "PatientAge": float("nan"),
        "PatientSex": None,
        "StudyDate": float("nan"),
        "ImageViewPosition": ["UNKNOWN"],
        "ImageBodyPart": ["N/A"],
    }
    tree(tmp_path, A=nothing)
    loaded = load_dataset("rexgradient", tmp_path)
    assert loaded.problems == []
    (study,) = loaded.studies
    assert (study.study_id, study.report, study.findings) == ("pGRDN1_A", "Cardiomegaly.", "")
    assert (study.age, study.sex, study.indication, study.views) == (None, "", "", ("",))


def test_ages_are_in_the_units_of_dicom(tmp_path):
    tree(tmp_path, A={"PatientAge": "002D"}, B={"PatientAge": "026W"}, C={"PatientAge": "7Y"})
    ages = [study.age for study in load_dataset("rexgradient", tmp_path).studies]
    assert ages == [0.01, 0.5, 7]


def test_films_of_other_body_parts_are_counted_and_left_out_unless_asked_for(tmp_path):
    tree(
        tmp_path,
        A={"ImageBodyPart": ["ABDOMEN"]},
        B={"ImageViewPosition": ["KUB"]},
        C={"ImageBodyPart": ["RIGHT SHOULDER"]},
        D={"ImageBodyPart": [None]},
    )
    loaded = load_dataset("rexgradient", tmp_path)
    assert [study.study_id for study in loaded.studies] == ["pGRDN1_D"]
    assert loaded.notes["films_of_other_body_parts_left_out"] == 3
    assert loaded.fatal == 0
    assert [problem.sentence.partition(";")[0] for problem in loaded.problems] == [
        f"not a chest radiograph (body part {part})" for part in ("ABDOMEN", "KUB", "SHOULDER")
    ]
    every = load_dataset("rexgradient", tmp_path, LoadOptions(body_part="any"))
    assert len(every.studies) == 4


def test_films_beside_the_folder_of_the_download_are_found(tmp_path):
    (tmp_path / "download").mkdir()
    tree(tmp_path, A={})
    (tmp_path / "metadata").rename(tmp_path / "download" / "metadata")
    (study,) = load_dataset("rexgradient", tmp_path).studies
    assert study.images[0].is_file()


def test_archives_that_were_not_unpacked_are_one_sentence(tmp_path):
    """240,000 lines "no such file" would hide that a whole folder is missing."""
    tree(tmp_path, A={}, B={})
    (tmp_path / "deid_png").rename(tmp_path / "films")
    with pytest.raises(OrapoError, match=r"no folder deid_png in .* name it with --image-root"):
        load_dataset("rexgradient", tmp_path)
    named = load_dataset("rexgradient", tmp_path, LoadOptions(images=tmp_path / "films"))
    assert len(named.studies) == 2
