"""Films at the depth of their file: every value kept, and by the first look what the model gets."""

import numpy as np
import pytest
from PIL import Image

from orapo.data.films.deep_film import CURVE_SPAN, CURVE_STEPS, made_smaller
from orapo.data.films.images import read_deep, read_image
from orapo.errors import OrapoError


def looked_at(film, window=0):
    """Grey values as a viewer works them out: through window and curve."""
    centre, width = film.windows[window]
    places = (film.values.astype(float) - (centre - 0.5)) / (width - 1)
    steps = np.rint((places + CURVE_SPAN) * (CURVE_STEPS / (2 * CURVE_SPAN)))
    return film.curve[steps.clip(0, CURVE_STEPS).astype(int)]


def agrees(path):
    """Whether the first look is what the model gets, within one grey value."""
    film = read_deep(path)
    shown, model = looked_at(film).astype(int), np.asarray(read_image(path)).astype(int)
    assert shown.shape == model.shape
    return np.abs(shown - model).max() <= 1


def ramp(top=4095, size=(64, 64)):
    return np.linspace(0, top, size[0] * size[1]).reshape(size).round().astype(np.uint16)


def dicom(tmp_path, values, bits=12, **headers):
    pydicom = pytest.importorskip("pydicom")
    from orapo.data.films.dicom import write_dicom

    path = tmp_path / "film.dcm"
    uids = {"study_uid": "s", "series_uid": "x", "instance_uid": "i"}
    picture = Image.fromarray(np.zeros(values.shape, np.uint8))
    write_dicom(picture, path, patient_id="p", bits=bits, **uids)
    dataset = pydicom.dcmread(path)
    dataset.PixelData = values.astype("<u2").tobytes()
    for name, value in headers.items():
        if value is None:
            delattr(dataset, name)
        elif name == "PixelPaddingValue":
            dataset.add_new(name, "US", value)
        else:
            setattr(dataset, name, value)
    dataset.save_as(path)
    return path


def table(first, entries, bits=8):
    from pydicom.dataset import Dataset

    item = Dataset()
    item.LUTDescriptor = [len(entries), first, bits]
    item.add_new("LUTData", "OW", np.asarray(entries, "<u2").tobytes())
    return [item]


def test_a_picture_of_16_bits_keeps_each_of_its_values(tmp_path):
    values = ramp()
    Image.fromarray(values).save(tmp_path / "film.png")
    film = read_deep(tmp_path / "film.png")
    assert film.values.dtype == np.uint16
    assert (film.values == values).all()
    assert (film.top, film.windows) == (4095, ((2048.0, 4096.0),))
    assert agrees(tmp_path / "film.png")


@pytest.mark.parametrize("kind", ["png", "jpg", "bmp"])
def test_a_picture_of_8_bits_is_what_it_was(tmp_path, kind):
    Image.fromarray(ramp(255).astype(np.uint8)).save(tmp_path / f"film.{kind}")
    film = read_deep(tmp_path / f"film.{kind}")
    assert film.windows == ((128.0, 256.0),)
    assert (looked_at(film) == np.asarray(read_image(tmp_path / f"film.{kind}"))).all()


def test_white_may_be_zero_and_floats_may_reach_to_one(tmp_path):
    Image.fromarray(ramp()).save(tmp_path / "inverted.tif", tiffinfo={262: 0})
    film = read_deep(tmp_path / "inverted.tif")
    assert film.values[0, 0] == 4095
    assert agrees(tmp_path / "inverted.tif")
    Image.fromarray(ramp(1000).astype(np.float32) / 1000).save(tmp_path / "float.tif")
    assert read_deep(tmp_path / "float.tif").top == 65535
    assert agrees(tmp_path / "float.tif")


def test_a_film_lies_as_its_exif_says(tmp_path):
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(ramp(size=(40, 60))).save(tmp_path / "film.png", exif=exif)
    assert read_deep(tmp_path / "film.png").values.shape == (60, 40)
    assert agrees(tmp_path / "film.png")


def test_a_film_that_the_model_sees_nothing_in_is_refused_as_the_model_refuses_it(tmp_path):
    values = ramp(3)  # of 12 bits: all black in 8
    values[:2] = 0
    Image.fromarray(values + np.uint16(2000)).save(tmp_path / "film.png")
    for read in (read_image, read_deep):
        with pytest.raises(OrapoError, match="every pixel has the same value"):
            read(tmp_path / "film.png")


@pytest.mark.filterwarnings("ignore")  # pydicom, of what it is told to write
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"WindowCenter": 1000, "WindowWidth": 600},
        {"WindowCenter": 0, "WindowWidth": 300},
        {"WindowCenter": 5000, "WindowWidth": 9000},  # wider than the film
        {"WindowCenter": [1000, 2000], "WindowWidth": [600, 50]},
        {"WindowCenter": 1000, "WindowWidth": 600, "VOILUTFunction": "LINEAR_EXACT"},
        {"WindowCenter": 1000, "WindowWidth": 600, "VOILUTFunction": "SIGMOID"},
        {"WindowCenter": 1000, "WindowWidth": 1},  # a threshold
        {"WindowCenter": None, "WindowWidth": None},
        {"WindowCenter": "", "WindowWidth": ""},
        {"RescaleSlope": 0.25, "RescaleIntercept": -100, "WindowCenter": 200, "WindowWidth": 300},
        {"RescaleSlope": -1, "RescaleIntercept": 4095},
        {"RescaleSlope": 0.001, "RescaleIntercept": 0, "WindowCenter": 2, "WindowWidth": 0.5}
        | {"VOILUTFunction": "SIGMOID"},
    ],
    ids=str,
)
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_the_first_look_of_a_dicom_film_is_what_the_model_gets(tmp_path, headers, photometric):
    path = dicom(tmp_path, ramp(), PhotometricInterpretation=photometric, **headers)
    film = read_deep(path)
    assert len(np.unique(film.values)) == len(np.unique(ramp()))  # none is lost
    assert agrees(path)


@pytest.mark.filterwarnings("ignore")
def test_windows_are_in_the_units_of_the_values(tmp_path):
    path = dicom(tmp_path, ramp(), WindowCenter=[1000, 2000], WindowWidth=[600, 51])
    assert read_deep(path).windows == ((1000.0, 600.0), (2000.0, 51.0))
    headers = {"WindowCenter": 1000, "WindowWidth": 601}
    path = dicom(tmp_path, ramp(), PhotometricInterpretation="MONOCHROME1", **headers)
    inverted = read_deep(path)
    assert inverted.windows == ((4096 - 1000.0, 601.0),)
    scaled = {"RescaleSlope": 2, "RescaleIntercept": -1000}
    path = dicom(tmp_path, ramp(), WindowCenter=1000.5, WindowWidth=601, **scaled)
    assert read_deep(path).windows == ((1000.5, 301.0),)


@pytest.mark.filterwarnings("ignore")
def test_a_voi_table_bends_the_curve_and_a_modality_table_makes_the_values(tmp_path):
    bent = (np.linspace(0, 1, 2048) ** 2 * 255).round()
    path = dicom(tmp_path, ramp(), VOILUTSequence=table(1000, bent))
    film = read_deep(path)
    assert film.windows == ((2024.0, 2048.0),)
    assert agrees(path)
    assert looked_at(film)[film.values == 2024].max() < 80  # not half of white
    path = dicom(tmp_path, ramp(), ModalityLUTSequence=table(0, np.arange(4096) // 2 + 100, 12))
    film = read_deep(path)
    assert (film.values == ramp() // 2).all()
    assert agrees(path)


@pytest.mark.filterwarnings("ignore")
def test_signed_values_count_from_zero_and_padding_is_black(tmp_path):
    values = ramp().astype(np.int32) - 2048
    path = dicom(
        tmp_path,
        (values & 0xFFFF),
        bits=16,
        PixelRepresentation=1,
        WindowCenter=0,
        WindowWidth=4096,
    )
    film = read_deep(path)
    assert (film.values == values + 2**15).all()
    assert agrees(path)
    padded = ramp()
    padded[:8] = 4095
    path = dicom(tmp_path, padded, PixelPaddingValue=4095, PhotometricInterpretation="MONOCHROME1")
    assert (read_deep(path).values[:8] == 0).all()
    assert agrees(path)


def test_large_films_are_averaged_by_squares():
    values = np.zeros((7, 6), np.uint16)
    values[:3, :3] = 65535
    values[0, 0] = 0
    smaller, side = made_smaller(values, 3)
    assert side == 3
    assert smaller.tolist() == [[58253, 0], [0, 0]]
    assert made_smaller(values, 7)[0] is values
