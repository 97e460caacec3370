"""Real-world damage through the whole engine: one caption and one noise for a picture."""

import io
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from restora.engine import words
from restora.engine.plan import Wishes
from restora.engine.restorer import Restorer
from restora.errors import InputError, MissingExtra, UsageError
from restora.images import read_bytes
from restora.semantics.lookup import load_captioner
from restora.semantics.words import describe


@pytest.fixture(scope="module")
def restorer():
    return Restorer(threads=1)


@pytest.fixture
def wishes(ssp_ir_file):
    def make(**wished):
        return Wishes(**{"model": ssp_ir_file(), "task": "real", "steps": 2} | wished)

    return make


@pytest.fixture
def png(photo):
    """Makes the bytes of a PNG file."""

    def make(height_px=37, width_px=53, *, mode="RGB", seed=0, **options):
        buffer = io.BytesIO()
        image = Image.fromarray(photo(height_px, width_px, seed)).convert(mode)
        image.save(buffer, "PNG", **options)
        return buffer.getvalue()

    return make


def test_tiles_agree_with_the_whole(restorer, wishes, png):
    """One caption and one noise; the rest is a network that sees near things alone."""
    picture = read_bytes(png(220, 400), name="x")
    asked = {"seed": 5, "prompt": "a sea", "text_guidance": 2.0, "sampler": "ddpm"}
    whole, tiled = (
        restorer.run(picture, restorer.plan(picture, None, wishes(tile_px=tile_px, **asked))).pixels
        for tile_px in (512, 256)
    )
    assert np.abs(whole - picture.pixels).max() > 0.02
    assert np.abs(whole - tiled).max() < 1 / 255


def test_a_seed_draws_and_0_is_the_usual_one(restorer, wishes, png):
    def restored(**wished):
        return restorer.restore(png(), wishes(**wished)).picture.pixels

    usual, seven = restored(), restored(seed=7)
    assert np.array_equal(usual, restored(seed=0))
    assert np.array_equal(seven, restored(seed=7))
    assert np.abs(usual - seven).max() > 1e-3


def test_the_caption_is_written_once_told_and_used(restorer, wishes, png):
    data = png()
    picture = read_bytes(data, name="x")
    caption = describe(picture.pixels, load_captioner("tags"))
    by_itself = restorer.restore(data, wishes())
    assert (by_itself.plan.prompt, by_itself.plan.captioner) == (caption, "tags")
    assert by_itself.report()["plan"]["prompt"] == caption
    asked = restorer.restore(data, wishes(prompt=caption))
    assert (asked.plan.prompt, asked.plan.captioner) == (caption, "asked")
    assert np.array_equal(by_itself.picture.pixels, asked.picture.pixels)
    others = [wishes(prompt="a red dog"), wishes(prompt=""), wishes(caption_model="empty")]
    red, none, empty = (restorer.restore(data, each).picture.pixels for each in others)
    assert np.abs(red - by_itself.picture.pixels).max() > 1e-3
    assert np.abs(none - by_itself.picture.pixels).max() > 1e-3
    assert np.array_equal(none, empty)


def test_a_picture_is_captioned_upright_and_gray_ones_too(restorer, wishes):
    stripes = np.repeat(np.arange(48, dtype=np.uint8)[:, None] // 4 % 2 * 255, 64, axis=1)
    for orientation, seen in ((1, "horizontal lines"), (6, "vertical lines")):
        exif, buffer = Image.Exif(), io.BytesIO()
        exif[0x0112] = orientation
        Image.fromarray(stripes).save(buffer, "PNG", exif=exif.tobytes())
        picture = read_bytes(buffer.getvalue(), name="x")
        assert picture.space == "gray"
        assert seen in restorer.plan(picture, None, wishes()).prompt


def test_captions_from_files_are_found_by_the_picture(restorer, wishes, png, tmp_path):
    (tmp_path / "a.png").write_bytes(png())
    (tmp_path / "a.txt").write_text("a quiet\nharbour")
    plan = restorer.restore(tmp_path / "a.png", wishes(caption_model="file:")).plan
    assert (plan.prompt, plan.captioner) == ("a quiet harbour", "file")
    session = restorer.session(tmp_path / "a.png", wishes(caption_model="file:"))
    assert session.plan.prompt == "a quiet harbour"
    with pytest.raises(UsageError, match="need the name of every picture"):
        restorer.restore(png(), wishes(caption_model="file:"))
    with pytest.raises(UsageError, match="There is no captioner 'cats'"):
        restorer.load(wishes(caption_model="cats"))


def test_without_the_extra_there_are_no_words(restorer, wishes, png, monkeypatch):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    words._load_reader.cache_clear()
    restorer.load(wishes())
    plain = restorer.restore(png(), wishes())
    assert (plain.plan.prompt, plain.plan.captioner) == ("", None)
    (why,) = [reason for reason in plain.plan.reasons if reason.startswith("no caption: ")]
    assert why.endswith("which the light install leaves out: pip install 'restora[captions]'")
    none = restorer.restore(png(), wishes(prompt=""))
    assert np.array_equal(plain.picture.pixels, none.picture.pixels)
    restorer.load(wishes(caption_model="empty"))  # nothing to be read
    empty = restorer.restore(png(), wishes(caption_model="empty"))
    assert "no caption: asked for" in empty.plan.reasons
    with pytest.raises(UsageError, match="There is no captioner ''"):
        restorer.load(wishes(caption_model=""))
    for asked in ({"prompt": "a dog"}, {"caption_model": "tags"}):
        for ask in (restorer.load, lambda wished: restorer.restore(png(), wished)):
            with pytest.raises(MissingExtra, match=r"restora\[captions\]"):
                ask(wishes(**asked))


def test_weights_that_read_no_words_take_none(restorer, wishes, png, ssp_ir_file):
    model = ssp_ir_file(text=False)
    plan = restorer.restore(png(), wishes(model=model)).plan
    assert (plan.prompt, plan.captioner, plan.text_guidance) == (None, None, 1)
    assert not any("caption" in reason for reason in plan.reasons)
    with pytest.raises(UsageError, match=r"--prompt is for models that read words; .* reads none"):
        restorer.restore(png(), wishes(model=model, prompt="a dog"))


@pytest.mark.parametrize(
    ("size", "mode"), [((1, 1), "RGB"), ((37, 53), "RGBA"), ((3, 70), "L"), ((40, 17), "I;16")]
)
def test_any_picture_comes_back(restorer, wishes, png, size, mode):
    if mode == "I;16":
        buffer = io.BytesIO()
        Image.fromarray(np.arange(size[0] * size[1], dtype=np.uint16).reshape(size) * 80).save(
            buffer, "PNG"
        )
        data = buffer.getvalue()
    else:
        data = png(*size, mode=mode)
    before = read_bytes(data, name="x")
    after = restorer.restore(data, wishes()).picture
    assert after.pixels.shape == before.pixels.shape
    assert after.bits == before.bits
    assert (after.alpha is None) == (mode != "RGBA")
    assert 0 <= after.pixels.min() <= after.pixels.max() <= 1


def test_a_cmyk_picture_is_refused(restorer, wishes):
    buffer = io.BytesIO()
    Image.new("CMYK", (32, 32)).save(buffer, "JPEG")
    with pytest.raises(InputError, match="needs a gray and a colour network"):
        restorer.restore(buffer.getvalue(), wishes())


def test_a_jpeg_is_not_repaired_first(restorer, wishes, jpeg):
    plan = restorer.restore(jpeg(32, 32, quality=10), wishes()).plan
    assert (plan.first, plan.quality, plan.constraint) == (None, None, "off")
    held = restorer.restore(jpeg(32, 32), wishes(constraint="hard"))
    assert held.inside == 1


def test_an_enlarged_picture(restorer, wishes, png, jpeg):
    result = restorer.restore(png(dpi=(72, 72)), wishes(upscale=3))
    assert (result.picture.height_px, result.picture.width_px) == (111, 159)
    told = result.report()
    assert (told["width_px"], told["plan"]["upscale"]) == (159, 3)
    assert "enlarged 3 times before, bicubic, to 159×111 pixels" in result.plan.reasons
    plan = restorer.restore(jpeg(32, 32), wishes(upscale=2)).plan
    assert "constraint off: the picture is enlarged, and the file's bins are of its own pixels" in (
        plan.reasons
    )
    with pytest.raises(InputError, match="Enlarged 2 times the picture has 106×74 pixels"):
        restorer.restore(png(), wishes(upscale=2), max_pixels=5000)
    refused = []
    with pytest.raises(InputError, match="too wide"):
        restorer.restore(png(), wishes(upscale=2), accept=lambda picture: _refuse(picture, refused))
    assert refused == [106]


def _refuse(picture, refused):
    refused.append(picture.width_px)
    raise InputError("too wide")


def test_colours_are_fixed_over_the_whole(restorer, wishes, png):
    picture = read_bytes(png(220, 400), name="x")
    plain, fixed = (
        restorer.run(picture, restorer.plan(picture, None, wishes(tile_px=256, color_fix=kind)))
        for kind in ("none", "adain")
    )
    means = [each.pixels.mean(axis=(0, 1)) for each in (picture, plain, fixed)]
    assert np.abs(means[1] - means[0]).max() > 5e-3
    assert np.abs(means[2] - means[0]).max() < 2e-3  # what is clipped afterwards
    enlarged = restorer.restore(png(), wishes(upscale=2, color_fix="wavelet"))
    assert enlarged.plan.color_fix == "wavelet"
    gray = restorer.restore(png(mode="L"), wishes(color_fix="adain")).picture
    assert gray.pixels.shape == (37, 53, 1)


@pytest.mark.parametrize("ensemble", [1, 2])
def test_a_session_samples_once_for_each_caption(restorer, wishes, png, ensemble):
    data = png(30, 50)
    session = restorer.session(data, wishes(ensemble=ensemble))
    for changes in ({}, {"prompt": "a red dog"}, {"strength": 40}, {"prompt": ""}, {}):
        once = session.restore(**changes)
        anew = restorer.restore(data, wishes(ensemble=ensemble, **changes))
        assert np.array_equal(once.picture.pixels, anew.picture.pixels)
        assert once.plan == anew.plan
    with pytest.raises(UsageError, match="--task real does not look at it"):
        session.restore(quality=10)
    other = restorer.session(data, wishes(caption_model="static:a cat"))
    assert other.plan.prompt == "a cat"
    assert other.restore(prompt="a dog").plan.prompt == "a dog"


def test_threads_do_not_disturb_each_other(restorer, wishes, png):
    files = [png(30 + 10 * k, 40) for k in range(3)]
    asked = [wishes(prompt="a dog"), wishes(steps=1, text_guidance=2), wishes(seed=3, upscale=2)]
    one = [restorer.restore(*each).picture.pixels for each in zip(files, asked, strict=True)]
    with ThreadPoolExecutor(3) as pool:
        many = list(pool.map(restorer.restore, files, asked))
    for a, b in zip(one, many, strict=True):
        assert np.array_equal(a, b.picture.pixels)
