"""Which damage is undone is in the plan, and the plan says why."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from restora.engine.estimate import Seen
from restora.engine.judge import Judgement
from restora.engine.noise import NoiseField
from restora.engine.plan import Wishes, make_plan
from restora.engine.plan_tasks import ARTIFACTS_BELOW
from restora.engine.restorer import NOTHING, Restorer
from restora.engine.tiles import lay_grid
from restora.errors import UsageError, WeightsError
from restora.images import Picture, read_bytes
from restora.jpeg import inspect

FIRST = "fbcnn-color-compact"


@pytest.fixture(scope="module")
def card(sr_diff_card):
    return sr_diff_card()


@pytest.fixture(scope="module")
def restorer():
    return Restorer(threads=1)


@pytest.fixture
def picture(pixels):
    return Picture(pixels=pixels(), space="rgb")


def judged(task, share, *, quality=50.0):
    """What was seen: a task, or ``nothing``; one that is not sure enough is named by none."""
    names = ("nothing", "dehaze", "derain", "deblur", "lowlight")
    shares = {name: share if name == task else (1 - share) / 4 for name in names}
    named = task if share >= 0.8 and task != "nothing" else None
    return Seen(quality, judged=Judgement(named, shares[named or "nothing"], shares))


def plan_jpeg(data, wishes, seen=None):
    return make_plan(read_bytes(data, name="x"), inspect(data, name="x"), wishes, seen=seen)


def png(photo):
    buffer = io.BytesIO()
    Image.fromarray(photo()).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("task", "damage"),
    [("dehaze", "haze"), ("derain", "rain"), ("deblur", "blur"), ("lowlight", "dark")],
)
def test_a_task_that_is_asked_for(card, jpeg, task, damage):
    plan = plan_jpeg(jpeg(quality=20), Wishes(model=card, task=task))
    assert (plan.task, plan.weights, plan.first) == (task, (card,), None)
    assert (plan.steps, plan.samples, plan.seed) == (10, 1, 0)
    assert (plan.quality, plan.quality_source, plan.constraint) == (None, "none", "off")
    assert plan.reasons == (
        f"task {task}: asked for",
        "colour picture: the colour network",
        "10 steps of the 100 it was trained on",
        "seed 0: draws the noise; another gives a slightly other picture",
        f"constraint off: the file's bins hold the {damage} too",
        "precision float",
        "tiles of at most 512 pixels, overlapping by 128, on the 16-pixel grid",
    )


def test_what_else_is_asked_for(card, jpeg):
    asked = {"seed": 4, "steps": 1, "samples": 3, "constraint": "soft", "strength": 70}
    plan = plan_jpeg(jpeg(), Wishes(model=card, task="derain", **asked))
    assert {name: getattr(plan, name) for name in asked} == asked
    for reason in (
        "1 step of the 100 it was trained on, and the mean of 3 samples",
        "seed 4: draws the noise; another gives a slightly other picture",
        "constraint soft: asked for",
        "strength 70 %: mixed with the input",
    ):
        assert reason in plan.reasons


def test_only_a_jpeg_has_bins(card, picture):
    for constraint in ("auto", "soft"):
        plan = make_plan(picture, None, Wishes(model=card, task="dehaze", constraint=constraint))
        assert "constraint off: not a JPEG, so there are no bins to keep to" in plan.reasons


@pytest.mark.parametrize(
    ("wishes", "message"),
    [
        ({"model": "fbcnn", "task": "dehaze"},
         "--task dehaze is for models such as sr-diff; fbcnn repairs JPEG artifacts"),
        ({"model": "dagn", "task": "auto"},
         "--task auto is for models such as sr-diff; dagn repairs JPEG artifacts"),
        ({"model": "CARD"},
         "does not repair JPEG artifacts; say --task dehaze, derain, deblur, lowlight or auto"),
        ({"model": "CARD", "task": "dehaze", "quality": 20},
         "--quality is for JPEG repair; --task dehaze does not look at it"),
        ({"model": "CARD", "task": "haze"},
         "--task is jpeg, dehaze, derain, deblur, lowlight, real or auto, not 'haze'"),
        ({"model": "CARD", "task": "dehaze", "steps": 0}, "--steps is a whole number from 1"),
        ({"model": "CARD", "task": "dehaze", "steps": 101},
         "--steps is from 1 to 100 for this model, not 101"),
        ({"model": "CARD", "task": "dehaze", "samples": 0}, "--samples is a whole number from 1"),
        ({"steps": 4}, "--steps is for models that sample, such as sr-diff; fbcnn does not"),
        ({"model": "dagn", "samples": 2}, "--samples is for models that sample, such as sr-diff"),
        ({"seed": 2}, "--seed is for diffusion models such as sodiff; fbcnn draws nothing"),
    ],
)  # fmt: skip
def test_wishes_that_make_no_sense(restorer, card, picture, wishes, message):
    if wishes.get("model") == "CARD":
        wishes = wishes | {"model": card}
    for plan in (
        lambda: make_plan(picture, None, Wishes(**wishes)),
        lambda: restorer.load(Wishes(**wishes).checked()),
    ):
        with pytest.raises(UsageError, match=message):
            plan()


def test_a_model_that_lacks_the_task_says_what_it_knows(card, picture, tmp_path):
    told = json.loads(Path(card).read_text())
    told["training"]["recipe"]["network"]["tasks"] = ["dehaze", "deblur"]
    path = tmp_path / "two.json"
    path.write_text(json.dumps(told))
    with pytest.raises(UsageError, match="cannot do --task derain; it knows dehaze, deblur"):
        make_plan(picture, None, Wishes(model=str(path), task="derain"))
    told["training"]["recipe"]["network"]["tasks"] = ["defog"]
    path.write_text(json.dumps(told))
    with pytest.raises(WeightsError, match="The card of tiny describes no SR-Diff"):
        make_plan(picture, None, Wishes(model=str(path), task="derain"))


def test_auto_leaves_what_the_model_does_not_know(card, jpeg, picture, tmp_path):
    """The judge of another weight may look, and it knows more."""
    told = json.loads(Path(card).read_text())
    told["training"]["recipe"]["network"]["tasks"] = ["dehaze"]
    path = tmp_path / "one.json"
    path.write_text(json.dumps(told))
    wishes, seen = Wishes(model=str(path), task="auto"), judged("derain", 0.93)
    why = f"it needs derain, which {path} cannot do"
    assert plan_jpeg(jpeg(quality=40), wishes, seen).reasons[0] == f"task jpeg: {why}"
    assert make_plan(picture, None, wishes, seen=seen).task == "none"
    assert make_plan(picture, None, wishes, seen=judged("dehaze", 0.93)).task == "dehaze"


def test_auto_repairs_the_jpeg_first(card, jpeg):
    plan = plan_jpeg(jpeg(quality=40), Wishes(model=card, task="auto"), judged("derain", 0.93))
    assert (plan.task, plan.weights, plan.first) == ("derain", (card,), FIRST)
    assert (plan.quality, plan.quality_source, plan.constraint) == (40, "header", "off")
    assert plan.reasons[:4] == (
        "task derain: the judge is 93 % sure",
        "quality 40: read from the file's quantisation tables",
        "colour picture: the colour network",
        f"first {FIRST} restores the picture, and {card} starts from that",
    )


@pytest.mark.parametrize(
    ("quality", "asked", "first"),
    [(ARTIFACTS_BELOW - 1, None, FIRST), (ARTIFACTS_BELOW, None, None), (95, 30, FIRST)],
)
def test_auto_leaves_a_good_jpeg_as_it_is(card, jpeg, quality, asked, first):
    wishes = Wishes(model=card, task="auto", quality=asked)
    plan = plan_jpeg(jpeg(quality=quality), wishes, judged("dehaze", 0.9, quality=98.0))
    assert (plan.task, plan.first) == ("dehaze", first)
    told = "no JPEG repair first: it is for qualities below 90" in plan.reasons
    assert told == (first is None)


@pytest.mark.parametrize(
    ("task", "share", "why"),
    [
        ("nothing", 0.97, "the judge is 97 % sure that nothing else is to be undone"),
        ("deblur", 0.6, "it may need deblur, but of that the judge is 60 % sure"),
    ],
)
def test_auto_without_a_sure_judge_is_plain_repair(card, jpeg, picture, task, share, why):
    seen, data = judged(task, share, quality=38.0), jpeg(quality=40)
    plan = plan_jpeg(data, Wishes(model=card, task="auto", steps=3, seed=2, samples=2), seen)
    plain = plan_jpeg(data, Wishes(), seen)
    assert plan.reasons[0] == f"task jpeg: {why}"
    assert plan.model_copy(update={"reasons": plan.reasons[1:]}) == plain
    other = make_plan(picture, None, Wishes(model=card, task="auto"), seen=seen)
    assert (other.task, other.weights) == ("none", ())
    assert other.reasons == (f"task none: {why}, and the file is not a JPEG",)
    insisted = make_plan(picture, None, Wishes(model=card, task="auto", quality=20), seen=seen)
    assert (insisted.task, insisted.quality) == ("jpeg", 20)


def test_auto_takes_a_picture_all_the_way(restorer, sr_diff_card, card, jpeg):
    """The artifacts are repaired as --task jpeg does, and the task starts from that."""
    data = jpeg(quality=15)
    result = restorer.restore(data, Wishes(model=card, task="auto", steps=2))
    assert (result.plan.task, result.plan.first) == ("dehaze", FIRST)
    opened = restorer.open(data)
    repaired = restorer.restore(data, Wishes(constraint="off", precision="float")).picture
    backend = restorer._asked(card, result.plan)
    told = backend.survey(opened.picture.pixels)
    height, width = repaired.pixels.shape[:2]
    grid = lay_grid(height, width, tile_px=512, overlap_px=128)
    draw = NoiseField(0, grid).of([(0, 0)])
    expected = backend.encode(repaired.pixels[None], told, draw=draw).features[0][0].clip(0, 1)
    assert np.abs(result.picture.pixels - expected).max() < 1e-5
    calm = restorer.restore(data, Wishes(model=sr_diff_card("nothing", 0.95), task="auto"))
    assert np.array_equal(calm.picture.pixels, restorer.restore(data).picture.pixels)


def test_auto_leaves_a_picture_alone_that_needs_nothing(restorer, sr_diff_card, photo):
    data = png(photo)
    result = restorer.restore(data, Wishes(model=sr_diff_card("nothing", 0.95), task="auto"))
    assert np.array_equal(result.picture.pixels, read_bytes(data, name="x").pixels)
    assert result.picture.notes == (NOTHING,)
    assert result.report()["plan"]["task"] == "none"


def test_a_cmyk_picture_is_not_judged(restorer, card):
    buffer = io.BytesIO()
    Image.new("CMYK", (32, 32)).save(buffer, "JPEG", quality=30)
    plan = restorer.restore(buffer.getvalue(), Wishes(model=card, task="auto")).plan
    assert (plan.task, plan.route) == ("jpeg", "cmyk")
    assert plan.reasons[0] == "task jpeg: a CMYK picture is not judged"


def test_a_session_may_find_a_task(restorer, card, jpeg):
    """A quality that is asked for decides whether artifacts are repaired first."""
    data, wishes = jpeg(quality=15), {"model": card, "task": "auto", "steps": 1}
    session = restorer.session(data, Wishes(**wishes))
    for changes in ({}, {"quality": 95}, {"quality": 30}, {"strength": 50}):
        once, anew = session.restore(**changes), restorer.restore(data, Wishes(**wishes | changes))
        assert np.array_equal(once.picture.pixels, anew.picture.pixels)
        assert once.plan == anew.plan
