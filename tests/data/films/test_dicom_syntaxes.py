"""Every transfer syntax that pydicom's own files hold, with optional decoders and without.

The files are CTs and the like; called radiographs, they are read as far as a decoder goes.
"""

from pathlib import Path

import pytest

pydicom = pytest.importorskip("pydicom")

from pydicom.pixels import get_decoder  # noqa: E402

from orapo.data.convert import convert  # noqa: E402
from orapo.data.films.images import read_image  # noqa: E402
from orapo.data.loaded import Loaded, Place  # noqa: E402
from orapo.data.study import Study  # noqa: E402
from orapo.errors import OrapoError  # noqa: E402

FILES = Path(pydicom.__file__).parent / "data/test_files"
NEEDS = "needs a decoder that is not installed: pip install {}"
BROKEN = "PixelData is truncated or broken"
# name: without any optional decoder, and what must be installed to read it
BUNDLED = {
    "JPGExtended.dcm": (NEEDS.format("pylibjpeg pylibjpeg-libjpeg"), "libjpeg"),  # 12 bits, intact
    "JPEG2000.dcm": ("", ""),  # Pillow reads it
    "693_J2KI.dcm": ("", ""),
    "MR_small_jp2klossless.dcm": ("", ""),
    "MR_small_RLE.dcm": ("", ""),  # pydicom itself
    "MR_small_jpeg_ls_lossless.dcm": (NEEDS.format("pyjpegls"), "jpeg_ls"),
    "image_dfl.dcm": ("", ""),
    # a frame's end in the middle of its data, on purpose
    "JPEG2000-embedded-sequence-delimiter.dcm": (BROKEN, None),
    # a spectral selection that JPEG doesn't allow: broken, which only the decoder can tell
    "JPEG-lossy.dcm": (NEEDS.format("pylibjpeg pylibjpeg-libjpeg"), None),
}


def radiograph(folder, name):
    dataset = pydicom.dcmread(FILES / name)
    dataset.Modality = "DX"
    dataset.BodyPartExamined = "CHEST"
    path = folder / name
    dataset.save_as(path)
    return path


@pytest.fixture
def bare(monkeypatch):
    """No optional decoder is installed, but those that come with what orapo needs anyway."""
    for name in BUNDLED:
        syntax = pydicom.dcmread(FILES / name, stop_before_pixels=True).file_meta.TransferSyntaxUID
        if not syntax.is_encapsulated:
            continue
        decoder = get_decoder(syntax)
        kept = {n: one for n, one in decoder._available.items() if n in ("pillow", "pydicom")}
        lost = dict.fromkeys(decoder._available.keys() - kept.keys(), ("removed",))
        monkeypatch.setattr(decoder, "_available", kept)
        monkeypatch.setattr(decoder, "_unavailable", {**decoder._unavailable, **lost})


@pytest.mark.parametrize("name", BUNDLED)
def test_without_optional_decoders_a_film_is_read_or_the_decoder_named(tmp_path, bare, name):
    expected, _ = BUNDLED[name]
    path = radiograph(tmp_path, name)
    if not expected:
        assert read_image(path).getextrema()[1] > 0
        return
    with pytest.raises(OrapoError) as caught:
        read_image(path)
    assert expected in str(caught.value)
    if "decoder" in expected:
        assert "broken" not in str(caught.value)
        assert "truncated" not in str(caught.value)


@pytest.mark.parametrize("name", BUNDLED)
def test_with_its_decoder_a_film_is_read(tmp_path, name):
    _, module = BUNDLED[name]
    path = radiograph(tmp_path, name)
    if module is None:
        with pytest.raises(OrapoError):
            read_image(path)
        return
    if module:
        pytest.importorskip(module)
    assert read_image(path).getextrema()[1] > 0


def test_every_grey_syntax_of_pydicoms_files_is_in_the_table():
    held = set()
    for path in FILES.rglob("*.dcm"):
        try:
            dataset = pydicom.dcmread(path, stop_before_pixels=True)
            syntax = dataset.file_meta.TransferSyntaxUID
            frames = int(dataset.get("NumberOfFrames") or 1)
        except Exception:
            continue
        one = dataset.get("SamplesPerPixel") == 1 and frames == 1
        if syntax.is_compressed and one and min(dataset.Rows, dataset.Columns) >= 32:
            held.add(syntax)
    read = {
        pydicom.dcmread(FILES / name, stop_before_pixels=True).file_meta.TransferSyntaxUID
        for name in BUNDLED
    }
    assert held <= read


def test_a_good_film_without_a_decoder_is_not_left_out_as_a_bad_one(tmp_path, bare):
    images = [radiograph(tmp_path, name) for name in ("JPGExtended.dcm", "JPEG2000.dcm")]
    studies = [Study(study_id=str(n), images=(path,), report="x") for n, path in enumerate(images)]
    loaded = Loaded("test", studies, [Place(tmp_path, n) for n in (1, 2)], [], {})
    done = convert(loaded, tmp_path / "out", made_from="test", skip_bad=True)
    assert done.manifest is None
    assert "pip install pylibjpeg" in done.problems[0].sentence
