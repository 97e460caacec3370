"""Planes and coefficients against jpeglib, which reads them out of the file."""

from __future__ import annotations

import io
import struct

import jpeglib
import numpy as np
import pytest
from PIL import Image

from restora.jpeg import dct, inspect
from restora.jpeg.coefficients import read_coefficients
from restora.jpeg.planes import NoBins, PlaneReader


def read_planes(data, facts):
    """The decoded planes, each at its own sampling and without what fills up the last blocks."""
    reader = PlaneReader(data, facts)
    return tuple(
        plane[: -(-facts.height_px // down), : -(-facts.width_px // across)]
        for plane, (across, down) in zip(reader.planes(), reader.ratios, strict=True)
    )


def picture(height=61, width=75, seed=3):
    """Smooth colours, noise, and areas that are black and white to the end of the scale."""
    rng = np.random.default_rng(seed)
    down, across = np.mgrid[0:height, 0:width]
    planes = np.stack([across * 3 + down, 250 - across * 2, down * 4], axis=-1)
    pixels = planes * 0.6 + rng.normal(20, 12, (height, width, 3))
    pixels[20:40, 10:30] = 255
    pixels[30:50, 25:50] = 0
    pixels[5:12, 40:70:2] = 255
    return np.clip(pixels, 0, 255).astype(np.uint8)


def saved(pixels, *, gray=False, **options):
    buffer = io.BytesIO()
    Image.fromarray(pixels).convert("L" if gray else "RGB").save(buffer, "JPEG", **options)
    return buffer.getvalue()


def true_numbers(data, path):
    path.write_bytes(data)
    read = jpeglib.read_dct(str(path))
    return [read.Y] if read.Cb is None else [read.Y, read.Cb, read.Cr]


def with_sampling(data, *factors):
    """Other sampling factors in the header; the coded data then means something else."""
    at = data.index(b"\xff\xc0") + 10
    patched = bytearray(data)
    for index, factor in enumerate(factors):
        patched[at + 3 * index + 1] = factor
    return bytes(patched)


@pytest.mark.parametrize("sampling", ["gray", "4:4:4", "4:2:2", "4:2:0"])
@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("quality", [5, 30, 75])
def test_coefficients_are_the_files_own(tmp_path, sampling, progressive, quality):
    gray = sampling == "gray"
    options = {} if gray else {"subsampling": sampling}
    data = saved(picture(), gray=gray, quality=quality, progressive=progressive, **options)
    found = read_coefficients(data, inspect(data, name="a"))
    for component, truth in zip(found, true_numbers(data, tmp_path / "a.jpg"), strict=True):
        rows, columns = component.quantised.shape[:2]
        unequal = component.quantised != truth[:rows, :columns]
        assert not unequal[component.known].any()
        assert component.known.mean() > (0.97 if sampling != "4:2:2" else 0.8)


@pytest.mark.parametrize("quality", [85, 92, 97])
def test_fine_steps_are_known_or_said_to_be_unknown(tmp_path, quality):
    data = saved(picture(160, 160), quality=quality, subsampling="4:2:0")
    found = read_coefficients(data, inspect(data, name="a"))
    for component, truth in zip(found, true_numbers(data, tmp_path / "a.jpg"), strict=True):
        rows, columns = component.quantised.shape[:2]
        unequal = component.quantised != truth[:rows, :columns]
        assert unequal[component.known].mean() < 1e-3


@pytest.mark.parametrize("size", [(8, 8), (1, 1), (9, 17), (16, 7), (33, 40)])
@pytest.mark.parametrize("progressive", [False, True])
def test_any_size(tmp_path, size, progressive):
    data = saved(picture(*size), quality=50, subsampling="4:2:0", progressive=progressive)
    found = read_coefficients(data, inspect(data, name="a"))
    for component, truth in zip(found, true_numbers(data, tmp_path / "a.jpg"), strict=True):
        rows, columns = component.quantised.shape[:2]
        assert (component.quantised == truth[:rows, :columns])[component.known].all()


def test_4_4_0_too(tmp_path):
    data = saved(picture(64, 64), quality=50, subsampling="4:2:2")
    data = with_sampling(data, 0x12, 0x11, 0x11)  # the same number of blocks, otherwise laid out
    facts = inspect(data, name="a")
    assert facts.sampling == "4:4:0"
    found = read_coefficients(data, facts)
    for component, truth in zip(found, true_numbers(data, tmp_path / "a.jpg"), strict=True):
        assert (component.quantised == truth)[component.known].all()
        assert component.known.mean() > 0.8


@pytest.mark.parametrize(("sampling", "off"), [("4:4:4", 1), ("4:2:0", 1), ("4:2:2", 2)])
def test_planes_are_the_decoded_coefficients(tmp_path, sampling, off):
    data = saved(picture(), quality=40, subsampling=sampling)
    facts = inspect(data, name="a")
    across, down = {"4:4:4": (1, 1), "4:2:0": (2, 2), "4:2:2": (2, 1)}[sampling]
    planes = read_planes(data, facts)
    assert planes[0].shape == (61, 75)
    assert planes[1].shape == planes[2].shape == (-(-61 // down), -(-75 // across))
    for index, (plane, truth) in enumerate(
        zip(planes, true_numbers(data, tmp_path / "a.jpg"), strict=True)
    ):
        blocks = dct.inverse(truth * facts.table(index).astype(float), dct.dct_matrix())
        expected = np.clip(np.rint(dct.from_blocks(blocks) + 128), 0, 255)
        height, width = plane.shape
        assert np.abs(plane - expected[:height, :width]).max() <= off


def test_metadata_and_further_pictures_do_not_matter():
    plain = saved(picture(), quality=40)
    exif = Image.Exif()
    exif[0x0112] = 6
    tagged = saved(picture(), quality=40, exif=exif, comment=b"hello") + plain
    for ours, other in zip(
        read_planes(tagged, inspect(tagged, name="a")),
        read_planes(plain, inspect(plain, name="a")),
        strict=True,
    ):
        assert (ours == other).all()


def test_several_tables_in_a_slot_and_of_16_bits(tmp_path):
    data = saved(picture(), gray=True, quality=30)
    at = data.index(b"\xff\xdb")
    payload = data[at + 5 : at + 69]
    wide = struct.pack(">HHB", 0xFFDB, 131, 0x10) + b"".join(bytes([0, value]) for value in payload)
    junk = struct.pack(">HHB", 0xFFDB, 67, 0) + bytes([7] * 64)
    changed = data[:at] + junk + wide + data[at + 69 :]
    changed = changed.replace(b"\xff\xc0", b"\xff\xc1")  # baseline allows 8 bits only
    (found,) = read_coefficients(changed, inspect(changed, name="a"))
    (truth,) = true_numbers(data, tmp_path / "a.jpg")
    assert (found.quantised == truth).all()


def unfit():
    data = saved(picture(), quality=50, subsampling="4:4:4")
    twelve = bytearray(data)
    twelve[data.index(b"\xff\xc0") + 4] = 12
    ink = io.BytesIO()
    Image.fromarray(picture()).convert("CMYK").save(ink, "JPEG")
    no_table = data.replace(b"\xff\xdb", b"\xff\xfe")
    return {
        "its samples have 12 bits": bytes(twelve),
        "its colours are CMYK": ink.getvalue(),
        "its colours are RGB": saved(picture(), keep_rgb=True),
        "the file is cut off": data[:-400],
        "a quantisation table is missing or damaged": no_table,
        "its coding is arithmetic": data.replace(b"\xff\xc0", b"\xff\xc9"),
        "its coding is lossless": data.replace(b"\xff\xc0", b"\xff\xc3"),
        "its colour sampling, 4:1:1, is an unusual one": with_sampling(data, 0x41, 0x11, 0x11),
        "its colour sampling, 1×1 2×1 1×1, is an unusual one": with_sampling(
            data, 0x11, 0x21, 0x11
        ),
    }


@pytest.mark.parametrize("reason", unfit())
def test_why_not(reason):
    data = unfit()[reason]
    with pytest.raises(NoBins) as caught:
        read_planes(data, inspect(data, name="a"))
    assert str(caught.value) == reason
