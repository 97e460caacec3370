"""TIFF from many writers: the right pixels, and a word about everything that is not taken."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
import tifffile
from PIL import Image

from restora.errors import InputError
from restora.images import encode, read_bytes

HEIGHT, WIDTH = 6, 11


def message(data, **options):
    with pytest.raises(InputError) as caught:
        read_bytes(data, name="a.tif", **options)
    return str(caught.value)


def written(samples, **options):
    out = io.BytesIO()
    tifffile.imwrite(out, samples, metadata=None, **options)
    return out.getvalue()


def tiff(tags, strip, order="<"):
    """A TIFF of one strip; ``tags`` are the types and values by tag."""
    tags = {
        256: (4, [WIDTH]), 257: (4, [HEIGHT]), 259: (3, [1]), 273: (4, [8]),
        279: (4, [len(strip)]),
    } | tags  # fmt: skip
    body, slots = strip + b"\0" * (len(strip) % 2), []
    for tag, (kind, values) in sorted(tags.items()):
        field = struct.pack(f"{order}{len(values)}{'H' if kind == 3 else 'I'}", *values)
        if len(field) > 4:
            at, body = 8 + len(body), body + field
            field = struct.pack(order + "I", at)
        slots.append(struct.pack(order + "HHI", tag, kind, len(values)) + field.ljust(4, b"\0"))
    start = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8 + len(body))
    return start + body + struct.pack(order + "H", len(slots)) + b"".join(slots) + bytes(4)


def numbers(picture):
    return np.rint(picture.pixels * ((1 << picture.bits) - 1)).astype(int)


# ---- channels


@pytest.mark.parametrize("packing", [{}, {"compression": "zlib"}, {"tile": (16, 16)}])
@pytest.mark.parametrize("bits", [8, 16])
def test_gray_with_alpha_in_separate_planes(bits, packing, samples):
    both = samples(9, 12, 2, bits)
    data = written(
        np.moveaxis(both, -1, 0), photometric="minisblack", planarconfig="separate",
        extrasamples=["unassalpha"], **packing,
    )  # fmt: skip
    found = read_bytes(data, name="a.tif")
    assert found.left_out is None
    assert np.array_equal(numbers(found)[..., 0], both[..., 0])
    assert np.array_equal(found.alpha, both[..., 1])


@pytest.mark.parametrize("packing", [{}, {"compression": "zlib"}])
def test_five_separate_planes(packing, samples):
    five = samples(9, 12, 5)
    data = written(
        np.moveaxis(five, -1, 0), photometric="rgb", planarconfig="separate",
        extrasamples=["unassalpha", "unspecified"], **packing,
    )  # fmt: skip
    found = read_bytes(data, name="a.tif")
    assert np.array_equal(numbers(found), five[..., :3])
    assert np.array_equal(found.alpha, five[..., 3])
    assert found.left_out == "1 more channel"


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("planes", ["contig", "separate"])
@pytest.mark.parametrize(
    ("photometric", "extra", "left_out"),
    [
        ("rgb", ["unspecified"], "1 more channel"),
        ("separated", ["unspecified"], "1 more channel"),
        ("rgb", ["unassalpha", "unspecified"], "1 more channel"),
        ("rgb", ["unassalpha"], None),
        ("minisblack", ["unspecified"] * 2, "2 more channels"),
    ],
)
def test_channels_that_are_not_taken_are_told(photometric, extra, left_out, *, bits, planes,
                                              samples):  # fmt: skip
    colours = {"rgb": 3, "separated": 4, "minisblack": 1}[photometric]
    whole = samples(9, 12, colours + len(extra), bits)
    shown = np.moveaxis(whole, -1, 0) if planes == "separate" else whole
    data = written(shown, photometric=photometric, planarconfig=planes, extrasamples=extra)
    found = read_bytes(data, name="a.tif")
    assert np.array_equal(numbers(found), whole[..., :colours])
    assert found.left_out == left_out
    note = f"The file holds {left_out}, such as a mask or a spot colour; not taken."
    assert found.notes == ((note,) if left_out else ())


@pytest.mark.parametrize("mode", ["P", "1", "L", "LA", "RGBA", "CMYK", "YCbCr"])
def test_nothing_is_missing_in_whole_pictures(mode, smooth):
    out = io.BytesIO()
    Image.fromarray(smooth(8, 8)).convert(mode).save(out, "TIFF")
    found = read_bytes(out.getvalue(), name="a.tif")
    assert (found.notes, found.left_out) == ((), None)


# ---- meaning of the numbers


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("photometric", [0, 1, 3])
@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_bits_from_right_to_left(depth, photometric, order):
    rng = np.random.default_rng(depth)
    values = rng.integers(0, 1 << depth, (HEIGHT, WIDTH))
    bits = (values[..., None] >> np.arange(depth - 1, -1, -1)) & 1
    strip = np.packbits(bits.reshape(HEIGHT, -1).astype(np.uint8), axis=1, bitorder="little")
    tags = {258: (3, [depth]), 262: (3, [photometric]), 266: (3, [2]), 277: (3, [1])}
    wanted = values * (255 // ((1 << depth) - 1))
    wanted = (255 - wanted if photometric == 0 else wanted)[..., None]
    if photometric == 3:
        palette = rng.integers(0, 65536, (3, 1 << depth))
        tags[320] = (3, palette.ravel().tolist())
        wanted = (palette >> 8).T[values]
    found = read_bytes(tiff(tags, strip.tobytes(), order), name="a.tif")
    assert np.array_equal(numbers(found), wanted)


@pytest.mark.parametrize("subsampling", [{530: (3, [2, 2])}, {530: (3, [2, 1])}, {}])
@pytest.mark.parametrize("salvage", [False, True])
def test_plain_ycbcr_that_shares_colour_is_refused_by_name(subsampling, salvage):
    tags = {258: (3, [8, 8, 8]), 262: (3, [6]), 277: (3, [3])} | subsampling
    assert message(tiff(tags, bytes(HEIGHT * WIDTH * 2)), salvage=salvage) == (
        "a.tif holds uncompressed YCbCr whose pixels share their colour, which Restora does not "
        "read; save it as RGB."
    )


def test_plain_ycbcr_of_full_size_is_read():
    tags = {258: (3, [8, 8, 8]), 262: (3, [6]), 277: (3, [3]), 530: (3, [1, 1])}
    found = read_bytes(tiff(tags, bytes([90, 128, 128]) * HEIGHT * WIDTH), name="a.tif")
    assert set(numbers(found).ravel()) == {90}


def test_numbers_without_a_meaning_are_refused():
    tags = {258: (3, [8, 8, 8]), 277: (3, [3])}
    assert message(tiff(tags, bytes(HEIGHT * WIDTH * 3))) == (
        "a.tif does not say what its numbers mean: the TIFF tag PhotometricInterpretation is "
        "missing. Another program may know; save it from there."
    )


def test_kinds_of_samples_that_nobody_reads():
    data = tiff({258: (3, [8, 8]), 262: (3, [3]), 277: (3, [2]), 284: (3, [2]), 338: (3, [2]),
                 273: (4, [8, 8]), 279: (4, [66, 66]), 320: (3, [0] * 768)}, bytes(66))  # fmt: skip
    assert message(data) == (
        "a.tif holds samples of a kind that Restora does not read; it reads gray, RGB and CMYK at "
        "8 or 16 bits."
    )


# ---- files that end early


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("bits", [8, 16])
def test_a_few_bytes_missing_at_the_end_are_noticed(bits, big, samples):
    """They were once read from the directory that is put behind the file for the decoder."""
    whole = samples(20, 30, 3, bits) | 1
    data = written(whole, photometric="rgb", bigtiff=big)[:-40]
    assert message(data) == "a.tif is cut off. Use --salvage to restore the part that decodes."
    found = read_bytes(data, name="a.tif", salvage=True)
    assert found.notes == ("The file is damaged: about 19 of 20 rows (95 %) could be decoded.",)
    assert np.array_equal(numbers(found)[:19], whole[:19])


def test_packed_pixels_behind_the_end(samples):
    data = written(samples(20, 30, 3), photometric="rgb", compression="zlib", rowsperstrip=5)
    assert message(data[:-9]) == "a.tif is cut off. Use --salvage to restore the part that decodes."
    found = read_bytes(data[:-9], name="a.tif", salvage=True)
    assert found.notes[0].startswith("The file is damaged: ")
    assert np.array_equal(numbers(found)[:15], samples(20, 30, 3)[:15])


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("salvage", [False, True])
def test_no_salvage_is_promised_where_there_is_none(compression, salvage, samples):
    planes = np.moveaxis(samples(20, 30, 3, 16), -1, 0)
    data = written(planes, photometric="rgb", planarconfig="separate", compression=compression)
    for missing in (9, len(data) // 2):
        assert message(data[:-missing], salvage=salvage) == (
            "a.tif is cut off, and of a TIFF of its kind no part can be rescued."
        )


def test_salvage_of_16_bits_whose_low_bytes_are_zero(samples):
    whole = samples(20, 30, 3).astype(np.uint16) << 8 | 1 << 8
    data = written(whole, photometric="rgb", compression="zlib", rowsperstrip=5)
    found = read_bytes(data[: len(data) * 2 // 3], name="a.tif", salvage=True)
    assert np.array_equal(numbers(found)[:10], whole[:10])


# ---- metadata


@pytest.mark.parametrize("order", ["<", ">"])
def test_bigtiff_keeps_its_metadata(order, samples, icc):
    profile = icc(b"RGB ", 300_000)
    data = written(
        samples(5, 6, 3), photometric="rgb", bigtiff=True, byteorder=order, iccprofile=profile,
        resolution=(300, 200), resolutionunit="INCH", description="my caption",
        extratags=[(274, 3, 1, 6, True), (315, 2, 0, "Somebody", True), (700, 1, 3, b"<x>", True),
                   (33434, 5, 1, (1, 60), True)],
    )  # fmt: skip
    found = read_bytes(data, name="a.tif")
    assert (found.notes, found.left_out) == ((), None)
    assert found.metadata.icc == profile
    assert found.metadata.orientation == 6
    assert found.metadata.dpi == (300, 200)
    assert found.metadata.xmp == b"<x>"
    exif = Image.Exif()
    exif.load(found.metadata.exif)
    assert (exif[270], exif[315], exif[33434]) == ("my caption", "Somebody", 1 / 60)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("kind", "code"), [(4, "I"), (18, "Q")])
def test_bigtiff_keeps_the_directory_of_exif(kind, code, order, samples):
    data = written(
        samples(5, 6, 3), photometric="rgb", bigtiff=True, byteorder=order,
        extratags=[(65000, 16, 1, 0, True)],
    )  # fmt: skip
    lens = b"A lens of 50 mm\0"
    below = struct.pack(order + "QHHQQ", 1, 0xA434, 2, len(lens), len(data) + 36) + bytes(8) + lens
    place = struct.pack(order + code, len(data)).ljust(8, b"\0")
    slot = struct.pack(order + "HHQ", 34665, kind, 1) + place
    at = data.index(struct.pack(order + "HHQ", 65000, 16, 1))
    exif = Image.Exif()
    exif.load(read_bytes(data[:at] + slot + data[at + 20 :] + below, name="a").metadata.exif)
    assert exif.get_ifd(34665) == {0xA434: "A lens of 50 mm"}


@pytest.mark.parametrize("big", [False, True])
def test_the_layers_of_photoshop_are_not_metadata(big, samples, smooth):
    layers = b"Adobe Photoshop Document Data Block\0" + samples(300, 300, 1).tobytes()
    data = written(
        smooth(9, 12), photometric="rgb", bigtiff=big, software=False,
        extratags=[(37724, 7, len(layers), layers, True), (315, 2, 0, "Somebody", True),
                   (50706, 1, 4, (1, 4, 0, 0), True), (33432, 2, 0, "Mine", True)],
    )  # fmt: skip
    found = read_bytes(data, name="a.tif")
    note = "The file holds the layers of Photoshop; what they make together was taken."
    assert (found.notes, found.left_out) == ((note,), "the layers of Photoshop")
    for name in ("JPEG", "TIFF"):
        again = encode(found, format=name)
        assert b"Data Block" not in again
        exif = Image.Exif()
        exif.load(read_bytes(again, name="a").metadata.exif)
        assert exif[315] == "Somebody"
        assert set(exif) == {282, 283, 296, 315, 33432}
