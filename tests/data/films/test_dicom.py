"""DICOM radiographs: the same picture whatever the file's way of storing it, or one sentence."""

import hashlib
import io
import logging
import re
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

pydicom = pytest.importorskip("pydicom")
from pydicom.encaps import encapsulate, get_frame  # noqa: E402
from pydicom.uid import (  # noqa: E402
    MPEG2MPML,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from orapo.data.convert import convert  # noqa: E402
from orapo.data.datasets import load_dataset  # noqa: E402
from orapo.data.films.dicom import (  # noqa: E402
    dicom_uid,
    header_of,
    load_dicom_folder,
    read_dicom,
    reading,
    study_name,
    write_dicom,
)
from orapo.data.films.images import read_image  # noqa: E402
from orapo.data.image_check import check_images  # noqa: E402
from orapo.data.loaded import LoadOptions  # noqa: E402
from orapo.errors import OrapoError  # noqa: E402

SECRET = "Doe^Jane"


def ramp(height=40, width=60):
    grid = np.add.outer(3 * np.arange(height), 2 * np.arange(width)).astype(np.float64)
    return Image.fromarray((grid * 255 / grid.max()).round().astype(np.uint8))


def write(path, image=None, **options):
    names = {"patient_id": "p1", "study_uid": "s1", "series_uid": "s1.1", "instance_uid": path.name}
    write_dicom(image or ramp(), path, **{**names, **options})
    return path


def changed(path, values=None, **fields):
    """Rewrite a file with other fields (None removes one), or with other stored values."""
    dataset = pydicom.dcmread(path)
    if values is not None:
        dataset.PixelData = values.tobytes()
        dataset.Rows, dataset.Columns = values.shape
    for name, value in fields.items():
        if name == "PixelPaddingValue":
            dataset.add_new(name, "US", value)
        elif name == "TransferSyntaxUID":
            dataset.file_meta.TransferSyntaxUID = value
        elif value is None:
            delattr(dataset, name)
        else:
            setattr(dataset, name, value)
    dataset.save_as(path)
    return path


def pixels(path):
    return np.asarray(read_image(path)).astype(int)


RAMP = np.asarray(ramp()).astype(int)
NO_WINDOW = {"WindowCenter": None, "WindowWidth": None}


@settings(max_examples=30, deadline=None)
@given(
    bits=st.integers(8, 16),
    monochrome1=st.booleans(),
    view=st.sampled_from(["frontal", "lateral", ""]),
    size=st.tuples(st.integers(16, 40), st.integers(16, 40)),
    seed=st.integers(0, 99),
)
def test_what_is_written_comes_back_pixel_by_pixel(
    tmp_path_factory, bits, monochrome1, view, size, seed
):
    path = tmp_path_factory.mktemp("dicom") / "film.dcm"
    values = np.random.default_rng(seed).integers(0, 256, size, dtype=np.uint8)
    write(path, Image.fromarray(values), bits=bits, monochrome1=monochrome1, view=view)
    assert np.array_equal(pixels(path), values)
    header = header_of(path)
    assert (header.view, header.patient_id, header.study_uid) == (view, "p1", dicom_uid("s1"))


def test_the_same_arguments_write_the_same_bytes_and_a_uid_stays_itself(tmp_path):
    first = write(tmp_path / "a.dcm", instance_uid="x").read_bytes()
    assert write(tmp_path / "b.dcm", instance_uid="x").read_bytes() == first
    assert write(tmp_path / "c.dcm", instance_uid="y").read_bytes() != first
    assert dicom_uid("1.2.3") == "1.2.3"
    assert dicom_uid("seed") == dicom_uid("seed") != dicom_uid("seed2")


def test_monochrome1_looks_like_monochrome2_without_a_window_too(tmp_path):
    plain = changed(write(tmp_path / "a.dcm"), **NO_WINDOW)
    inverted = changed(write(tmp_path / "b.dcm", monochrome1=True), **NO_WINDOW)
    assert np.abs(pixels(plain) - pixels(inverted)).max() <= 2
    assert pixels(plain)[0, 0] == 0
    assert pixels(plain)[-1, -1] == 255


def test_the_window_decides_what_is_black_and_white(tmp_path):
    path = changed(write(tmp_path / "film.dcm"), WindowCenter=[1024, 99], WindowWidth=[512, 2])
    stored = (RAMP * (4095 / 255)).round()
    expected = np.clip((stored - 1023.5) / 511 + 0.5, 0, 1) * 255
    assert np.abs(pixels(path) - expected).max() <= 1


def test_the_window_counts_rescaled_values(tmp_path):
    path = write(tmp_path / "film.dcm")
    changed(path, RescaleSlope=2, RescaleIntercept=-1024, WindowCenter=3072, WindowWidth=8192)
    assert np.abs(pixels(path) - RAMP).max() <= 1


@pytest.mark.parametrize(
    "window",
    [
        {"WindowCenter": 99999, "WindowWidth": 10},
        {"WindowCenter": 2048, "WindowWidth": 0},
        {"VOILUTFunction": "MAGIC"},
        NO_WINDOW,
    ],
)
def test_a_window_that_shows_nothing_is_replaced_by_the_percentiles(tmp_path, window):
    got = pixels(changed(write(tmp_path / "film.dcm"), **window))
    assert np.abs(got - RAMP).mean() < 5
    assert (got.min(), got.max()) == (0, 255)


def test_a_sigmoid_window_and_a_voi_table_are_applied(tmp_path):
    sigmoid = pixels(changed(write(tmp_path / "a.dcm"), VOILUTFunction="SIGMOID"))
    expected = 255 / (1 + np.exp(-4 * (RAMP * (4095 / 255) - 2048) / 4096))
    assert np.abs(sigmoid - expected).max() <= 1
    table = pydicom.Dataset()
    table.LUTDescriptor = [256, 0, 16]
    table.LUTData = np.arange(65535, -1, -257, dtype="<u2").tobytes()
    table["LUTDescriptor"].VR, table["LUTData"].VR = "US", "OW"
    path = write(tmp_path / "b.dcm", bits=8)
    assert np.array_equal(pixels(changed(path, VOILUTSequence=[table])), 255 - RAMP)


def voi_table(data, depth, vr="OW", count=None, first=0):
    table = pydicom.Dataset()
    table.add_new("LUTDescriptor", "US", [len(data) if count is None else count, first, depth])
    table.add_new("LUTData", vr, data.tobytes() if vr == "OW" else data.tolist())
    return table


@pytest.mark.parametrize(("kind", "vr"), [("u1", "OW"), ("<u2", "OW"), ("<u2", "US")])
@pytest.mark.parametrize("sequence", ["VOILUTSequence", "ModalityLUTSequence"])
def test_a_table_of_8_bits_for_more_values_than_256_does_not_begin_anew(
    tmp_path, kind, vr, sequence
):
    linear = (np.arange(4096) >> 4).astype(kind)
    path = write(tmp_path / "film.dcm")
    window = {"WindowCenter": 128, "WindowWidth": 256} if sequence[0] == "M" else NO_WINDOW
    changed(path, **{sequence: [voi_table(linear, 8, vr)]}, **window)
    assert np.abs(pixels(path) - RAMP).max() <= 1


def test_a_table_starts_at_its_first_value_and_its_depth_is_white(tmp_path):
    half = np.arange(0, 2048, dtype="<u2")  # of 4095: no more than grey
    path = changed(write(tmp_path / "film.dcm"), VOILUTSequence=[voi_table(half, 12, first=1024)])
    stored = np.round(RAMP * (4095 / 255))
    assert np.abs(pixels(path) - np.clip(stored - 1024, 0, 2047) * (255 / 4095)).max() <= 1
    odd = (np.arange(257) * 255 // 256).astype("u1")
    table = voi_table(np.append(odd, 0).astype("u1"), 8, count=257)
    path = changed(write(tmp_path / "odd.dcm", bits=8), VOILUTSequence=[table])
    assert np.abs(pixels(path) - RAMP).max() <= 1


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            lambda: voi_table(np.zeros(100, "<u2"), 12, count=4096),
            "200 bytes are not 4,096 entries",
        ),
        (lambda: voi_table(np.arange(256).astype("u1"), 12), "256 bytes are not 256 entries of 12"),
        (lambda: voi_table(np.arange(4096, dtype="<u2"), 8), "entries are not of 8 bits"),
        (lambda: voi_table(np.arange(4096, dtype="<u2"), 20), "entries are not of 20 bits"),
        (pydicom.Dataset, "description or data"),
    ],
)
def test_a_table_that_contradicts_itself_is_refused_in_a_sentence(tmp_path, table, message):
    path = changed(write(tmp_path / "film.dcm"), VOILUTSequence=[table()])
    with pytest.raises(OrapoError, match=rf"film\.dcm: its VOILUTSequence is broken \(.*{message}"):
        read_image(path)


def test_signed_values_and_rescale_do_not_wrap_around(tmp_path):
    signed = (RAMP * 16 - 2000).astype("<i2")
    path = changed(
        write(tmp_path / "film.dcm", bits=16),
        signed,
        PixelRepresentation=1,
        RescaleSlope=1,
        RescaleIntercept=-1024,
        **NO_WINDOW,
    )
    assert np.abs(pixels(path) - RAMP).mean() < 5


def test_bits_above_those_stored_are_no_part_of_the_picture(tmp_path):
    stored = (RAMP * 16).astype("<u2")
    overlay = np.where(np.arange(60) % 2, 0x8000, 0).astype("<u2")
    path = changed(write(tmp_path / "film.dcm"), stored | overlay)
    clean = changed(write(tmp_path / "clean.dcm"), stored)
    assert np.array_equal(pixels(path), pixels(clean))
    shifted = changed(write(tmp_path / "shifted.dcm"), stored << 4, HighBit=15)
    assert np.array_equal(pixels(shifted), pixels(clean))


@pytest.mark.parametrize("monochrome1", [False, True])
def test_padding_is_black_and_does_not_stretch_the_picture(tmp_path, monochrome1):
    stored = (1000 + RAMP * 4).astype("<u2")
    padded = stored.copy()
    padded[:, :5] = 4095
    path = write(tmp_path / "film.dcm", monochrome1=monochrome1)
    got = pixels(changed(path, padded, PixelPaddingValue=4095, **NO_WINDOW))
    assert (got[:, :5] == 0).all()
    assert got[:, 5:].max() == 255
    assert np.ptp(got[:, 5:]) == 255


def test_the_content_decides_and_not_the_name(tmp_path):
    assert np.array_equal(pixels(write(tmp_path / "film.png")), RAMP)
    assert np.array_equal(pixels(write(tmp_path / "IM0001")), RAMP)
    ramp().save(tmp_path / "film.dcm", "PNG")
    assert np.array_equal(pixels(tmp_path / "film.dcm"), RAMP)


# ---------------------------------------------------------------- compression


def compressed(path, syntax):
    """A file of 8 bits in a compressed transfer syntax, or a skip where no encoder is here."""
    write(path, bits=8)
    dataset = pydicom.dcmread(path)
    kind = {JPEGBaseline8Bit: "JPEG", JPEG2000Lossless: "JPEG2000"}.get(syntax)
    if kind:
        stream = io.BytesIO()
        options = {"quality": 95} if kind == "JPEG" else {"no_jp2": True}
        ramp().save(stream, kind, **options)
        dataset.PixelData = encapsulate([stream.getvalue()])
        dataset["PixelData"].is_undefined_length = True
        dataset.file_meta.TransferSyntaxUID = syntax
    else:
        dataset.compress(syntax, generate_instance_uid=False)
    dataset.save_as(path)
    return path


@pytest.mark.parametrize("syntax", [RLELossless, JPEGBaseline8Bit, JPEG2000Lossless])
def test_a_compressed_file_gives_the_same_picture(tmp_path, syntax):
    path = compressed(tmp_path / "film.dcm", syntax)
    assert np.abs(pixels(path) - RAMP).max() <= (3 if syntax == JPEGBaseline8Bit else 0)


def test_a_deflated_file_gives_the_same_picture_unless_it_swells(tmp_path, monkeypatch):
    path = write(tmp_path / "film.dcm")
    changed(path, TransferSyntaxUID=DeflatedExplicitVRLittleEndian)
    assert np.array_equal(pixels(path), RAMP)
    monkeypatch.setattr(reading, "MAX_BYTES", path.stat().st_size + 1000)
    with pytest.raises(OrapoError, match="inflates to more than"):
        read_dicom(path)


@pytest.mark.parametrize(
    ("syntax", "order"), [(ImplicitVRLittleEndian, "<u2"), (ExplicitVRBigEndian, ">u2")]
)
def test_implicit_and_big_endian_files_give_the_same_picture(tmp_path, syntax, order):
    path = write(tmp_path / "film.dcm")
    original = pydicom.dcmread(path)
    dataset = pydicom.Dataset({element.tag: element for element in original})
    dataset.file_meta = original.file_meta
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.PixelData = (RAMP * (4095 / 255)).round().astype(order).tobytes()
    dataset.save_as(path, enforce_file_format=True)
    assert np.array_equal(pixels(path), RAMP)


@pytest.mark.parametrize("syntax", [RLELossless, JPEGBaseline8Bit, JPEG2000Lossless])
def test_a_compressed_picture_cut_anywhere_is_refused(tmp_path, syntax):
    path = compressed(tmp_path / "film.dcm", syntax)
    data = path.read_bytes()
    start = data.index(b"\xe0\x7f\x10\x00")
    for end in range(start + 20, len(data) - 12, max(1, (len(data) - start) // 40)):
        path.write_bytes(data[:end])
        with pytest.raises(OrapoError, match=r"film\.dcm: "):
            read_image(path)


@pytest.mark.parametrize("share", [0.4, 0.6, 0.9])
def test_a_jpeg_picture_cut_and_closed_with_an_end_mark_is_refused(tmp_path, share):
    path = compressed(tmp_path / "film.dcm", JPEGBaseline8Bit)
    dataset = pydicom.dcmread(path)
    picture = get_frame(dataset.PixelData, 0, number_of_frames=1)
    start = picture.index(b"\xff\xda") + 10
    cut = picture[: start + int((len(picture) - start) * share)]
    dataset.PixelData = encapsulate([cut + b"\xff\xd9"])
    dataset.save_as(path)
    with pytest.raises(OrapoError, match=r"film\.dcm: broken or truncated image"):
        read_image(path)


def test_a_jpeg_2000_file_with_a_box_of_no_length_is_not_looked_at_forever(tmp_path):
    path = compressed(tmp_path / "film.dcm", JPEG2000Lossless)
    stream = io.BytesIO()
    ramp().save(stream, "JPEG2000", no_jp2=False)
    for data, message in ((stream.getvalue(), None), (_with_empty_box(stream.getvalue()), "boxes")):
        dataset = pydicom.dcmread(path)
        dataset.PixelData = encapsulate([data])
        dataset.save_as(path)
        if message is None:
            assert np.array_equal(pixels(path), RAMP)
            continue
        with pytest.raises(OrapoError, match=r"film\.dcm: PixelData is broken \(JPEG 2000 boxes\)"):
            read_image(path)


def _with_empty_box(data):
    return data[:12] + bytes(4) + data[16:]


def test_a_jpeg_picture_of_another_size_is_refused_before_it_is_decoded(tmp_path):
    path = compressed(tmp_path / "film.dcm", JPEGBaseline8Bit)
    changed(path, Rows=20)
    with pytest.raises(OrapoError, match=r"holds a picture of 60 x 40 pixels, not of 60 x 20"):
        read_image(path)


def test_a_jpeg_picture_needs_none_of_pydicoms_decoders(tmp_path, monkeypatch):
    path = compressed(tmp_path / "film.dcm", JPEGBaseline8Bit)

    class Nothing:
        is_available = False

    monkeypatch.setattr(reading, "get_decoder", lambda uid: Nothing)
    assert np.abs(pixels(path) - RAMP).max() <= 3


@pytest.mark.parametrize(
    ("syntax", "package"),
    [(JPEGLosslessSV1, "pylibjpeg-libjpeg"), (JPEGLSLossless, "pyjpegls"), (JPEG2000Lossless, "openjpeg")],
)  # fmt: skip
def test_a_missing_decoder_is_named_with_its_transfer_syntax(
    tmp_path, monkeypatch, syntax, package
):
    path = compressed(tmp_path / "film.dcm", RLELossless)
    changed(path, TransferSyntaxUID=syntax)

    class Nothing:
        is_available = False

    monkeypatch.setattr(reading, "get_decoder", lambda uid: Nothing)
    with pytest.raises(OrapoError) as caught:
        read_dicom(path)
    assert f"transfer syntax {syntax.name} ({syntax})" in str(caught.value)
    assert "pip install" in str(caught.value)
    assert package in str(caught.value)


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"Modality": "CT"}, r"not a chest radiograph \(Modality CT\)"),
        ({"Modality": "JANE DOE"}, r"not a chest radiograph \(another modality\)"),
        ({"Modality": "SR"}, "holds no picture"),
        ({"BodyPartExamined": "HAND"}, r"not a chest radiograph \(body part HAND\)"),
        ({"BodyPartExamined": "T SPINE"}, r"not a chest radiograph \(body part TSPINE\)"),
        ({"PixelData": None}, "has no PixelData"),
        ({"PixelData": b"\0" * 100}, r"PixelData is truncated \(100 of 4,800 bytes\)"),
        ({"PixelData": b"\0" * 4800}, "every pixel has the same value"),
        ({"Rows": None}, "says nothing of Rows"),
        ({"Rows": 30000, "Columns": 30000}, "30000 x 30000 pixels are more than the limit"),
        ({"Rows": 8}, "too few for a radiograph"),
        ({"NumberOfFrames": 3}, "has several frames"),
        ({"PhotometricInterpretation": "RGB", "SamplesPerPixel": 3}, "expected MONOCHROME1"),
        ({"BitsAllocated": 32, "BitsStored": 32}, "expected 8 or 16 bits a pixel, not 32"),
        ({"BitsStored": 20}, "BitsStored 20 don't fit"),
    ],
)
def test_what_is_no_film_is_refused_in_a_sentence_with_its_name(tmp_path, fields, message):
    path = changed(write(tmp_path / "film.dcm"), **fields)
    with pytest.raises(OrapoError, match=rf"film\.dcm: .*{message}") as caught:
        read_dicom(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"no DICOM at all", bytes(200), bytes(128) + b"DICM"])
def test_what_is_no_dicom_file_is_refused(tmp_path, content):
    (tmp_path / "film.dcm").write_bytes(content)
    with pytest.raises(OrapoError, match=r"film\.dcm: ") as caught:
        read_image(tmp_path / "film.dcm")
    assert "\n" not in str(caught.value)


def test_a_video_is_refused_by_its_transfer_syntax(tmp_path):
    path = changed(compressed(tmp_path / "film.dcm", RLELossless), TransferSyntaxUID=MPEG2MPML)
    with pytest.raises(OrapoError, match=r"transfer syntax MPEG2 .* none of a radiograph"):
        read_dicom(path)


def test_a_file_cut_anywhere_is_refused_and_tells_nothing_of_the_patient(tmp_path, caplog, capfd):
    path = changed(write(tmp_path / "film.dcm"), PatientName=SECRET, PatientComments=SECRET)
    data = path.read_bytes()
    caplog.set_level(logging.DEBUG)
    for end in [*range(1, 700, 11), *range(700, len(data) - 1, 200)]:
        path.write_bytes(data[:end])
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            with pytest.raises(OrapoError) as caught:
                read_image(path)
        assert "Doe" not in str(caught.value)
        assert not seen
    assert "Doe" not in caplog.text + "".join(capfd.readouterr())


@settings(max_examples=60, deadline=None)
@given(place=st.integers(132, 900), value=st.integers(0, 255))
def test_a_damaged_header_gives_a_picture_or_a_sentence(tmp_path_factory, place, value):
    path = tmp_path_factory.getbasetemp() / "damaged.dcm"
    data = bytearray(write(path).read_bytes())
    data[place] = value
    path.write_bytes(data)
    try:
        outcome = read_image(path).mode
    except OrapoError as error:
        outcome = str(error)
    assert re.fullmatch(r"L|.*damaged\.dcm: [^\n]+", outcome)


# ---------------------------------------------------------------- studies


def test_files_of_one_examination_are_one_study_frontal_first(tmp_path):
    write(tmp_path / "1.dcm", view="lateral", study_uid="a", patient_id="p1")
    write(tmp_path / "2.dcm", study_uid="a", patient_id="p1")
    write(tmp_path / "3", study_uid="b", patient_id="p2", view="")
    changed(write(tmp_path / "note.dcm", study_uid="b"), Modality="SR", PixelData=None)
    studies, problems = load_dicom_folder(tmp_path)
    assert problems == []
    assert [study.study_id for study in studies] == [
        study_name(dicom_uid("a")),
        study_name(dicom_uid("b")),
    ]
    assert [image.name for image in studies[0].images] == ["2.dcm", "1.dcm"]
    assert studies[0].views == ("frontal", "lateral")
    assert (studies[1].views, studies[1].patient_id, studies[1].report) == (("",), "p2", "")


def test_what_a_header_calls_a_study_gets_into_no_name_of_it(tmp_path):
    write(tmp_path / "1.dcm", study_uid="1.2.840.99.20240131")
    (study,), _ = load_dicom_folder(tmp_path)
    digest = hashlib.sha256(b"1.2.840.99.20240131").hexdigest()
    assert study.study_id == f"dicom-{digest[:12]}"
    (loaded,) = load_dataset("dicom", tmp_path).studies
    assert loaded.study_id == study.study_id
    assert "20240131" not in loaded.model_dump_json()


def test_files_that_are_in_no_study_are_named_with_the_reason(tmp_path):
    write(tmp_path / "a.dcm")
    (tmp_path / "b.dcm").write_bytes(b"no DICOM at all")
    changed(write(tmp_path / "c.dcm"), Modality="CT")
    changed(write(tmp_path / "d.dcm"), StudyInstanceUID=None)
    write(tmp_path / "e.dcm", instance_uid="a.dcm")
    write(tmp_path / "f.dcm", patient_id=SECRET)
    (tmp_path / "g.dcm").write_bytes(b"")
    studies, problems = load_dicom_folder(tmp_path)
    assert len(studies) == 1
    assert {problem.file.name: problem.sentence.partition(" (")[0] for problem in problems} == {
        "b.dcm": "not a DICOM file",
        "c.dcm": "not a chest radiograph",
        "d.dcm": "has no StudyInstanceUID, so no study",
        "e.dcm": "is the same picture as a.dcm once more",
        "f.dcm": "says another patient than a.dcm, same study",
        "g.dcm": "the file is empty",
    }
    assert "Doe" not in "".join(map(str, problems)) + repr(header_of(tmp_path / "f.dcm"))


@pytest.mark.parametrize(
    ("position", "orientation", "view"),
    [
        ("PA", None, "frontal"),
        ("AP", None, "frontal"),
        ("LL", None, "lateral"),
        ("LATERAL", None, "lateral"),
        ("LLO", ["L", "F"], ""),
        ("", ["L", "F"], "frontal"),
        ("", ["P", "F"], "lateral"),
        ("", None, ""),
    ],
)
def test_the_view_is_that_of_the_header(tmp_path, position, orientation, view):
    path = changed(
        write(tmp_path / "film.dcm"), ViewPosition=position, PatientOrientation=orientation
    )
    assert header_of(path).view == view


@pytest.mark.parametrize(
    ("age", "years"), [("063Y", 63), ("018M", 1.5), ("010D", 0.03), ("", None), ("old", None)]
)
def test_age_and_sex_come_along(tmp_path, age, years):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        changed(write(tmp_path / "film.dcm"), PatientAge=age, PatientSex="F")
    (study,), _ = load_dicom_folder(tmp_path)
    assert (study.age, study.sex) == (years, "F")


def test_a_folder_without_dicom_is_said(tmp_path):
    ramp().save(tmp_path / "film.png")
    for path, message in ((tmp_path, "no DICOM file"), (tmp_path / "film.png", "no folder")):
        with pytest.raises(OrapoError, match=message):
            load_dicom_folder(path)


def test_a_file_that_cannot_be_opened_is_named_with_the_others(tmp_path, monkeypatch):
    for name in ("a.dcm", "b.dcm", "c.dcm"):
        write(tmp_path / name)
    opened = type(tmp_path).open

    def refused(path, *arguments, **options):
        if path.name == "a.dcm":
            raise PermissionError(13, "Permission denied")
        return opened(path, *arguments, **options)

    monkeypatch.setattr(type(tmp_path), "open", refused)
    (tmp_path / "c.dcm").write_bytes(b"")
    (study,), problems = load_dicom_folder(tmp_path)
    assert [file.name for file in study.images] == ["b.dcm"]
    assert [str(problem) for problem in problems] == [
        f"{tmp_path}/a.dcm: can't be read (Permission denied)",
        f"{tmp_path}/c.dcm: the file is empty",
    ]


OTHER_PARTS = ("ABDOMEN", "SHOULDER", "CLAVICLE", "TSPINE", "WHOLEBODY", "KNEE")


def test_films_of_other_body_parts_are_counted_and_left_out_unless_asked_for(tmp_path):
    for number, part in enumerate((*OTHER_PARTS, "CHEST", None)):
        changed(write(tmp_path / f"{number}.dcm", study_uid=f"s{number}"), BodyPartExamined=part)
    loaded = load_dataset("dicom", tmp_path)
    assert len(loaded.studies) == 2
    assert loaded.fatal == 0  # an archive is not broken by them
    assert {problem.kind for problem in loaded.problems} == {"body_part"}
    assert loaded.notes["films_of_other_body_parts_left_out"] == len(OTHER_PARTS)
    loaded = load_dataset("dicom", tmp_path, LoadOptions(body_part="any"))
    assert len(loaded.studies) == len(OTHER_PARTS) + 2
    film = loaded.studies[0].images[0]
    assert read_image(film, "any").size == (60, 40)
    with pytest.raises(OrapoError, match=r"not a chest radiograph \(body part ABDOMEN\)"):
        read_image(film)
    # who reads the films of a data set later on reads by its option, other processes too
    assert check_images(loaded, workers=2).unreadable == 0
    made = convert(loaded, tmp_path / "out", made_from="any")
    assert len(made.studies) == len(OTHER_PARTS) + 2
