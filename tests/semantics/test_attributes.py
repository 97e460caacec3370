from __future__ import annotations

import numpy as np
import pytest

from restora.semantics.attributes import measure_attributes
from restora.semantics.hues import HUES, name_hues


def flat(colour, side_px=64):
    return np.full((side_px, side_px, 3), colour, np.uint8)


def striped(axis, period_px=16, side_px=64):
    wave = 128 + 90 * np.sin(2 * np.pi * np.arange(side_px) / period_px)
    plane = np.broadcast_to(wave[:, None] if axis == 0 else wave, (side_px, side_px))
    return np.repeat(plane[..., None], 3, axis=2).astype(np.uint8)


def measured(*pictures):
    return measure_attributes(np.stack(pictures))


@pytest.mark.parametrize(
    ("colour", "name"),
    [
        ((5, 5, 5), "black"), ((128, 128, 128), "grey"), ((250, 250, 250), "white"),
        ((200, 20, 20), "red"), ((240, 140, 20), "orange"), ((110, 70, 30), "brown"),
        ((220, 200, 160), "beige"), ((240, 220, 30), "yellow"), ((30, 140, 40), "green"),
        ((20, 150, 140), "teal"), ((30, 70, 200), "blue"), ((130, 40, 190), "purple"),
        ((250, 150, 170), "pink"), ((230, 50, 160), "pink"),
    ],
)  # fmt: skip
def test_a_colour_has_its_name(colour, name):
    assert name in HUES
    assert name_hues(np.float32(colour).reshape(1, 1, 1, 3) / 255) == [(name,)]


def test_every_colour_has_a_name():
    levels = np.linspace(0, 1, 12, dtype=np.float32)
    cells = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(-1, 1, 1, 3)
    seen = {names[0] for names in name_hues(cells)}
    assert seen == set(HUES)


def test_the_second_colour_needs_its_share():
    sky = flat((30, 70, 200))
    meadow = sky.copy()
    meadow[40:] = 30, 140, 40
    edge = sky.copy()
    edge[56:] = 30, 140, 40
    assert [a.hues for a in measured(sky, meadow, edge)] == [
        ("blue",), ("blue", "green"), ("blue",),
    ]  # fmt: skip


def test_light_and_dark():
    assert [a.light for a in measured(flat(20), flat(110), flat(230))] == ["dark", "", "bright"]


def test_lines_run_across_the_gradient():
    rows, columns = measured(striped(0), striped(1))
    assert "horizontal lines" in rows.rest and "vertical lines" in columns.rest
    y, x = np.mgrid[:64, :64]
    plane = 128 + 90 * np.sin((x + y) / 3)
    slanted = np.repeat(plane[..., None], 3, axis=2).astype(np.uint8)
    assert "diagonal lines" in measured(slanted)[0].rest


def test_texture_and_focus():
    noise = np.random.default_rng(0).integers(60, 190, (64, 64, 3), np.uint8)
    rough, even = measured(noise, flat(120))
    assert {"finely textured", "sharp"} <= set(rough.rest)
    assert {"smooth", "low contrast", "no colours"} <= set(even.rest)
    blurred = measured(striped(0, period_px=64))[0]
    assert "soft" in blurred.rest and "sharp" not in blurred.rest


def test_vivid_and_muted():
    stripes = flat((220, 20, 20))
    stripes[::2] = 20, 20, 220
    muted = flat((140, 128, 115))
    vivid, dull = measured(stripes, muted)
    assert "vivid colours" in vivid.rest and "muted colours" in dull.rest


def test_words_of_a_picture_do_not_depend_on_the_others():
    pictures = [striped(0), flat((30, 70, 200)), flat(20)]
    assert measured(*pictures) == [measured(picture)[0] for picture in pictures]
