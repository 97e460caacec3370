"""Every decision is in the plan, and the plan says why."""

import dataclasses

import numpy as np
import pytest
from pydantic import ValidationError

from restora.engine import models
from restora.engine.estimate import Seen
from restora.engine.models import WeightFacts
from restora.engine.plan import (
    DEFAULT_CONSTRAINT,
    Machine,
    Wishes,
    make_plan,
)
from restora.engine.plan_needs import choose_precision
from restora.errors import UsageError
from restora.images import Picture, read_bytes
from restora.jpeg import inspect
from restora.jpeg.history import EarlierSave


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
    plan = make_plan(read_bytes(data, name="x.jpg"), facts, Wishes(**wishes), seen=Seen(seen))
    return plan.quality, plan.quality_source, plan.explain()


def test_what_is_asked_for_wins(jpeg):
    quality, source, words = decide(jpeg, 38.0, quality=12)
    assert (quality, source) == (12, "asked")
    assert "quality 12: asked for" in words


def test_then_the_header(jpeg):
    quality, source, words = decide(jpeg, 38.0)
    assert (quality, source) == (40, "header")
    assert "quality 40: read from the file's quantisation tables" in words


def test_tables_of_another_encoder_give_the_nearest_quality(jpeg):
    data = jpeg(quality=40)
    facts = inspect(data, name="x.jpg")
    quality = dataclasses.replace(facts.quality, exact=False, mixed=False)
    facts = facts.model_copy(update={"quality": quality})
    given = read_bytes(data, name="x.jpg")
    for seen, source, words in (
        (38.0, "header", "quality 40: the nearest to its tables, which are none of libjpeg's"),
        (12.34, "network", "quality 12.3: seen by the network; the tables are none of libjpeg's"),
    ):
        plan = make_plan(given, facts, Wishes(), seen=Seen(seen))
        assert plan.quality_source == source
        assert words in plan.explain()


def test_but_a_much_harder_earlier_save_beats_the_header(jpeg):
    quality, source, words = decide(jpeg, 12.34)
    assert (quality, source) == (12.3, "earlier save")
    assert "the file says 40" in words


def test_an_earlier_save_that_was_found_beats_the_header(jpeg):
    data = jpeg(quality=60)
    facts = inspect(data, name="x.jpg")
    earlier = EarlierSave(quality=20, row_px=4, column_px=3, confidence=0.99)
    facts = facts.model_copy(update={"looked_back": True, "earlier_save": earlier})
    given = read_bytes(data, name="x.jpg")
    plan = make_plan(given, facts, Wishes(), seen=Seen(58.0))
    assert (plan.quality, plan.quality_source) == (20, "earlier save")
    assert "found by its block grid at (4, 3); the file itself says 60" in plan.explain()
    assert plan.constraint == "off"
    assert "after an earlier save the file's bins are no evidence" in plan.explain()
    asked = make_plan(given, facts, Wishes(constraint="hard"), seen=Seen(58.0))
    assert asked.constraint == "hard"
    # A quality that is asked for does not make the file's bins evidence again.
    assert make_plan(given, facts, Wishes(quality=90)).constraint == "off"


def test_an_unsure_finding_overrules_nothing(jpeg):
    data = jpeg(quality=60)
    earlier = EarlierSave(quality=20, row_px=4, column_px=3, confidence=0.6)
    facts = inspect(data, name="x.jpg").model_copy(update={"earlier_save": earlier})
    plan = make_plan(read_bytes(data, name="x.jpg"), facts, Wishes(), seen=Seen(58.0))
    assert (plan.quality, plan.constraint) == (60, DEFAULT_CONSTRAINT)


def test_other_tables_than_libjpegs_are_no_earlier_save(jpeg):
    """Where no quality fits the tables, the network's own view is no sign of another save."""
    data = jpeg(qtables=[[16] * 64, [16] * 64])
    facts, given = inspect(data, name="x.jpg"), read_bytes(data, name="x.jpg")
    assert not facts.quality.exact
    plan = make_plan(given, facts, Wishes(), seen=Seen(20.0))
    assert (plan.quality, plan.quality_source) == (20.0, "network")
    assert plan.constraint == DEFAULT_CONSTRAINT


def test_a_stronger_repair_than_the_files_own_is_not_held_back(jpeg):
    data = jpeg(quality=60)
    facts, given = inspect(data, name="x.jpg"), read_bytes(data, name="x.jpg")
    assert make_plan(given, facts, Wishes(quality=30)).constraint == "off"
    assert make_plan(given, facts, Wishes(quality=70)).constraint == DEFAULT_CONSTRAINT
    assert make_plan(given, facts, Wishes(quality=30, constraint="soft")).constraint == "soft"


def test_the_constraint_and_why(jpeg):
    data = jpeg(quality=60)
    facts, given = inspect(data, name="x.jpg"), read_bytes(data, name="x.jpg")
    plan = make_plan(given, facts, Wishes(), seen=Seen(58.0))
    assert plan.constraint == DEFAULT_CONSTRAINT
    assert "keeps to what the file allows" in plan.explain()
    plan = make_plan(given, facts, Wishes(constraint="hard"), no_bins="some reason")
    assert plan.constraint == "off"
    assert "constraint off: some reason" in plan.explain()
    plan = make_plan(picture(), None, Wishes())
    assert plan.constraint == "off"
    assert "not a JPEG" in plan.explain()


@pytest.mark.parametrize(
    ("loss", "machine", "expected"),
    [
        (0.03, Machine(fast_int8=True), "int8"),
        (0.03, Machine(fast_int8=False), "float"),
        (0.08, Machine(fast_int8=True), "float"),
        (None, Machine(fast_int8=True), "float"),
        (0.03, Machine(fast_int8=True, device="cuda"), "half"),
    ],
)
def test_precision_follows_the_machine_and_the_cost(loss, machine, expected):
    precision, why = choose_precision(Wishes(), [WeightFacts(3, 64, loss)], machine)
    assert precision == expected
    assert why.startswith(f"precision {expected}")


def test_without_a_header_the_network_decides():
    plan = make_plan(picture(), None, Wishes(), seen=Seen(33.3))
    assert (plan.quality, plan.quality_source) == (33.3, "network")
    assert "the network's own estimate" in plan.explain()


def test_strength_and_tiles_are_told():
    words = make_plan(picture(), None, Wishes(strength=40, tile_px=256)).explain()
    assert "strength 40 %: mixed with the input" in words
    assert "tiles of at most 256 pixels" in words


def shaped(monkeypatch, **facts):
    """Lets the colour weight that ships need what another might."""
    plain = models.weight_facts

    def changed(weight):
        return dataclasses.replace(plain(weight), **facts)

    monkeypatch.setattr("restora.engine.plan_needs.weight_facts", changed)


@pytest.mark.parametrize(("multiple_px", "grid_px"), [(8, 16), (16, 16), (64, 64), (24, 48)])
def test_tiles_lie_where_the_network_wants_them(monkeypatch, multiple_px, grid_px):
    shaped(monkeypatch, multiple_px=multiple_px)
    plan = make_plan(picture(), None, Wishes(tile_px=768))
    assert plan.grid_px == grid_px
    assert f"on the {grid_px}-pixel grid" in plan.explain()


@pytest.mark.parametrize(
    ("local", "tile_px", "told"), [(True, 128, 0), (False, 128, 1), (False, 256, 0)]
)
def test_a_network_that_sees_all_of_a_tile_says_so(monkeypatch, local, tile_px, told):
    shaped(monkeypatch, local=local, overlap_px=64)
    given = Picture(pixels=np.zeros((40, 200, 3), np.float32), space="rgb")
    words = make_plan(given, None, Wishes(tile_px=tile_px)).explain()
    assert words.count("other tiles give a slightly other picture") == told


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        ({}, (64, False)),  # Stable Diffusion's
        ({"norm": "local"}, (64, False)),
        ({"norm": "local", "codec": {"attention": False}}, (64, False)),
        (
            {"norm": "local", "codec": {"attention": False}, "unet": {"self_attention": False}},
            (64, True),
        ),
        ({"codec": {"attention": False}, "unet": {"self_attention": False}}, (64, False)),
        (
            {
                "norm": "local",
                "codec": {"unshuffle": 4, "widths": [8], "attention": False},
                "unet": {"widths": [8, 8], "reads": [False, True], "heads": [1, 1]}
                | {"self_attention": False},
            },
            (8, True),
        ),
    ],
)
def test_a_diffusion_models_card_says_what_its_configuration_does(network, expected):
    from restora.networks.prior import PriorConfig

    facts = models._diffusion_facts(WeightFacts(3, 64), {"prior": network})
    assert (facts.multiple_px, facts.local) == expected
    config = PriorConfig.model_validate(network)
    assert facts.multiple_px == config.multiple_px
    assert models._diffusion_facts(WeightFacts(3, 64), {"prior": config.model_dump()}) == facts


@pytest.mark.parametrize(
    ("wishes", "message"),
    [
        ({"quality": 0}, "--quality is 'auto' or a number from 1 to 100, not 0"),
        ({"quality": 101}, "--quality is 'auto' or a number from 1 to 100, not 101"),
        ({"strength": 101}, "--strength is a number from 0 to 100, not 101"),
        ({"tile_px": 100}, "--tile is a multiple of 16 pixels, at least 128, not 100"),
        ({"constraint": "on"}, "--constraint is auto, off, soft or hard, not 'on'"),
        ({"ensemble": 3}, "--ensemble is 1, 2, 4 or 8, not 3"),
        ({"precision": "int4"}, "--precision is auto, float, half or int8, not 'int4'"),
        ({"precision": "half"}, "--precision half is for PyTorch devices"),
        ({"model": "nowhere.pth"}, "nowhere.pth: there is no such file of weights"),
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
