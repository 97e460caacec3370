"""An SR-Diff through the whole engine: one context and one noise for a picture."""

import io
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from restora.engine.backend_sr_diff import Context
from restora.engine.backend_torch_sr_diff import SrDiffTorchBackend
from restora.engine.ensemble import Ensemble
from restora.engine.models import open_backend, weight_facts
from restora.engine.noise import NoiseField
from restora.engine.plan import Wishes
from restora.engine.restorer import Restorer
from restora.engine.tiles import lay_grid
from restora.errors import InputError, UsageError, WeightsError
from restora.images import read_bytes
from restora.networks.weight_files import write_safetensors
from restora.semantics.context import one_row
from restora.semantics.lookup import load_image_encoder


@pytest.fixture(scope="module")
def card(sr_diff_card):
    return sr_diff_card()


@pytest.fixture(scope="module")
def light(card):
    return open_backend(card, device="cpu", threads=1, precision="float")


@pytest.fixture(scope="module")
def full(small_sr_diff):
    return SrDiffTorchBackend(small_sr_diff.config, small_sr_diff.state_dict())


@pytest.fixture(scope="module")
def restorer():
    return Restorer(threads=1)


@pytest.fixture
def png(photo):
    """Makes the bytes of a PNG file."""

    def make(height_px=96, width_px=128, *, mode="RGB", seed=0):
        buffer = io.BytesIO()
        Image.fromarray(photo(height_px, width_px, seed)).convert(mode).save(buffer, "PNG")
        return buffer.getvalue()

    return make


def noise_of(height_px, width_px, seed=3):
    grid = lay_grid(height_px, width_px, tile_px=512, overlap_px=16)
    return NoiseField(seed, grid).of([(0, 0)])


def test_a_walk_is_what_the_equations_say(small_sr_diff, full, pixels):
    """Two steps by hand: SR-Diff's start, and IR-SDE's posterior between."""
    tile = pixels(64, 64)
    draw, sde = noise_of(64, 64), small_sr_diff.config.sde.make()
    mu = torch.from_numpy(tile.transpose(2, 0, 1)[None].copy())
    tokens = one_row(load_image_encoder("lite0").encode(tile[None]), 50)
    task = torch.tensor([[0.0, 0.0, 1.0, 0.0]])
    with torch.no_grad():
        context = small_sr_diff.refiner(torch.from_numpy(tokens))

        def clean(state, t):
            return small_sr_diff(state, mu, torch.tensor([float(t)]), task, context)

        first, second = (torch.from_numpy(draw(tuple(mu.shape), k)) for k in (0, 1))
        start = mu + 50 / 255 * first
        mean, spread = sde.posterior(start, clean(start, 100), mu, 100, 50)
        expected = clean(mean + spread * second, 50)[0].numpy().transpose(1, 2, 0)
    asked = full.asked(task="deblur", steps=2, samples=1)
    found = asked.decode(asked.encode(tile[None], draw=draw), 50.0)[0]
    assert np.abs(found - expected).max() < 1e-5
    assert np.abs(found - tile).max() > 0.02


def test_the_backends_agree(light, full, pixels):
    tiles = np.stack([pixels(seed=0), pixels(seed=1)])
    grid = lay_grid(96, 128, tile_px=128, overlap_px=16)
    draw = NoiseField(3, grid).of([(0, 0), (0, 0)])
    for whole in (None, np.concatenate(list(tiles))):
        for task, steps, samples in (("dehaze", 5, 1), ("lowlight", 2, 2)):
            a, b = (
                each.encode(tiles, None if whole is None else each.survey(whole), draw=draw)
                for each in (
                    e.asked(task=task, steps=steps, samples=samples) for e in (light, full)
                )
            )
            expected = light.decode(a, 50.0)
            assert np.abs(expected - tiles).max() > 2e-2
            assert np.abs(expected - full.decode(b, 50.0)).max() < 1e-3


def test_half_precision_is_close(small_sr_diff, full, pixels):
    half = SrDiffTorchBackend(small_sr_diff.config, small_sr_diff.state_dict(), half=True)
    tile, draw = pixels(32, 48)[None], noise_of(32, 48)
    made = [
        e.asked(task="dehaze", steps=3, samples=1).encode(tile, draw=draw).features[0]
        for e in (full, half)
    ]
    assert 0 < np.abs(made[0] - made[1]).mean() < 2e-3


def test_everything_it_is_told_matters(light, pixels):
    tile, draw = pixels()[None], noise_of(96, 128)

    def made(guidance=None, draw=draw, **asked):
        backend = light.asked(**{"task": "dehaze", "steps": 3, "samples": 1} | asked)
        return backend.encode(tile, guidance, draw=draw).features[0]

    plain = made()
    assert np.array_equal(plain, made(light.survey(tile[0])))
    others = {
        "context": made(light.survey(pixels(seed=5))),
        "task": made(task="derain"),
        "steps": made(steps=4),
        "noise": made(draw=noise_of(96, 128, seed=4)),
        "no noise": made(draw=None),
    }
    for name, other in others.items():
        assert np.abs(other - plain).max() > 1e-4, name


def test_samples_are_independent_and_their_mean_is_given(light, pixels):
    tile, draw = pixels()[None], noise_of(96, 128)
    one = light.asked(task="derain", steps=3, samples=1)
    two = light.asked(task="derain", steps=3, samples=2).encode(tile, draw=draw).features[0]
    first = one.encode(tile, draw=draw).features[0]
    later = one.encode(tile, draw=lambda shape, k: draw(shape, k + 4)).features[0]
    assert np.abs(first - later).max() > 1e-3
    assert np.abs(two - (first + later) / 2).max() < 1e-6


def test_asking_changes_nothing_for_others(light):
    asked = light.asked(task="lowlight", steps=1, samples=9)
    assert asked is not light
    assert (light._task, light._steps, light._samples) == ("dehaze", 10, 1)
    assert asked._denoiser is light._denoiser


def test_it_needs_no_context_where_it_was_taught_none(small_sr_diff, pixels):
    config = small_sr_diff.config.model_copy(update={"context": "none"})
    blind = SrDiffTorchBackend(config, small_sr_diff.state_dict())
    told = blind.survey(pixels())
    assert isinstance(told, Context)
    assert not told.tokens.any()
    assert blind.encode(pixels()[None], told).features[0].shape == (1, 96, 128, 3)


def test_the_card_tells_what_it_can_do(card, small_sr_diff, tmp_path):
    path = tmp_path / "small.safetensors"
    write_safetensors(path, small_sr_diff.config, small_sr_diff.state_dict())
    for weight, of_torch in ((card, False), (str(path), True)):
        facts = weight_facts(weight)
        assert facts.tasks == ("dehaze", "derain", "deblur", "lowlight")
        assert (facts.steps, facts.most_steps, facts.multiple_px) == (10, 100, 4)
        assert (facts.torch, facts.local, facts.timesteps) == (of_torch, True, ())


def test_the_context_is_of_the_encoder_it_was_taught(card, tmp_path):
    told, here = json.loads(Path(card).read_text()), load_image_encoder("lite0").fingerprint()
    for part in ("refiner", "denoiser", "judge"):
        shutil.copy(Path(card).with_name(f"tiny.{part}.onnx"), tmp_path)
    path = tmp_path / "tiny.json"
    for fingerprint in (here, "lite0-other"):
        path.write_text(json.dumps(told | {"encoders": {"image encoder": fingerprint}}))
        again = partial(open_backend, str(path), device="cpu", threads=1, precision="float")
        if fingerprint == here:
            assert again().survey(np.zeros((32, 32, 3), np.float32)).tokens.shape == (1, 50, 16)
            continue
        with pytest.raises(WeightsError, match=f"taught with the image encoder {fingerprint}, and"):
            again()


def test_nobody_has_the_context_of_the_clean_picture(small_sr_diff, tmp_path):
    config = small_sr_diff.config.model_copy(update={"context": "oracle-gt"})
    path = tmp_path / "oracle.safetensors"
    write_safetensors(path, config, small_sr_diff.state_dict())
    with pytest.raises(WeightsError, match="guided by the clean picture in training"):
        open_backend(str(path), device="cpu", threads=1, precision="float")


def test_tiles_agree_with_the_whole(restorer, card, png):
    """One context and one noise; the rest is a network that sees near things alone."""
    picture = read_bytes(png(230, 400), name="x")
    whole, tiled = (
        restorer.run(picture, restorer.plan(picture, None, wishes)).pixels
        for wishes in (
            Wishes(model=card, task="dehaze", tile_px=t, steps=3, seed=5) for t in (512, 256)
        )
    )
    assert np.abs(whole - picture.pixels).max() > 0.02
    assert np.abs(whole - tiled).max() < 1e-4


def test_a_seed_draws_and_0_is_the_usual_one(restorer, card, png):
    data = png()

    def restored(**wishes):
        wishes = Wishes(model=card, task="derain", steps=2, **wishes)
        return restorer.restore(data, wishes).picture.pixels

    usual, seven = restored(), restored(seed=7)
    assert np.array_equal(usual, restored(seed=0))
    assert np.array_equal(seven, restored(seed=7))
    assert np.abs(usual - seven).max() > 1e-3


def test_a_restoration_is_the_same_with_pytorch(restorer, card, small_sr_diff, png, tmp_path):
    path = Path(tmp_path / "small.safetensors")
    write_safetensors(path, small_sr_diff.config, small_sr_diff.state_dict())
    a, b = (
        restorer.restore(png(70, 300), Wishes(model=model, task="deblur", steps=3, tile_px=256))
        for model in (card, str(path))
    )
    # Halved weights are not what was compared above, and tiles overlap as cards say.
    assert np.abs(a.picture.pixels - b.picture.pixels).max() < 2e-3
    assert a.plan.steps == b.plan.steps == 3


@pytest.mark.parametrize("ensemble", [1, 2])
def test_a_session_samples_once(restorer, card, png, ensemble):
    data = png(60, 300)
    wishes = {"model": card, "task": "dehaze", "tile_px": 256, "ensemble": ensemble, "steps": 2}
    session = restorer.session(data, Wishes(**wishes))
    for changes in ({}, {"strength": 40}, {"constraint": "off"}):
        once, anew = session.restore(**changes), restorer.restore(data, Wishes(**wishes | changes))
        assert np.array_equal(once.picture.pixels, anew.picture.pixels)
        assert once.plan == anew.plan
    with pytest.raises(UsageError, match="--task dehaze does not look at it"):
        session.restore(quality=10)


def test_an_ensemble_is_the_mean_of_turned_pictures_with_turned_noise(light, pixels):
    picture, draw = pixels(64, 96), noise_of(64, 96)
    asked = light.asked(task="dehaze", steps=2, samples=1)
    ensemble = Ensemble(asked, 2)
    found = ensemble.decode(ensemble.encode(picture[None], ensemble.survey(picture), draw=draw), 1)
    upright = asked.encode(picture[None], draw=draw).features[0]
    turned = asked.encode(
        picture[None, :, ::-1], draw=lambda shape, k: draw(shape, k)[..., ::-1]
    ).features[0]
    assert np.abs(found - (upright + turned[:, :, ::-1]) / 2).max() < 1e-5


@pytest.mark.parametrize(("size", "mode"), [((1, 1), "RGB"), ((3, 300), "L"), ((97, 33), "RGB")])
def test_any_size_comes_back(restorer, card, png, size, mode):
    wishes = Wishes(model=card, task="lowlight", steps=1)
    result = restorer.restore(png(*size, mode=mode), wishes)
    assert result.picture.pixels.shape == (*size, 1 if mode == "L" else 3)
    assert 0 <= result.picture.pixels.min() <= result.picture.pixels.max() <= 1
    assert result.plan.route == ("tripled" if mode == "L" else "color")


def test_a_cmyk_picture_is_refused(restorer, card):
    buffer = io.BytesIO()
    Image.new("CMYK", (32, 32)).save(buffer, "JPEG")
    with pytest.raises(InputError, match="needs a gray and a colour network"):
        restorer.restore(buffer.getvalue(), Wishes(model=card, task="dehaze"))


def test_the_bins_are_kept_to_where_that_is_asked(restorer, card, jpeg):
    wishes = {"model": card, "task": "dehaze", "steps": 2}
    free = restorer.restore(jpeg(), Wishes(**wishes))
    held = restorer.restore(jpeg(), Wishes(**wishes, constraint="hard"))
    assert (free.inside, free.plan.constraint) == (None, "off")
    assert held.inside == 1


def test_threads_do_not_disturb_each_other(restorer, card, png):
    files = [png(60 + 20 * k, 90) for k in range(4)]
    wishes = [
        Wishes(model=card, task=task, steps=steps, samples=samples)
        for task, steps, samples in (
            ("dehaze", 3, 1), ("derain", 1, 2), ("deblur", 2, 1), ("lowlight", 1, 1),
        )
    ]  # fmt: skip
    one = [restorer.restore(*each).picture.pixels for each in zip(files, wishes, strict=True)]
    with ThreadPoolExecutor(2) as pool:
        two = list(pool.map(restorer.restore, files, wishes))
    for a, b in zip(one, two, strict=True):
        assert np.array_equal(a, b.picture.pixels)


def test_there_is_no_8_bit_form(restorer, card, png):
    with pytest.raises(UsageError, match="needs a model with an 8-bit form"):
        restorer.restore(png(), Wishes(model=card, task="dehaze", precision="int8"))
