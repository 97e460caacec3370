"""What a file may make as long as it likes is cut before it is kept or sent."""

import json

from restora.apps.web.cut import cut
from restora.apps.web.report_header import MOST_BYTES, report_header

REPORT = {
    "width_px": 4,
    "height_px": 3,
    "plan": {"task": "jpeg", "reasons": ["because"], "prompt": None},
    "inside_bins": 0.5,
    "notes": [],
    "seconds": 1.25,
}


def test_what_is_short_stays():
    value = {"a": ["b", 1, 2.5, None, True], "c": {"d": "e" * 9}}
    assert cut(value, letters=9, items=5) == value


def test_texts_and_lists_are_cut():
    assert cut({"a": ["bcdef"] * 4, "b": 12345}, letters=3, items=2) == {
        "a": ["bcd...", "bcd...", "..."],
        "b": 12345,
    }


def test_a_report_as_it_is():
    assert json.loads(report_header(REPORT)) == REPORT


def test_a_long_caption_is_cut():
    long = REPORT | {"plan": REPORT["plan"] | {"prompt": "ä" * 1000}}
    told = report_header(long)
    assert len(told) <= MOST_BYTES
    assert json.loads(told)["plan"] == REPORT["plan"] | {"prompt": "ä" * 300 + "..."}


def test_in_the_end_the_figures_are_left():
    told = report_header(REPORT | {"notes": {str(number): "note" for number in range(1000)}})
    assert json.loads(told) == {
        "width_px": 4, "height_px": 3, "inside_bins": 0.5, "seconds": 1.25,
    }  # fmt: skip
