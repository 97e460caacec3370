"""What is decided for real-world damage is in the plan, and what cannot be done is told."""

from dataclasses import replace

import numpy as np
import pytest

from restora.engine.estimate import Seen
from restora.engine.plan import Wishes, make_plan
from restora.engine.restorer import Restorer
from restora.engine.words import Words
from restora.errors import UsageError
from restora.images import Picture, read_bytes
from restora.jpeg import inspect

SAID = Seen(None, words=Words("a sea", "tags", ('caption by tags: "a sea"',)))


@pytest.fixture(scope="module")
def restorer():
    return Restorer(threads=1)


@pytest.fixture
def picture(pixels):
    return Picture(pixels=pixels(), space="rgb")


@pytest.fixture
def model(ssp_ir_file):
    return ssp_ir_file()


def test_a_plan_with_nothing_asked(model, jpeg):
    data = jpeg()
    plan = make_plan(
        read_bytes(data, name="x"), inspect(data, name="x"), Wishes(model=model, task="real"),
        seen=SAID,
    )  # fmt: skip
    assert (plan.task, plan.weights, plan.first, plan.quality) == ("real", (model,), None, None)
    assert (plan.steps, plan.samples, plan.seed, plan.upscale) == (4, 1, 0, 1)
    assert (plan.prompt, plan.captioner, plan.negative_prompt) == ("a sea", "tags", None)
    assert (plan.sampler, plan.color_fix, plan.constraint) == ("dpm-solver++", "none", "off")
    assert (plan.text_guidance, plan.image_guidance) == (1, 1)
    assert plan.reasons == (
        "task real: asked for",
        "colour picture: the colour network",
        'caption by tags: "a sea"',
        "4 steps of the 1000 it was trained on, by dpm-solver++",
        "seed 0: draws the noise; another gives a slightly other picture",
        "text guidance 1, image guidance 1: as it was taught",
        "colour fix none: as the model has it",
        "constraint off: the file's bins hold the damage too",
        "precision float",
        "tiles of at most 512 pixels, overlapping by 128, on the 16-pixel grid",
    )


def test_what_else_is_asked_for(model, picture):
    asked = {
        "seed": 4, "steps": 9, "samples": 2, "sampler": "ddpm", "text_guidance": 3.0,
        "image_guidance": 0.5, "color_fix": "wavelet", "upscale": 2, "strength": 70,
        "negative_prompt": "rain", "prompt": "a dog",
    }  # fmt: skip
    plan = make_plan(picture, None, Wishes(model=model, task="real", **asked))
    assert {name: getattr(plan, name) for name in asked} == asked
    for reason in (
        'caption asked for: "a dog"',
        'led away from: "rain"',
        "9 steps of the 1000 it was trained on, by ddpm, and the mean of 2 samples",
        "text guidance 3, image guidance 0.5: 3 looks a step",
        "colour fix wavelet: asked for",
        "enlarged 2 times before, bicubic, to 128×96 pixels",
        "strength 70 %: mixed with the input",
    ):
        assert reason in plan.reasons


def test_what_is_not_read_of_a_caption(restorer, model, picture):
    long = "a wide and quiet harbour under heavy morning clouds with many small white boats inside"
    plan = restorer.plan(picture, None, Wishes(model=model, task="real", prompt=long))
    (told,) = [reason for reason in plan.reasons if "not:" in reason]
    assert told.startswith("the text encoder reads 16 of its 17 tokens, so not: ")
    assert told.endswith('"inside"')
    short = restorer.plan(picture, None, Wishes(model=model, task="real", prompt="a  harbour\n"))
    assert 'caption asked for: "a harbour"' in short.reasons
    assert not any("not:" in reason for reason in short.reasons)


def test_guidance_without_words_is_told(model, picture):
    wishes = Wishes(model=model, task="real", prompt="", text_guidance=4)
    plan = make_plan(picture, None, wishes)
    assert "no caption: asked for" in plan.reasons
    assert "without words there is nothing that text guidance could follow" in plan.reasons
    assert "text guidance 4, image guidance 1: 1 look a step" in plan.reasons


def test_one_look_is_not_always_as_taught(model, picture):
    plan = make_plan(picture, None, Wishes(model=model, task="real", prompt="a", text_guidance=0))
    assert "text guidance 0, image guidance 1: 1 look a step" in plan.reasons


def test_an_enlarged_size_is_that_of_the_upright_picture(model, picture):
    turned = replace(picture, metadata=replace(picture.metadata, orientation=6))
    plan = make_plan(turned, None, Wishes(model=model, task="real", upscale=2))
    wide, high = picture.width_px, picture.height_px
    told = f"enlarged 2 times before, bicubic, to {high}×{wide} pixels"
    assert wide != high and told in plan.reasons


def test_weights_have_their_own_ways(picture, ssp_ir_file):
    model = ssp_ir_file(colour_fix="adain", text_guidance=7.5, sampler="ddpm", walk=50)
    plan = make_plan(picture, None, Wishes(model=model, task="real"))
    assert (plan.color_fix, plan.text_guidance) == ("adain", 7.5)
    assert (plan.sampler, plan.steps) == ("ddpm", 50)
    free = make_plan(picture, None, Wishes(model=model, task="real", color_fix="none"))
    assert (free.color_fix, free.reasons[-4]) == ("none", "colour fix none: asked for")


def test_other_tasks_have_none_of_it(picture):
    plan = make_plan(picture, None, Wishes())
    assert (plan.prompt, plan.sampler, plan.color_fix, plan.upscale) == (None, None, "none", 1)


@pytest.mark.parametrize(
    ("wishes", "message"),
    [
        ({}, "does not repair JPEG artifacts; say --task real"),
        ({"task": "auto"}, "cannot do --task auto; it knows real"),
        ({"task": "dehaze"}, "cannot do --task dehaze; it knows real"),
        ({"task": "real", "model": "fbcnn"},
         "--task real is for models such as ssp-ir; fbcnn repairs JPEG artifacts"),
        ({"task": "real", "model": "sr-diff"}, "sr-diff cannot do --task real; it knows dehaze"),
        ({"task": "real", "quality": 20}, "--task real does not look at it"),
        ({"task": "real", "steps": 1001}, "--steps is from 1 to 1000 for this model, not 1001"),
        ({"task": "real", "precision": "int8"}, "needs a model with an 8-bit form"),
        ({"task": "real", "prompt": "a", "caption_model": "tags"}, "give one alone"),
        ({"task": "real", "negative_prompt": "rain"}, "add --text-guidance, such as 2"),
        ({"task": "real", "negative_prompt": "rain", "text_guidance": 0}, "guidance is above 1"),
        ({"task": "real", "negative_prompt": "rain", "image_guidance": 3}, "guidance is above 1"),
        ({"task": "real", "sampler": "ddim"}, "--sampler is ddpm or dpm-solver\\+\\+, not 'ddim'"),
        ({"task": "real", "text_guidance": 21}, "--text-guidance is a number from 0 to 20, not 21"),
        ({"task": "real", "image_guidance": -1.0}, "--image-guidance is a number from 0 to 20"),
        ({"task": "real", "text_guidance": float("nan")}, "from 0 to 20, not nan"),
        ({"task": "real", "color_fix": "hsv"}, "--color-fix is none, adain or wavelet, not 'hsv'"),
        ({"task": "real", "upscale": 5}, "--upscale is 1, 2, 3 or 4, not 5"),
        ({"task": "real", "upscale": 2, "constraint": "hard"}, "--upscale makes others"),
        ({"model": None, "upscale": 2}, "--upscale is for --task real; --task jpeg does not take"),
        ({"model": "sr-diff", "task": "derain", "prompt": "a"}, "--prompt is for --task real"),
        ({"model": None, "color_fix": "none"}, "--color-fix is for --task real"),
        ({"model": None, "caption_model": "tags"}, "--caption-model is for --task real"),
        ({"model": None, "sampler": "ddpm"}, "--sampler is for --task real"),
        ({"model": None, "text_guidance": 1.0}, "--text-guidance is for --task real"),
        ({"task": "sharpen"}, "--task is jpeg, .*, lowlight, real or auto, not 'sharpen'"),
    ],
)  # fmt: skip
def test_wishes_that_make_no_sense(restorer, model, picture, wishes, message):
    wishes = {"model": model} | wishes
    for plan in (
        lambda: make_plan(picture, None, Wishes(**wishes)),
        lambda: restorer.load(Wishes(**wishes).checked()),
    ):
        with pytest.raises(UsageError, match=message):
            plan()


def test_what_switched_off_parts_cannot_honour(picture, ssp_ir_file):
    no_text, no_image = ssp_ir_file(text=False), ssp_ir_file(image=False)
    for model, wish, message in (
        (no_text, {"caption_model": "tags"}, "--caption-model is for models that read words"),
        (no_text, {"text_guidance": 2}, "--text-guidance is for models that read words"),
        (no_image, {"image_guidance": 2}, "--image-guidance is for models that are told what a"),
    ):
        with pytest.raises(UsageError, match=message):
            make_plan(picture, None, Wishes(model=model, task="real", **wish))
    plan = make_plan(picture, None, Wishes(model=no_text, task="real", prompt=""))
    assert plan.prompt is None


def test_tiles_lie_on_the_grid_of_the_network(restorer, ssp_ir_file):
    """Wide windows of attention make a wide grid."""
    model = ssp_ir_file(attention={"form": "light", "window": 8})
    picture = Picture(pixels=np.full((70, 90, 3), 0.5, np.float32), space="rgb")
    plan = restorer.plan(picture, None, Wishes(model=model, task="real", prompt="", steps=1))
    assert plan.grid_px == 64
    assert restorer.run(picture, plan).pixels.shape == (70, 90, 3)
    with pytest.raises(UsageError, match="choose a multiple of 64"):
        restorer.load(Wishes(model=model, task="real", tile_px=528))
