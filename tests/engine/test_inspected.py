"""What is told of a file before anything is done to it."""

import io

import numpy as np
import pytest
from PIL import Image

from restora.engine.inspected import inspected_jpeg, inspected_picture
from restora.engine.judge import Judgement
from restora.images import read_bytes
from restora.jpeg import inspect

HAZE = {"nothing": 0.05, "dehaze": 0.92, "derain": 0.03}
UNSURE = {"nothing": 0.3, "dehaze": 0.6, "derain": 0.1}


def test_the_headline_says_what_was_done_to_a_jpeg(jpeg):
    facts = inspect(jpeg(200, 300, quality=50), name="a.jpg", history=True)
    found = inspected_jpeg(facts, Judgement("dehaze", 0.92, HAZE))
    assert found.headline == (
        "Saved at quality 50, exactly libjpeg's tables. No earlier, harder save found. "
        "Seems to need dehaze (92 % sure)."
    )
    assert found.told["task"] == {"name": "dehaze", "confidence": 0.92, "shares": HAZE}
    assert dict(found.rows)["Size"] == f"{facts.width_px} × {facts.height_px} pixels"


def test_the_headline_says_that_a_file_was_cut_off(jpeg):
    found = inspected_jpeg(inspect(jpeg(quality=20)[:-2], name="a.jpg"), None)
    assert found.headline.endswith("The end marker is missing: the file was cut off.")


@pytest.mark.parametrize(
    ("judgement", "words"),
    [
        (Judgement(None, 0.3, UNSURE), "perhaps dehaze (60 % sure)"),
        (Judgement(None, 0.9, {"nothing": 0.9, "dehaze": 0.1}), "nothing besides JPEG repair"),
    ],
)
def test_what_is_not_sure_is_told_as_such(jpeg, judgement, words):
    found = inspected_jpeg(inspect(jpeg(quality=20), name="a.jpg"), judgement)
    assert found.rows[-1] == ("Seems to need", words)


def test_where_nobody_looked_nothing_is_told(jpeg):
    found = inspected_jpeg(inspect(jpeg(quality=20), name="a.jpg"), None)
    assert found.told["task"] is None
    assert "Seems to need" not in dict(found.rows)


def test_other_files_tell_their_format():
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(buffer, "PNG")
    data = buffer.getvalue()
    found = inspected_picture(read_bytes(data, name="a.png"), "PNG", len(data), None)
    assert found.headline.startswith("PNG")
    assert found.headline.endswith("no JPEG, so nothing tells how it was saved.")
    assert found.told["file_size_bytes"] == len(data)
