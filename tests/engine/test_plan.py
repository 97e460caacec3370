"""Every decision is in the plan, and the plan says why."""

import numpy as np
import pytest
from pydantic import ValidationError

from restora.engine.plan import Wishes, make_plan
from restora.errors import UsageError
from restora.images import Picture, read_bytes
from restora.jpeg import inspect


def picture(space="rgb", *, neutral=False):
    channels = {"gray": 1, "rgb": 3, "cmyk": 4}[space]
    pixels = np.random.default_rng(0).random((8, 8, channels), np.float32)
    if neutral:
        pixels[:] = pixels[..., :1]
    return Picture(pixels=pixels, space=space)


@pytest.mark.parametrize(
    ("given", "route", "weights"),
    [
        (picture("gray"), "gray", ("fbcnn-gray-compact",)),
        (picture("rgb"), "color", ("fbcnn-color-compact",)),
        (picture("rgb", neutral=True), "neutral", ("fbcnn-gray-compact",)),
        (picture("cmyk"), "cmyk", ("fbcnn-color-compact", "fbcnn-gray-compact")),
    ],
)
def test_routes(given, route, weights):
    plan = make_plan(given, None, Wishes())
    assert (plan.route, plan.weights) == (route, weights)


def decide(jpeg, seen, **wishes):
    data = jpeg(quality=40)
    facts = inspect(data, name="x.jpg")
    plan = make_plan(read_bytes(data, name="x.jpg"), facts, Wishes(**wishes), seen_quality=seen)
    return plan.quality, plan.quality_source, plan.explain()


def test_what_is_asked_for_wins(jpeg):
    quality, source, words = decide(jpeg, 38.0, quality=12)
    assert (quality, source) == (12, "asked")
    assert "quality 12: asked for" in words


def test_then_the_header(jpeg):
    quality, source, words = decide(jpeg, 38.0)
    assert (quality, source) == (40, "header")
    assert "quality 40: read from the file's quantisation tables" in words


def test_but_a_much_harder_earlier_save_beats_the_header(jpeg):
    quality, source, words = decide(jpeg, 12.34)
    assert (quality, source) == (12.3, "earlier save")
    assert "the file says 40" in words


def test_without_a_header_the_network_decides():
    plan = make_plan(picture(), None, Wishes(), seen_quality=33.3)
    assert (plan.quality, plan.quality_source) == (33.3, "network")
    assert "the network's own estimate" in plan.explain()


def test_strength_and_tiles_are_told():
    words = make_plan(picture(), None, Wishes(strength=40, tile_px=256)).explain()
    assert "strength 40 %: mixed with the input" in words
    assert "tiles of at most 256 pixels" in words


@pytest.mark.parametrize(
    ("wishes", "message"),
    [
        ({"quality": 0}, "--quality is 'auto' or a number from 1 to 100, not 0"),
        ({"quality": 101}, "--quality is 'auto' or a number from 1 to 100, not 101"),
        ({"strength": 101}, "--strength is a number from 0 to 100, not 101"),
        ({"tile_px": 100}, "--tile is a multiple of 16 pixels, at least 128, not 100"),
        ({"model": "fbcn"}, "There is no model named 'fbcn'. Did you mean 'fbcnn'?"),
    ],
)
def test_wishes_that_make_no_sense(wishes, message):
    with pytest.raises(UsageError) as error:
        make_plan(picture(), None, Wishes(**wishes))
    assert message in str(error.value)


def test_plans_are_frozen_and_become_json():
    plan = make_plan(picture(), None, Wishes())
    with pytest.raises(ValidationError):
        plan.quality = 3
    assert plan.model_validate_json(plan.model_dump_json()) == plan
