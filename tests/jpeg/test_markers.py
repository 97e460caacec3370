from __future__ import annotations

import struct

import jpeglib
import numpy as np
import pytest

from restora.errors import InputError
from restora.jpeg.markers import (
    SOS,
    ZIGZAG,
    read_frame,
    read_layout,
    read_tables,
    restart_interval,
    segments,
    tables_of_components,
)


def markers(data):
    return [segment.marker for segment in segments(data)]


def test_the_segments_cover_the_file(save):
    data = save(quality=50)
    layout = read_layout(data, name="x.jpg")
    at = 0
    for segment in layout.segments:
        assert segment.offset == at
        assert data[at] == 0xFF
        assert data[at + 1] == segment.marker
        at = segment.end
    assert at == layout.end == len(data)
    assert not layout.truncated


def test_payloads_are_views_of_the_files_bytes(build, segment):
    data = build(extra=segment(0xFE, b"hello"))
    comment = list(segments(data))[1]
    assert bytes(comment.payload) == b"hello" == data[comment.payload_offset :][: comment.length]


@pytest.mark.parametrize("fill", [1, 2, 7])
def test_fill_bytes_are_skipped(fill, build, segment):
    data = build(extra=b"\xff" * fill + segment(0xFE, b"hello"), end=b"\xff" * fill + b"\xff\xd9")
    assert markers(data) == [0xD8, 0xFE, 0xDB, 0xC0, 0xDA, 0xD9]
    assert read_layout(data, name="x").scans[0].coded_bytes == 4


@pytest.mark.parametrize("junk", [b"junk", b"\xff\x00", b"\xff\x3a12", b"\xff\xd8", b"\xff\xd3"])
def test_junk_between_header_segments_is_skipped(junk, build):
    assert markers(build(extra=junk)) == [0xD8, 0xDB, 0xC0, 0xDA, 0xD9]


def test_coded_data_may_hold_stuffing_and_restarts(build):
    coded = b"\x01\xff\x00\xff\xd0\x02\xff\xd7\xff\xff\x00"
    layout = read_layout(build(coded=coded), name="x")
    assert layout.scans[0].coded_bytes == len(coded)
    assert not layout.truncated


@pytest.mark.parametrize(
    "false",
    [b"\xff\xc4\x00\x05abc", b"\xff\xe1\xff\xff", b"\xff\xda\0\x08\x09", b"\xff\x02\xff\xfe\0\1"],
)
def test_a_false_marker_in_damaged_data_does_not_end_the_scan(false, build):
    coded = b"\x01\x02" + false + b"\x03\x04"
    layout = read_layout(build(coded=coded), name="x")
    assert len(layout.scans) == 1
    assert layout.scans[0].coded_bytes == len(coded)


def test_progressive_scans_are_all_found(save, tmp_path):
    data = save(quality=60, progressive=True)
    path = tmp_path / "progressive.jpg"
    path.write_bytes(data)
    assert len(read_layout(data, name="x").scans) == jpeglib.read_dct(str(path)).num_scans


def test_the_picture_ends_at_its_end_marker(save):
    data = save()
    layout = read_layout(data + b"\xff\xfe\0\4hi" + data, name="x")
    assert layout.end == len(data)


def test_a_picture_without_end_stops_where_another_begins(build):
    data = build(end=b"")
    layout = read_layout(data + build(), name="x")
    assert layout.end == len(data)
    assert layout.truncated


def test_a_second_picture_is_read_from_its_start(build):
    first, second = build(), build(size=(9, 5))
    layout = read_layout(first + second, name="x", start=len(first))
    assert read_frame(layout, name="x").width_px == 9


@pytest.mark.parametrize("quality", [3, 30, 77])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_tables_are_those_jpeglib_reads(quality, mode, save, tmp_path):
    data = save(mode, quality=quality)
    path = tmp_path / "x.jpg"
    path.write_bytes(data)
    coded = jpeglib.read_dct(str(path))
    layout = read_layout(data, name="x")
    tables = tables_of_components(layout, read_frame(layout, name="x"))
    for index, table in enumerate(tables):
        assert np.array_equal(table.values, coded.qt[coded.quant_tbl_no[index]])


def test_16_bit_tables_are_big_endian_and_zigzag(build):
    stated = [index * 7 + 300 for index in range(64)]
    data = build(tables=b"\x12" + struct.pack(">64H", *stated))
    (dqt,) = read_layout(data, name="x").of(0xDB)
    (table,), sound = read_tables(dqt)
    assert sound
    assert (table.slot, table.bits) == (2, 16)
    assert [table.values.ravel()[place] for place in ZIGZAG] == stated


def test_several_tables_in_one_segment(build):
    data = build(tables=b"\0" + b"\1" * 64 + b"\x11" + b"\0\2" * 64 + b"\2" + b"\3" * 64)
    tables, sound = read_tables(read_layout(data, name="x").of(0xDB)[0])
    assert sound
    assert [(t.slot, t.bits, int(t.values[0, 0])) for t in tables] == [
        (0, 8, 1),
        (1, 16, 2),
        (2, 8, 3),
    ]


@pytest.mark.parametrize(
    "damage", [b"\1" + b"\2" * 63, b"\x20" + b"\2" * 128, b"\x04" + b"\2" * 64]
)
def test_what_stands_before_damage_in_a_table_segment_counts(damage, build):
    data = build(tables=b"\0" + b"\1" * 64 + damage)
    tables, sound = read_tables(read_layout(data, name="x").of(0xDB)[0])
    assert not sound
    assert len(tables) == 1


def test_a_component_keeps_the_table_of_its_first_scan(build, segment):
    later = segment(0xDB, b"\0" + b"\x09" * 64) + segment(0xDA, b"\1\2\0\0\x3f\0") + b"\x55\x66"
    components = ((1, 1, 1, 0), (2, 1, 1, 0), (3, 1, 1, 0))
    data = build(components=components, end=later + b"\xff\xd9")
    # The first scan of build() holds all components; make it hold only the first.
    scan = segment(0xDA, b"\3\1\0\2\0\3\0\0\x3f\0")
    data = data.replace(scan, segment(0xDA, b"\1\1\0\0\x3f\0"))
    layout = read_layout(data, name="x")
    tables = tables_of_components(layout, read_frame(layout, name="x"))
    assert [int(table.values[0, 0]) for table in tables] == [1, 9, 9]


def test_the_restart_interval_is_the_last_before_the_scan(build, segment):
    stated = segment(0xDD, b"\0\x05") + segment(0xDD, b"\1\x02")
    assert restart_interval(read_layout(build(extra=stated), name="x")) == 258
    assert restart_interval(read_layout(build(), name="x")) == 0


def test_a_height_in_a_dnl_marker_counts(build, segment):
    data = build(size=(16, 0), end=segment(0xDC, b"\0\x18") + b"\xff\xd9")
    frame = read_frame(read_layout(data, name="x"), name="x")
    assert (frame.height_px, frame.height_from_dnl) == (24, True)


@pytest.mark.parametrize(
    ("sof", "bits"), [(0xC0, 8), (0xC1, 8), (0xC2, 4), (0xC3, 0), (0xC5, 0), (0xC9, 0)]
)
def test_the_least_data_depend_on_the_coding(sof, bits, build):
    frame = read_frame(read_layout(build(sof=sof), name="x"), name="x")
    assert (frame.blocks, frame.least_bits) == (4, bits)


def test_blocks_are_counted_by_component(build):
    components = ((1, 2, 2, 0), (2, 1, 1, 0), (3, 1, 1, 0))
    frame = read_frame(read_layout(build(components=components, size=(17, 9)), name="x"), name="x")
    assert frame.blocks == 3 * 2 + 2 * 1 + 2 * 1


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"size": (16, 0)}, "x.jpg states a height of 0 lines and no DNL marker gives the true "),
        ({"size": (0, 16)}, "x.jpg has a damaged frame header: it states a width of 0 pixels."),
        (
            {"components": ((1, 1, 1, 0), (2, 5, 0, 0))},
            "x.jpg has a damaged frame header: it states sampling factors 5×0 for component 2.",
        ),
        ({"components": ()}, "x.jpg has a damaged frame header: it states no components."),
        ({"sof": 0xF7}, "x.jpg is a JPEG-LS file, another format than JPEG."),
        ({"sof": 0xFE}, "x.jpg is a JPEG without a frame header: there is no picture in it."),
    ],
)
def test_a_frame_that_makes_no_sense_is_a_sentence(options, sentence, build):
    layout = read_layout(build(**options), name="x.jpg")
    with pytest.raises(InputError) as caught:
        read_frame(layout, name="x.jpg")
    assert str(caught.value).startswith(sentence)


def test_millions_of_segments_are_refused(segment):
    with pytest.raises(InputError, match=r"^x\.jpg holds more than 65,536 segments; it is damaged"):
        read_layout(b"\xff\xd8" + segment(0xE1, b"") * 70_000, name="x.jpg")


@pytest.mark.parametrize(
    "hostile",
    [b"\xff\xc4\xff\xff", b"\xff", b"\xff\xda\0\x08\x03", b"\xff\x00", b"\0", b"\xff\xd8\xff"],
)
def test_the_time_grows_no_faster_than_the_file(hostile, build):
    """A quadratic walk over this much would take hours, and the suite's timeout end it."""
    data = build(coded=hostile * (2_000_000 // len(hostile)), end=b"")
    assert read_layout(data, name="x").segments[-1].marker in {SOS, 0xD9}
