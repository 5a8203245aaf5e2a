"""Films from picture files: one mode out of every mode, and no half-read picture passed on."""

import os
import struct
import sys
import zlib

import numpy as np
import pytest
from PIL import Image, ImageFile

from orapo.data.films.image_files import find_images
from orapo.data.films.images import read_image
from orapo.errors import OrapoError

SMOOTH = 6  # JPEG's own error, in grey values


@pytest.fixture(scope="module")
def film():
    """A picture without symmetry: a ramp with a bright corner and some grain."""
    grid = np.add.outer(np.arange(40), 2 * np.arange(60)).astype(np.float64)
    grid += np.random.default_rng(0).normal(0, 2, grid.shape)
    grid[:8, :8] = 250
    return Image.fromarray(grid.clip(0, 255).astype(np.uint8))


def distance(path, film):
    got = read_image(path)
    assert got.mode == "L"
    assert got.size == film.size
    return np.abs(np.asarray(got, float) - np.asarray(film, float)).mean()


def wide(film, bits):
    values = np.asarray(film).astype(np.float64) * ((2**bits - 1) / 255)
    return Image.fromarray(values.round().astype(np.uint16))


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "P", "CMYK", "I"])
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_every_mode_gives_the_same_grey_picture(tmp_path, film, mode, suffix):
    if suffix == "png" and mode in ("CMYK", "I"):
        pytest.skip(f"PNG has no {mode}")
    path = tmp_path / f"film.{suffix}"
    film.convert("RGB" if mode == "CMYK" else "L").convert(mode).save(path)
    assert distance(path, film) < 1


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
def test_any_detector_depth_in_16_bits_uses_the_full_range(tmp_path, film, bits):
    bright = np.asarray(film).copy()
    bright[0, 0] = 255
    path = tmp_path / "film.png"
    wide(bright, bits).save(path)
    assert distance(path, Image.fromarray(bright)) < 1


def test_big_endian_16_bits_and_floats_are_read_alike(tmp_path, film):
    bright = np.asarray(film).copy()
    bright[0, 0] = 255
    Image.fromarray((bright.astype(np.float32)) / 255).save(tmp_path / "float.tif")
    Image.fromarray(np.asarray(wide(bright, 16)).astype(">u2")).save(tmp_path / "big.tif")
    for name in ("float.tif", "big.tif"):
        assert distance(tmp_path / name, Image.fromarray(bright)) < 1


def chunk(kind, data):
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


def png(path, values, colours, interlaced=0, height=None):
    """A 16-bit PNG of one of the kinds that Pillow doesn't write."""
    there, width, _ = values.shape
    head = struct.pack(">IIBBBBB", width, height or there, 16, colours, 0, 0, interlaced)
    rows = b"".join(
        b"\0" + row.astype(">u2").tobytes()
        for x, y, across, down in (ADAM7 if interlaced else ((0, 0, 1, 1),))
        for row in values[y::down, x::across]
    )
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)


ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]  # fmt: skip


@pytest.mark.parametrize(("colours", "bands"), [(0, 1), (2, 3), (4, 2), (6, 4)])
@pytest.mark.parametrize("bits", [12, 16])
@pytest.mark.parametrize("interlaced", [0, 1])
def test_16_bits_are_read_whatever_the_colours(tmp_path, film, colours, bands, bits, interlaced):
    bright = np.asarray(film).copy()
    bright[0, 0] = 255
    values = np.repeat(np.asarray(wide(bright, bits))[..., None], bands, axis=2)
    if colours in (4, 6):
        values[..., -1] = 65535
    png(tmp_path / "film.png", values, colours, interlaced)
    assert distance(tmp_path / "film.png", Image.fromarray(bright)) < 1
    if colours in (4, 6):
        values[:20, :, -1] = 0
        png(tmp_path / "film.png", values, colours, interlaced)
        got = np.asarray(read_image(tmp_path / "film.png"))
        assert not got[:20].any(), "transparent: black"
        assert got[20:].all()


def test_each_colour_of_16_bits_has_its_weight(tmp_path):
    values = np.zeros((20, 20, 3), np.uint16)
    values[:10, :, 0], values[:10, :, 1], values[10:] = 4000, 255, 65535
    png(tmp_path / "film.png", values, 2)
    got = np.asarray(read_image(tmp_path / "film.png"))
    assert got[0, 0] == round((0.299 * 4000 + 0.587 * 255) / 65535 * 255)
    assert got[-1, 0] == 255


@pytest.mark.parametrize("interlaced", [0, 1])
@pytest.mark.parametrize("colours", [0, 2])
@pytest.mark.parametrize("rows", [1, 20, 38, 39])
def test_a_png_whose_data_end_before_its_last_row_is_refused(
    tmp_path, film, rows, colours, interlaced
):
    values = np.repeat(np.asarray(wide(film, 16))[..., None], 3 if colours else 1, axis=2)
    path = tmp_path / "short.png"
    png(path, values[:rows], colours, interlaced, height=40)
    with pytest.raises(OrapoError, match=r"short\.png: broken or truncated image \("):
        read_image(path)


@pytest.mark.parametrize("interlaced", [0, 1])
@pytest.mark.parametrize(("height", "width"), [(40, 60), (17, 19), (33, 16)])
def test_a_png_that_ends_black_is_none_of_them(tmp_path, interlaced, height, width):
    values = np.full((height, width, 1), 30000, np.uint16)
    values[-5:] = 0
    png(tmp_path / "film.png", values, 0, interlaced)
    assert not np.asarray(read_image(tmp_path / "film.png"))[-5:].any()


def tiff(path, values, photometric, orientation=1):
    """A plain TIFF of 16 bits."""
    height, width, bands = values.shape
    data = values.astype("<u2").tobytes()
    bits = struct.pack("<HHIHH", 258, 3, bands, 16, 0)
    if bands > 2:
        bits = struct.pack("<HHII", 258, 3, bands, 8)
    tags = [
        *(struct.pack("<HHII", tag, 4, 1, value) for tag, value in ((256, width), (257, height))),
        *(bits, struct.pack("<HHIHH", 259, 3, 1, 1, 0)),
        *(struct.pack("<HHIHH", 262, 3, 1, photometric, 0), struct.pack("<HHII", 273, 4, 1, 16)),
        struct.pack("<HHIHH", 274, 3, 1, orientation, 0),
        *(struct.pack("<HHIHH", 277, 3, 1, bands, 0), struct.pack("<HHII", 278, 4, 1, height)),
        struct.pack("<HHII", 279, 4, 1, len(data)),
    ]
    head = b"II*\0" + struct.pack("<I", 16 + len(data)) + struct.pack("<4H", 16, 16, 16, 16)
    path.write_bytes(head + data + struct.pack("<H", len(tags)) + b"".join(tags) + bytes(4))


@pytest.mark.parametrize("bits", [12, 16])
def test_16_bits_of_a_tiff_are_inverted_where_zero_is_white(tmp_path, film, bits):
    stretched = np.asarray(film).copy()
    stretched[0, :2] = (0, 255)
    values = np.asarray(wide(stretched, bits))[..., None]
    tiff(tmp_path / "one.tif", values, 1)
    assert distance(tmp_path / "one.tif", Image.fromarray(stretched)) < 1
    tiff(tmp_path / "zero.tif", 2**bits - 1 - values.astype(int), 0)
    assert distance(tmp_path / "zero.tif", Image.fromarray(stretched)) < 1


@pytest.mark.parametrize("bits", [12, 16])
def test_16_bits_of_a_tiff_in_colour_are_read(tmp_path, film, bits):
    bright = np.asarray(film).copy()
    bright[0, 0] = 255
    values = np.repeat(np.asarray(wide(bright, bits))[..., None], 3, axis=2)
    tiff(tmp_path / "film.tif", values, 2)
    assert distance(tmp_path / "film.tif", Image.fromarray(bright)) < 1


def test_16_bits_in_a_form_that_cannot_be_split_are_refused(tmp_path, film):
    tiff(tmp_path / "film.tif", np.repeat(np.asarray(wide(film, 12))[..., None], 4, axis=2), 5)
    with pytest.raises(OrapoError, match=r"film\.tif: 16 bits with colours [^\n]+$"):
        read_image(tmp_path / "film.tif")


def test_a_tiff_that_names_fewer_strips_than_it_has_is_refused(tmp_path, film):
    path = tmp_path / "film.tif"
    film.save(path, tiffinfo={278: 10})  # rows per strip
    data = path.read_bytes()
    for tag in (273, 279):  # where the strips lie, and how long they are
        of_four = [struct.pack("<HHI", tag, kind, 4) for kind in (3, 4)]
        (entry,) = [entry for entry in of_four if entry in data]
        data = data.replace(entry, entry[:4] + struct.pack("<I", 3))
    path.write_bytes(data)
    with pytest.raises(OrapoError, match=r"film\.tif: broken or truncated image \(parts"):
        read_image(path)


def test_palette_indices_are_no_grey_values(tmp_path, film):
    order = np.random.default_rng(1).permutation(256).astype(np.uint8)
    coded = Image.fromarray(order[np.asarray(film)], mode="P")
    palette = np.zeros((256, 3), np.uint8)
    palette[order] = np.arange(256)[:, None]
    coded.putpalette(palette.tobytes())
    coded.save(tmp_path / "film.png", transparency=int(order[255]))
    assert distance(tmp_path / "film.png", film) < 1


def test_transparency_lies_over_black(tmp_path, film):
    clear = film.convert("LA")
    clear.putalpha(
        Image.fromarray(np.where(np.arange(60) < 30, 255, 0)[None].repeat(40, 0).astype(np.uint8))
    )
    clear.save(tmp_path / "film.png")
    got = np.asarray(read_image(tmp_path / "film.png"))
    assert (got[:, 30:] == 0).all()
    assert np.array_equal(got[:, :30], np.asarray(film)[:, :30])


@pytest.mark.parametrize("adobe", [True, False])
def test_cmyk_has_the_right_polarity_with_adobes_mark_and_without(tmp_path, film, adobe):
    path = tmp_path / "film.jpg"
    ink = film.convert("RGB").convert("CMYK")
    if not adobe:  # Pillow writes inverted values and the mark; without it they must not be
        ink = Image.merge("CMYK", [band.point(lambda v: 255 - v) for band in ink.split()])
    ink.save(path, quality=95)
    if not adobe:
        data = path.read_bytes()
        start = data.index(b"\xff\xee")
        length = struct.unpack(">H", data[start + 2 : start + 4])[0]
        path.write_bytes(data[:start] + data[start + 2 + length :])
    assert distance(path, film) < SMOOTH


def turned_back(film, orientation):
    """The film as it lies in a file whose orientation makes it upright again."""
    undo = {
        2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM", 5: "TRANSPOSE",
        6: "ROTATE_90", 7: "TRANSVERSE", 8: "ROTATE_270",
    }  # fmt: skip
    if orientation not in undo:
        return film
    return film.transpose(getattr(Image.Transpose, undo[orientation]))


@pytest.mark.parametrize(
    ("suffix", "how"),
    [
        ("jpg", {}),
        ("png", {}),
        ("tif", {}),  # raw pixels, which Pillow maps
        ("tif", {"compression": "tiff_lzw"}),
        ("tif", {"compression": "packbits"}),
    ],
)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path, film, orientation, suffix, how):
    path = tmp_path / f"film.{suffix}"
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned_back(film, orientation).save(path, exif=exif, **how)
    assert distance(path, film) < SMOOTH


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("photometric", [1, 2])
def test_a_tiff_of_16_bits_is_turned_in_grey_and_in_colour(
    tmp_path, film, orientation, photometric
):
    values = np.asarray(turned_back(film, orientation)).astype(np.uint16)[..., None] * 256
    if photometric == 2:
        values = np.repeat(values, 3, axis=2)
    tiff(tmp_path / "film.tif", values, photometric, orientation)
    assert distance(tmp_path / "film.tif", film) < 1


@pytest.mark.parametrize(
    ("kind", "name"), [("PNG", "film.jpg"), ("JPEG", "film.png"), ("PNG", "f.txt")]
)
def test_the_content_decides_and_not_the_name(tmp_path, film, kind, name):
    film.save(tmp_path / name, kind)
    assert distance(tmp_path / name, film) < SMOOTH


def encoded(film, tmp_path, kind, **options):
    path = tmp_path / "whole"
    film.save(path, kind, **options)
    return path.read_bytes()


@pytest.mark.parametrize(
    ("kind", "options"),
    [("PNG", {}), ("JPEG", {}), ("JPEG", {"progressive": True}), ("TIFF", {}), ("BMP", {})],
)
@pytest.mark.parametrize("lenient", [False, True])
def test_a_file_cut_anywhere_is_refused(tmp_path, film, kind, options, lenient, monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", lenient)
    data = encoded(film, tmp_path, kind, **options)
    path = tmp_path / "cut.png"
    for end in range(1, len(data) - 12, max(1, len(data) // 60)):
        path.write_bytes(data[:end])
        with pytest.raises(OrapoError, match=r"cut\.png: "):
            read_image(path)
    assert ImageFile.LOAD_TRUNCATED_IMAGES is lenient


@pytest.mark.parametrize(
    ("kind", "options"), [("PNG", {}), ("JPEG", {}), ("JPEG", {"progressive": True})]
)
def test_a_file_whose_end_was_never_written_is_refused(tmp_path, film, kind, options):
    data = encoded(film, tmp_path, kind, **options)
    path = tmp_path / "zeros.png"
    for end in range(1, len(data) - 12, max(1, len(data) // 60)):
        path.write_bytes(data[:end] + bytes(len(data) - end))
        with pytest.raises(OrapoError, match=r"zeros\.png: "):
            read_image(path)


@pytest.mark.parametrize("share", [0.3, 0.5, 0.9])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_blocks": 4}])
def test_a_noisy_film_whose_second_half_was_never_written_is_refused(tmp_path, share, options):
    noise = np.random.default_rng(0).integers(0, 256, (300, 400), dtype=np.uint8)
    data = encoded(Image.fromarray(noise), tmp_path, "JPEG", **options)
    path, end = tmp_path / "half.jpg", int(len(data) * share)
    path.write_bytes(data[:end] + bytes(len(data) - end))
    with pytest.raises(OrapoError, match=r"half\.jpg: "):
        read_image(path)


@pytest.mark.parametrize(
    "after",
    [b"", b"\n", bytes(2**16 - 1), bytes(2**16), bytes(200_000), b"made by X", b"x" + bytes(70)],
)
def test_what_follows_a_jpeg_pictures_end_does_no_harm(tmp_path, film, after):
    data = encoded(film, tmp_path, "JPEG", quality=95)
    for fill in range(3):  # the mark may lie across two parts that are read
        (tmp_path / "film.jpg").write_bytes(data + after + bytes(fill))
        assert distance(tmp_path / "film.jpg", film) < SMOOTH


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_blocks": 4}])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_jpeg_that_was_cut_and_closed_with_an_end_mark_is_refused(tmp_path, mode, options, share):
    noise = np.random.default_rng(0).integers(0, 256, (300, 400), dtype=np.uint8)
    data = encoded(Image.fromarray(noise).convert("RGB").convert(mode), tmp_path, "JPEG", **options)
    path = tmp_path / "half.jpg"
    path.write_bytes(data[: int(len(data) * share)] + b"\xff\xd9")
    with pytest.raises(OrapoError, match=r"half\.jpg: broken or truncated image \(Corrupt"):
        read_image(path)


def test_a_jpeg_whose_middle_was_never_written_is_refused(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (300, 400), dtype=np.uint8)
    data = encoded(Image.fromarray(noise), tmp_path, "JPEG")
    path, middle = tmp_path / "hole.jpg", len(data) // 2
    path.write_bytes(data[:middle] + bytes(4096) + data[middle + 4096 :])
    with pytest.raises(OrapoError, match=r"hole\.jpg: broken or truncated image"):
        read_image(path)


def test_one_wrong_byte_in_a_png_is_noticed(tmp_path, film):
    data = encoded(film, tmp_path, "PNG")
    path = tmp_path / "flipped.png"
    for place in range(45, len(data) - 20, max(1, len(data) // 60)):
        path.write_bytes(data[:place] + bytes([data[place] ^ 0x55]) + data[place + 1 :])
        with pytest.raises(OrapoError, match=r"flipped\.png: "):
            read_image(path)


def bomb(path, width, height):
    """A PNG that says it has so many pixels, and holds none."""
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)


@pytest.mark.parametrize(("width", "height"), [(10_001, 10_000), (30_000, 30_000)])
def test_the_pixel_limit_answers_before_anything_is_decoded(tmp_path, width, height):
    bomb(tmp_path / "bomb.png", width, height)
    with pytest.raises(OrapoError, match=r"bomb\.png: .*limit of 100,000,000"):
        read_image(tmp_path / "bomb.png")


def animation(path, film):
    film.save(path, "GIF", save_all=True, append_images=[film.rotate(90)])


def many_pages(path, film):
    film.save(path, "TIFF", save_all=True, append_images=[film, film])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path, film: path.write_bytes(b""), "the file is empty"),
        (lambda path, film: path.write_text("no picture, only a text"), "not an image"),
        (lambda path, film: path.write_text("%!PS-Adobe-3.0 EPSF-3.0\n"), "not an image"),
        (lambda path, film: path.mkdir(), "is a folder"),
        (lambda path, film: os.mkfifo(path), "is no ordinary file"),
        (lambda path, film: None, "can't be read .No such file"),
        (lambda path, film: film.resize((15, 40)).save(path), "too few for a radiograph"),
        (lambda path, film: Image.new("L", (40, 40), 7).save(path), "every pixel has the same"),
        (lambda path, film: Image.new("RGBA", (40, 40)).save(path), "every pixel has the same"),
        (animation, "several frames"),
        (many_pages, "several frames"),
        (
            lambda path, film: Image.fromarray(np.full((20, 20), -1.0, np.float32)).save(path, "TIFF"),
            "expected pixel values",
        ),
    ],
)  # fmt: skip
def test_what_is_no_film_is_refused_in_a_sentence_with_its_name(tmp_path, film, make, message):
    path = tmp_path / "wrong.png"
    make(path, film)
    with pytest.raises(OrapoError, match=rf"wrong\.png: .*{message}") as caught:
        read_image(path)
    assert "\n" not in str(caught.value)


def test_folders_give_their_images_sorted_and_leave_out_what_the_system_put_there(tmp_path, film):
    (tmp_path / "sub").mkdir()
    for name in ("b.png", "a.JPG", "sub/c.jpeg"):
        film.save(tmp_path / name)
    (tmp_path / "._b.png").write_bytes(b"x")
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "IM0001").write_bytes(bytes(128) + b"DICM")
    (tmp_path / "DICOMDIR").write_bytes(bytes(128) + b"DICM")
    found = [path.relative_to(tmp_path).as_posix() for path in find_images([tmp_path])]
    assert found == ["IM0001", "a.JPG", "b.png", "sub/c.jpeg"]
    with pytest.raises(OrapoError, match="no such file"):
        find_images([tmp_path / "nowhere"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(OrapoError, match=r"no image files \(\.png, .*\.dcm"):
        find_images([tmp_path / "empty"])


def test_a_folder_that_cannot_be_opened_is_named_and_not_passed_over(tmp_path, film, monkeypatch):
    (tmp_path / "closed").mkdir()
    film.save(tmp_path / "film.png")
    scandir = os.scandir

    def refused(path):
        if os.fspath(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refused)
    with pytest.raises(OrapoError, match=r"closed: can't be read \(Permission denied\)"):
        find_images([tmp_path])


def test_dicom_without_pydicom_names_the_extra(tmp_path, monkeypatch):
    (tmp_path / "film.dcm").write_bytes(bytes(128) + b"DICM")
    monkeypatch.setitem(sys.modules, "orapo.data.films.dicom", None)
    with pytest.raises(OrapoError, match=r"film\.dcm: .*extra \[dicom\]"):
        read_image(tmp_path / "film.dcm")
