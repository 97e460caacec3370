from __future__ import annotations

import io
import struct
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from restora.errors import InputError
from restora.jpeg import JpegFacts, inspect, libjpeg_tables
from restora.jpeg.markers import ZIGZAG


def looked_at(data):
    """Facts of damaged bytes, or nothing; any other outcome fails the test."""
    try:
        facts = inspect(data, name="x.jpg")
    except InputError as error:
        assert str(error).startswith("x.jpg ")
        assert str(error).endswith(".")
        return None
    assert JpegFacts.model_validate_json(facts.model_dump_json()) == facts
    assert all(label and text for label, text in facts.rows())
    return facts


# --- what a sound file says


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("progressive", [False, True])
def test_the_plain_facts(mode, progressive, save):
    data = save(mode, quality=66, progressive=progressive)
    facts = inspect(data, name="x.jpg")
    assert (facts.width_px, facts.height_px) == (56, 40)
    assert facts.file_size_bytes == len(data)
    assert facts.coding == ("progressive" if progressive else "baseline")
    assert (facts.scan_count > 1) == progressive
    assert facts.precision_bits == 8
    assert facts.colour_space == {"L": "gray", "RGB": "YCbCr", "CMYK": "CMYK"}[mode]
    assert facts.quality.quality == 66
    assert facts.bits_per_pixel == pytest.approx(8 * facts.coded_bytes / 56 / 40)
    assert 0 < facts.coded_bytes < len(data)
    assert facts.enough_data
    assert not facts.truncated
    assert facts.trailing_bytes == 0
    assert facts.remarks == ()


@pytest.mark.parametrize(("number", "text"), [(0, "4:4:4"), (1, "4:2:2"), (2, "4:2:0")])
def test_sampling_as_pillow_writes_it(number, text, save):
    assert inspect(save(subsampling=number), name="x").sampling == text


@pytest.mark.parametrize(
    ("factors", "text"),
    [
        ([(1, 1), (1, 1), (1, 1)], "4:4:4"),
        ([(2, 2), (2, 2), (2, 2)], "4:4:4"),
        ([(2, 2), (1, 2), (1, 2)], "4:2:2"),
        ([(1, 2), (1, 1), (1, 1)], "4:4:0"),
        ([(4, 1), (1, 1), (1, 1)], "4:1:1"),
        ([(4, 2), (1, 1), (1, 1)], "4:1:0"),
        ([(4, 4), (1, 2), (1, 2)], "4:1:0"),
        ([(1, 1), (2, 2), (2, 2)], "1×1 2×2 2×2"),
        ([(3, 1), (2, 1), (2, 1)], "3×1 2×1 2×1"),
        ([(2, 2), (1, 1), (2, 1)], "2×2 1×1 2×1"),
        ([(2, 2), (1, 1), (1, 1), (2, 2)], "4:2:0"),
        ([(2, 2), (1, 1), (1, 1), (1, 1)], "2×2 1×1 1×1 1×1"),
        ([(1, 1), (1, 1)], "1×1 1×1"),
        ([(2, 2)], None),
    ],
)
def test_sampling_text(factors, text, build):
    components = tuple((i + 1, across, down, 0) for i, (across, down) in enumerate(factors))
    facts = inspect(build(components=components), name="x")
    assert facts.sampling == text
    assert [(c.horizontal, c.vertical) for c in facts.components] == factors


@pytest.mark.parametrize(
    ("marker", "coding", "arithmetic"),
    [
        (0xC0, "baseline", False),
        (0xC1, "extended", False),
        (0xC2, "progressive", False),
        (0xC3, "lossless", False),
        (0xC5, "hierarchical", False),
        (0xC9, "extended", True),
        (0xCA, "progressive", True),
        (0xCB, "lossless", True),
        (0xCF, "hierarchical", True),
    ],
)
def test_coding(marker, coding, arithmetic, build):
    facts = inspect(build(sof=marker), name="x")
    assert (facts.coding, facts.arithmetic) == (coding, arithmetic)


JFIF = b"JFIF\0\1\1\0\0\1\0\1\0\0"
THREE = ((1, 1, 1, 0), (2, 1, 1, 0), (3, 1, 1, 0))
LETTERS = tuple((ord(letter), 1, 1, 0) for letter in "RGB")
FOUR = (*THREE, (4, 1, 1, 0))


@pytest.mark.parametrize(
    ("components", "markers", "space"),
    [
        (THREE[:1], (False, None), "gray"),
        (THREE[:2], (False, None), "unknown"),
        (THREE, (False, None), "YCbCr"),
        (THREE, (False, 0), "RGB"),
        (THREE, (False, 1), "YCbCr"),
        (LETTERS, (False, None), "RGB"),
        (LETTERS, (True, None), "YCbCr"),
        (THREE, (True, 0), "YCbCr"),
        (FOUR, (False, None), "CMYK"),
        (FOUR, (False, 0), "CMYK"),
        (FOUR, (False, 2), "YCCK"),
    ],
)
def test_the_colour_space_is_libjpegs(components, markers, space, build, segment):
    jfif, adobe = markers
    extra = segment(0xE0, JFIF) if jfif else b""
    if adobe is not None:
        extra += segment(0xEE, b"Adobe\0\x64\0\0\0\0" + bytes([adobe]))
    assert inspect(build(components=components, extra=extra), name="x").colour_space == space


def test_cmyk_and_ycck_by_adobes_marker(save):
    data = save("CMYK")
    at = data.index(b"Adobe") + 11
    assert inspect(data, name="x").colour_space == "CMYK"
    turned = data[:at] + b"\2" + data[at + 1 :]
    assert inspect(turned, name="x").colour_space == "YCCK"


def test_rgb_without_ycbcr(save):
    assert inspect(save(keep_rgb=True), name="x").colour_space == "RGB"


def test_16_bit_tables_of_a_harsh_save(build):
    luma, chroma = libjpeg_tables(5, force_baseline=False)
    tables = b"".join(
        bytes([0x10 | slot]) + struct.pack(">64H", *table.ravel()[list(ZIGZAG)])
        for slot, table in enumerate((luma, chroma))
    )
    components = ((1, 2, 2, 0), (2, 1, 1, 1), (3, 1, 1, 1))
    facts = inspect(build(tables=tables, components=components, sof=0xC1), name="x")
    assert [table.bits for table in facts.quantisation_tables] == [16, 16]
    assert np.array_equal(facts.table(2), chroma)
    assert (facts.quality.quality, facts.quality.exact) == (5, True)


def test_restarts(save):
    assert inspect(save(restart_marker_blocks=3), name="x").restart_interval == 3


# --- metadata


def test_metadata_as_pillow_writes_it(save):
    exif = Image.Exif()
    exif[0x0112] = 8
    facts = inspect(
        save(
            exif=exif,
            icc_profile=b"p" * 70_000,
            xmp=b"<x/>",
            comment=b"gr\xfc\xdfe",
            dpi=(300, 200),
        ),
        name="x",
    )
    assert facts.orientation == 8
    assert (facts.has_exif, facts.has_icc, facts.has_xmp) == (True, True, True)
    assert facts.icc_bytes == 70_000  # in two segments
    assert facts.comment == "grüße"
    assert (facts.density.x, facts.density.y, facts.density.unit) == (300, 200, "per inch")
    assert facts.remarks == ()


def test_no_metadata(save):
    facts = inspect(save(), name="x")
    present = (facts.has_exif, facts.has_icc, facts.has_xmp, facts.has_photoshop)
    assert not any(present)
    assert (facts.orientation, facts.comment, facts.icc_bytes, facts.thumbnails) == (
        None,
        None,
        0,
        (),
    )


def exif_with_thumbnail(thumbnail, *, order="<", stated=None, orientation=6):
    """EXIF by hand: IFD0 with an orientation, IFD1 with a JPEG."""
    at = 8 + 2 + 12 + 4
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    first = struct.pack(order + "HHHIHHI", 1, 0x0112, 3, 1, orientation, 0, at)
    size = len(thumbnail) if stated is None else stated
    start = at + 2 + 24 + 4
    second = struct.pack(order + "HHHIIHHIII", 2, 0x0201, 4, 1, start, 0x0202, 4, 1, size, 0)
    return b"Exif\0\0" + head + first + second + thumbnail


@pytest.mark.parametrize("order", ["<", ">"])
def test_the_exif_thumbnail_is_found(order, save, segment):
    thumbnail = save("L", quality=10)
    exif = segment(0xE1, exif_with_thumbnail(thumbnail, order=order))
    data = save()
    data = data[:2] + exif + data[2:]
    facts = inspect(data, name="x")
    (found,) = facts.thumbnails
    assert (found.where, found.format, found.size_bytes) == ("EXIF", "JPEG", len(thumbnail))
    assert data[found.offset : found.offset + found.size_bytes] == thumbnail
    assert facts.orientation == 6
    assert facts.colour_space == "YCbCr"  # the picture's, not the gray thumbnail's
    assert facts.quality.quality == 75


@pytest.mark.parametrize(
    "exif",
    [
        b"Exif\0\0",
        b"Exif\0\0II*\0\xff\xff\xff\xff",
        b"Exif\0\0nonsense",
        exif_with_thumbnail(b"\xff\xd8\xff", stated=10_000),
        exif_with_thumbnail(b"not a picture"),
    ],
)
def test_damaged_exif_is_a_remark(exif, build, segment):
    facts = inspect(build(extra=segment(0xE1, exif)), name="x")
    assert facts.has_exif
    assert facts.thumbnails == ()
    assert "The EXIF is damaged." in facts.remarks


def test_an_orientation_outside_1_to_8_is_none(build, segment):
    exif = exif_with_thumbnail(b"\xff\xd8\xff\xd9", orientation=9)
    assert inspect(build(extra=segment(0xE1, exif)), name="x").orientation is None


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (JFIF[:12] + b"\2\3" + b"p" * 18, ("JFIF", "RGB", 14, 18)),
        (b"JFXX\0\x10\xff\xd8\xff\xd9", ("JFXX", "JPEG", 6, 4)),
        (b"JFXX\0\x11\2\2" + b"p" * 772, ("JFXX", "palette", 8, 772)),
        (b"JFXX\0\x13\2\2" + b"p" * 12, ("JFXX", "RGB", 8, 12)),
    ],
)
def test_jfif_thumbnails_are_found(payload, expected, build, segment):
    where, form, start, size = expected
    data = build(extra=segment(0xE0, payload))
    (found,) = inspect(data, name="x").thumbnails
    assert (found.where, found.format, found.size_bytes) == (where, form, size)
    assert data[found.offset :].startswith(payload[start : start + 4])
    cut = build(extra=segment(0xE0, payload[: start + 1]))
    assert inspect(cut, name="x").thumbnails == ()


def test_an_incomplete_colour_profile_is_a_remark(build, segment):
    extra = segment(0xE2, b"ICC_PROFILE\0\1\2" + b"p" * 10)
    facts = inspect(build(extra=extra), name="x")
    assert (facts.has_icc, facts.icc_bytes) == (True, 10)
    assert facts.remarks == ("The colour profile is incomplete.",)


def test_photoshops_segment(build, segment):
    assert inspect(build(extra=segment(0xED, b"Photoshop 3.0\08BIM")), name="x").has_photoshop


# --- ends


def test_trailing_junk_is_counted(save):
    facts = inspect(save() + b"\0" * 300 + b"junk", name="x")
    assert (facts.trailing_bytes, facts.further_pictures, facts.truncated) == (304, 0, False)


def test_a_multi_picture_file(save):
    pictures = [Image.open(io.BytesIO(save(quality=quality))) for quality in (60, 70, 80)]
    buffer = io.BytesIO()
    pictures[0].save(buffer, "MPO", save_all=True, append_images=pictures[1:])
    facts = inspect(buffer.getvalue(), name="x.mpo")
    assert facts.further_pictures == 2
    assert not facts.truncated
    assert facts.remarks == ()
    cut = buffer.getvalue()[: -facts.trailing_bytes]
    remark = "The file should hold 3 pictures but 1 is there."
    assert inspect(cut, name="x.mpo").remarks == (remark,)


@pytest.mark.parametrize("progressive", [False, True])
def test_a_cut_file_is_told(progressive, save):
    data = save(quality=80, progressive=progressive)
    whole = inspect(data, name="x")
    for share in (0.6, 0.8, 0.99):
        facts = inspect(data[: int(share * len(data))], name="x")
        assert facts.truncated
        assert facts.trailing_bytes == 0
        assert facts.coded_bytes < whole.coded_bytes
        assert facts.quality == whole.quality


def test_a_missing_end_marker_alone_is_a_cut(save):
    assert inspect(save()[:-2], name="x").truncated


def test_a_file_that_ends_before_its_pixels_still_has_its_facts(save):
    data = save(quality=33)
    facts = inspect(data[: data.index(b"\xff\xc4")], name="x")
    assert facts.quality.quality == 33
    assert facts.truncated
    assert facts.remarks == ("There is no scan: the file ends before its pixels.",)


def test_a_size_the_data_cannot_fill_is_told(save):
    data = save()
    at = data.index(b"\xff\xc0") + 5
    facts = inspect(data[:at] + struct.pack(">HH", 65000, 65000) + data[at + 4 :], name="x")
    assert (facts.width_px, facts.height_px) == (65000, 65000)
    assert not facts.enough_data
    assert facts.remarks == ("There is too little data for the stated size.",)


@pytest.mark.parametrize(
    ("options", "remark"),
    [
        ({"tables": b""}, "A quantisation table is missing."),
        ({"tables": b"\0" + b"\1" * 64 + b"\1"}, "A quantisation table is damaged."),
        ({"tables": b"\0" + bytes(64)}, "A quantisation table holds a zero."),
        (
            {
                "tables": b"".join(bytes([slot]) + bytes([slot + 3]) * 64 for slot in range(3)),
                "components": ((1, 1, 1, 0), (2, 1, 1, 1), (3, 1, 1, 2)),
            },
            "The two colour planes have different tables; quality is the first's.",
        ),
    ],
)
def test_remarks_on_tables(options, remark, build):
    assert remark in inspect(build(**options), name="x").remarks


def test_a_height_from_dnl_is_a_remark(build, segment):
    facts = inspect(build(size=(8, 0), end=segment(0xDC, b"\0\7") + b"\xff\xd9"), name="x")
    assert facts.height_px == 7
    assert facts.remarks == (
        "The height stands in a DNL marker behind the first scan; most programs refuse that.",
    )


# --- what is no JPEG


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "a.jpg is empty: it has 0 bytes."),
        (b"\x89PNG\r\n\x1a\n....", "a.jpg is a PNG file, not a JPEG."),
        (b"RIFF\0\0\0\0WEBPVP8 ", "a.jpg is a WebP file, not a JPEG."),
        (b"\0\0\0\x18ftypavif", "a.jpg is an AVIF file, not a JPEG."),
        (b"P6\n", "a.jpg is a PPM file, not a JPEG."),
        (
            b"\0\0\0\x18ftypheic",
            "a.jpg is a HEIC file; Restora reads JPEG, PNG, TIFF, WebP, AVIF, BMP, PPM and GIF.",
        ),
        (b"\xff\xd8", "a.jpg is cut off inside its header: there is no picture in it."),
        (b"\xff\xd8\xff", "a.jpg is cut off inside its header: there is no picture in it."),
        (
            b"\xff\xd8\xff\xc0\0\x11\x08\0\x10\0",
            "a.jpg is cut off inside its header: there is no picture in it.",
        ),
        (
            b"\xff\xd8\xff\xd9",
            "a.jpg is a JPEG without a frame header: there is no picture in it.",
        ),
    ],
)
def test_what_is_no_jpeg_is_one_sentence(data, sentence):
    with pytest.raises(InputError) as caught:
        inspect(data, name="a.jpg")
    assert str(caught.value) == sentence


# --- anything at all


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=400))
def test_random_bytes_are_facts_or_an_input_error(data):
    looked_at(data)
    looked_at(b"\xff\xd8\xff" + data)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                [0xC0, 0xC2, 0xC4, 0xDA, 0xDB, 0xDC, 0xDD, 0xE0, 0xE1, 0xE2, 0xEE, 0xFE]
            ),
            st.sampled_from(
                [b"", b"JFIF\0", b"JFXX\0", b"Exif\0\0II*\0\x08\0\0\0", b"MPF\0MM\0*", b"Adobe"]
            ),
            st.binary(max_size=80),
        ),
        max_size=8,
    )
)
def test_random_segments_are_facts_or_an_input_error(parts):
    body = b"".join(
        struct.pack(">BBH", 0xFF, marker, 2 + len(start + rest)) + start + rest
        for marker, start, rest in parts
    )
    frame = b"\xff\xc0\0\x0b\x08\0\x10\0\x10\1\1\x11\0"
    looked_at(b"\xff\xd8" + body + b"\xff\xd9")
    looked_at(b"\xff\xd8" + frame + body + b"\xff\xd9")


@settings(max_examples=150, deadline=None)
@given(
    progressive=st.booleans(),
    cut=st.integers(0, 6000),
    changes=st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 255)), max_size=12),
)
def test_mutated_and_cut_files_are_facts_or_an_input_error(save, progressive, cut, changes):
    exif = exif_with_thumbnail(b"\xff\xd8\xff\xd9")
    data = bytearray(save(exif=exif, icc_profile=b"p" * 40, progressive=progressive, quality=60))
    for at, value in changes:
        data[at % len(data)] = value
    looked_at(bytes(data[:cut]))


def test_a_cut_anywhere_is_facts_or_an_input_error(save):
    data = save("L", quality=5)
    size = [looked_at(data[:end]) for end in range(len(data))]
    assert all(facts.truncated for facts in size if facts is not None)
    assert size[-1].width_px == 56


def test_inspecting_needs_no_decoder():
    code = (
        "import sys, restora.jpeg\n"
        "bad = {'PIL', 'torch', 'onnxruntime', 'jpeglib'} & set(sys.modules)\n"
        "sys.exit(', '.join(bad) or 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
