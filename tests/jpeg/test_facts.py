from __future__ import annotations

import json

import numpy as np
import pytest
from pydantic import ValidationError

from restora.jpeg import JpegFacts, inspect


def row(facts, label):
    return dict(facts.rows()).get(label)


def test_facts_survive_json(save):
    facts = inspect(save(quality=20, comment="hi", dpi=(72, 72)), name="x.jpg")
    assert JpegFacts.model_validate_json(facts.model_dump_json()) == facts


def test_tables_travel_as_nested_lists(save):
    facts = inspect(save(quality=50), name="x.jpg")
    tables = json.loads(facts.model_dump_json())["quantisation_tables"]
    assert [table["slot"] for table in tables] == [0, 1]
    assert tables[0]["values"][0] == [16, 11, 10, 16, 24, 40, 51, 61]


def test_facts_are_frozen(save):
    facts = inspect(save(), name="x.jpg")
    with pytest.raises(ValidationError):
        facts.width_px = 3


def test_the_table_of_a_component_is_an_array(save, build):
    facts = inspect(save(quality=50), name="x.jpg")
    assert facts.table(0).dtype == np.int64
    assert facts.table(0)[0, 1] == 11
    assert np.array_equal(facts.table(1), facts.table(2))
    assert inspect(build(tables=b""), name="x.jpg").table(0) is None


def test_rows_of_a_plain_file(save):
    data = save(quality=30)
    facts = inspect(data, name="x.jpg")
    assert facts.rows() == [
        ("Size", "56 × 40 pixels"),
        ("Colour", "YCbCr, 4:2:0 (colour at half the width and height)"),
        ("Saved at", "quality 30, exactly libjpeg's tables"),
        ("Coding", "baseline, Huffman, 1 scan"),
        ("Data", f"{len(data)} bytes, {facts.bits_per_pixel:.2f} bits per pixel"),
        ("Metadata", "none"),
    ]


def test_rows_of_an_odd_file(build, segment):
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\1\x01\x12\0\3\0\0\0\1\0\6\0\0\0\0\0\0"
    icc = b"ICC_PROFILE\0\1\1" + bytes(40)
    extra = (
        segment(0xE1, exif)
        + segment(0xE2, icc)
        + segment(0xDD, b"\0\4")
        + segment(0xFE, b"one\ntwo\x1b[31m" + b"x" * 80)
    )
    data = build(extra=extra, sof=0xC9, precision=12, end=b"", tables=b"\0" + b"\x28" * 64)
    found = inspect(data, name="x.jpg")
    assert row(found, "Colour") == "gray"
    assert row(found, "Saved at").startswith("about quality ")
    assert "the tables are not libjpeg's, and differ from the nearest by" in row(found, "Saved at")
    assert (
        row(found, "Coding")
        == "extended, arithmetic, 12-bit samples, 1 scan, restarts every 4 units"
    )
    assert row(found, "Orientation") == "needs a quarter turn clockwise (EXIF orientation 6)"
    assert row(found, "Metadata") == "EXIF, colour profile (40 bytes)"
    assert row(found, "Comment") == "one two [31m" + "x" * 47 + "…"
    assert row(found, "Damage") == "the end marker is missing: the file was cut off"


def test_rows_about_mixed_and_missing_tables(save, build):
    chroma = inspect(save(quality=80), name="x").quantisation_tables[1].values
    luma = inspect(save(quality=40), name="x").quantisation_tables[0].values
    flat = [[entry for line in table for entry in line] for table in (luma, chroma)]
    mixed = inspect(save(qtables=flat), name="x")
    expected = "quality 40 for brightness and 80 for colour, both libjpeg's tables"
    assert row(mixed, "Saved at") == expected
    bare = inspect(build(tables=b""), name="x")
    assert row(bare, "Saved at") == "unknown: no quantisation tables in the file"


def test_rows_about_what_lies_behind_the_picture(save, build):
    one = inspect(save() + b"junk", name="x")
    assert row(one, "Behind the picture") == "4 bytes that are no JPEG picture"
    two = inspect(build() + build(), name="x")
    assert row(two, "Behind the picture") == f"1 more picture, {len(build())} bytes in all"


def test_a_comment_of_control_characters_has_no_row(build, segment):
    facts = inspect(build(extra=segment(0xFE, b"\x01\x1b")), name="x")
    assert facts.comment == "\x01\x1b"
    assert row(facts, "Comment") is None
