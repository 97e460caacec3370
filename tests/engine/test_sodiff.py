"""A SODiff through the whole engine: one prompt, one timestep and one noise for a picture."""

import io
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from PIL import Image

from restora.engine.backend import PREDICT
from restora.engine.backend_torch_sodiff import SodiffTorchBackend
from restora.engine.ensemble import Ensemble
from restora.engine.noise import NoiseField
from restora.engine.plan import Wishes
from restora.engine.restorer import Restorer
from restora.engine.sodiff_survey import WINDOW_PX, small_copy
from restora.engine.tiles import lay_grid
from restora.errors import InputError, UsageError
from restora.images import Picture, read_bytes
from restora.networks.weight_files import write_safetensors


@pytest.fixture(scope="module")
def full(small_sodiff):
    return SodiffTorchBackend(small_sodiff.config, small_sodiff.state_dict())


@pytest.fixture(scope="module")
def model(small_sodiff, tmp_path_factory):
    path = tmp_path_factory.mktemp("sodiff") / "small.safetensors"
    write_safetensors(path, small_sodiff.config, small_sodiff.state_dict())
    return str(path)


@pytest.fixture(scope="module")
def restorer():
    return Restorer(threads=1)


def test_it_is_the_network(small_sodiff, full, pixels):
    """With what is asked and without; the prompt's small copy is Pillow's, not PyTorch's."""
    tile = pixels(32, 32)[None]  # as large as the copy, which then is the picture itself
    picture = torch.from_numpy(tile.transpose(0, 3, 1, 2))
    encoded = full.encode(tile)
    for quality in (None, 10.0, 60.0, 100.0):
        with torch.no_grad():
            asked = None if quality is None else torch.tensor([quality])
            expected, strength = small_sodiff(picture, asked)
        found = full.decode(encoded, quality or PREDICT, insist=quality is not None)
        assert np.abs(found[0].transpose(2, 0, 1) - expected[0].numpy()).max() < 1e-5
    assert encoded.quality[0] == pytest.approx(100 - 100 * strength.item(), abs=1e-3)


def test_half_precision_is_close(small_sodiff, full, pixels):
    half = SodiffTorchBackend(small_sodiff.config, small_sodiff.state_dict(), half=True)
    a, b = (backend.encode(pixels()[None]) for backend in (full, half))
    assert a.quality == pytest.approx(b.quality, abs=0.1)
    for quality in (10.0, 90.0):
        x, y = (f.decode(e, quality, insist=True) for f, e in ((full, a), (half, b)))
        assert np.abs(x - y).mean() < 1e-3


def test_everything_it_is_told_matters(full, pixels):
    tile = pixels()[None]
    encoded = full.encode(tile)
    plain = full.decode(encoded, PREDICT)
    other = replace(encoded, guidance=full.survey(pixels(seed=5)))
    drawn = full.encode(tile, draw=lambda shape: np.ones(shape, np.float32))
    assert np.abs(full.decode(other, PREDICT) - plain).max() > 1e-4  # the prompt
    assert np.abs(full.decode(drawn, PREDICT) - plain).max() > 1e-2  # the latent
    made = [full.decode(encoded, quality, insist=True) for quality in (90, 60, 40, 10)]
    for weaker, stronger in pairwise(made):
        assert np.abs(weaker - stronger).max() > 1e-3  # the timestep
    assert np.array_equal(full.decode(encoded, 10.0), plain)  # unless it is not a user's quality


def test_a_large_picture_is_seen_in_windows(full, pixels):
    """Each pixel counts once, though the last window repeats the border and reaches back."""
    picture = pixels(40, WINDOW_PX + 200)
    told = full.survey(picture)
    padded = np.pad(picture, ((0, 8), (0, 8), (0, 0)), "edge")
    parts = [full.survey(padded[:, :368]), full.survey(padded[:, 352:])]
    shares = np.array([352, 360]) / 712  # they meet in the middle of 352 to 368, on the grid
    for name in ("logits", "strength"):
        expected = sum(s * getattr(part, name) for s, part in zip(shares, parts, strict=True))
        assert np.abs(getattr(told, name) - expected).max() < 1e-5
    assert np.array_equal(full.survey(picture).prompt, told.prompt)


def test_a_survey_can_be_stopped(full, pixels):
    done = []
    full.survey(pixels(32, 2 * WINDOW_PX), check=lambda: done.append(1))
    assert len(done) == 3  # the prompt, and two windows

    def stop():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        full.survey(pixels(), check=stop)


def test_the_small_copy_is_the_mean_of_what_it_stands_for(pixels):
    picture = pixels(256, 512)
    small = small_copy(picture, 32)
    assert small.shape == (32, 32, 3)
    assert small.dtype == np.float32
    assert np.abs(small.mean(axis=(0, 1)) - picture.mean(axis=(0, 1))).max() < 0.01
    assert np.array_equal(small_copy(picture[:32, :32], 32), picture[:32, :32])


@pytest.mark.parametrize("seed", [None, 7])
def test_tiles_agree_with_the_whole(restorer, model, jpeg, seed):
    picture = read_bytes(jpeg(230, 400), name="x")
    whole, tiled = (
        restorer.run(picture, restorer.plan(picture, None, wishes)).pixels
        for wishes in (Wishes(model=model, tile_px=t, seed=seed) for t in (512, 256))
    )
    assert np.abs(whole - picture.pixels).max() > 0.02
    assert np.abs(whole - tiled).max() < 2 / 255
    assert np.abs(whole - tiled).mean() < 0.05 / 255


def test_a_seed_draws(restorer, model, jpeg):
    data = jpeg()

    def restored(seed):
        return restorer.restore(data, Wishes(model=model, seed=seed, constraint="off"))

    none, seven, eight = (restored(seed).picture.pixels for seed in (None, 7, 8))
    assert np.array_equal(none, restored(None).picture.pixels)
    assert np.array_equal(seven, restored(7).picture.pixels)
    assert np.abs(seven - eight).max() > 0.01
    assert np.abs(seven - none).max() > 0.01
    assert restored(7).plan.seed == 7
    assert "seed 7: the latent is drawn, not its mean" in restored(7).plan.explain()
    assert "seed" not in restored(None).plan.explain()


def test_the_noise_has_a_place_in_the_picture():
    grids = [lay_grid(200, 300, tile_px=t, overlap_px=32) for t in (128, 320)]
    (whole,) = NoiseField(1, grids[1]).of([(0, 0)])((1, 8, 52, 76))
    assert abs(whole.mean()) < 0.02
    assert whole.std() == pytest.approx(1, abs=0.02)
    tiles = grids[0]
    shape = (2, 8, tiles.rows.tile_px // 4, tiles.columns.tile_px // 4)
    found = NoiseField(1, tiles).of([(0, 1), (1, 2)])(shape)
    for noise, (row, column) in zip(found, [(0, 1), (1, 2)], strict=True):
        top, left = tiles.rows.origins[row] // 4, tiles.columns.origins[column] // 4
        assert np.array_equal(noise, whole[:, top : top + shape[2], left : left + shape[3]])


@pytest.mark.parametrize("name", ["fbcnn", "dagn"])
def test_others_refuse_a_seed(restorer, name, jpeg):
    with pytest.raises(UsageError, match=f"--seed is for diffusion models .*; {name} draws no"):
        restorer.restore(jpeg(), Wishes(model=name, seed=1))
    with pytest.raises(UsageError, match="--seed is a whole number from 0, not -1"):
        Wishes(seed=-1).checked()


def test_a_users_quality_chooses_the_timestep_and_a_header_does_not(restorer, model, jpeg):
    picture = read_bytes(jpeg(quality=10), name="x")

    def restored(facts_of=None, **wishes):
        facts = None if facts_of is None else restorer.open(jpeg(quality=facts_of)).facts
        plan = restorer.plan(picture, facts, Wishes(model=model, constraint="off", **wishes))
        return plan, restorer.run(picture, plan).pixels

    (first, seen), (second, header) = restored(), restored(facts_of=50)
    assert (first.quality_source, second.quality_source) == ("network", "header")
    assert np.array_equal(seen, header)
    told = [line for line in second.reasons if line.startswith("timestep")]
    own = int(told[0].split()[1].rstrip(":"))
    assert told == [
        f"timestep {own}: chosen by the network from the picture, whatever the file says"
    ]
    for quality, timestep in [(100, 19), (80, 19), (75, 59), (50, 119), (25, 199), (1, 199)]:
        plan, made = restored(quality=quality)
        assert f"timestep {timestep}: that of the quality that is asked for" in plan.reasons
        assert np.array_equal(made, seen) == (timestep == own)


def test_one_timestep_for_all(small_sodiff, jpeg, tmp_path, restorer):
    config = small_sodiff.config.model_copy(update={"timestep": 99})
    path = tmp_path / "fixed.safetensors"
    write_safetensors(path, config, small_sodiff.state_dict())
    data = jpeg()
    made = [
        restorer.restore(data, Wishes(model=str(path), quality=q, constraint="off"))
        for q in (9, 90)
    ]
    assert np.array_equal(made[0].picture.pixels, made[1].picture.pixels)
    assert "timestep 99: the only one this network knows" in made[0].plan.reasons


@pytest.mark.parametrize("ensemble", [1, 2])
def test_a_session_gives_what_a_restoration_gives(restorer, model, jpeg, ensemble):
    data = jpeg(100, 200)
    wishes = {"model": model, "tile_px": 128 * 2, "ensemble": ensemble, "seed": 2}
    session = restorer.session(data, Wishes(**wishes))
    for changes in ({}, {"quality": 10}, {"quality": 60, "strength": 40}):
        once, anew = session.restore(**changes), restorer.restore(data, Wishes(**wishes | changes))
        assert np.array_equal(once.picture.pixels, anew.picture.pixels)
        assert once.plan == anew.plan


def test_an_ensemble_is_the_mean_of_turned_pictures(full, pixels):
    picture = pixels(96, 64)
    ensemble = Ensemble(full, 8)
    encoded = ensemble.encode(picture[None], ensemble.survey(picture))
    total = np.zeros_like(picture)
    for number in range(8):
        turned = picture[:, ::-1] if number & 1 else picture
        turned = turned[::-1] if number & 2 else turned
        turned = turned.swapaxes(0, 1) if number & 4 else turned
        made = full.decode(full.encode(turned[None]), 25.0)[0]
        made = made.swapaxes(0, 1) if number & 4 else made
        made = made[::-1] if number & 2 else made
        total += made[:, ::-1] if number & 1 else made
    assert np.abs(ensemble.decode(encoded, 25.0)[0] - total / 8).max() < 1e-5


def test_an_ensemble_turns_the_noise(full, pixels):
    """Tiles of the turned picture get the noise of their own place."""
    picture = pixels(64, 96)
    field = np.random.default_rng(0).standard_normal((1, 8, 16, 24), np.float32)
    seen = []

    class Noting:
        channels = 3

        def encode(self, tiles, guidance=None, *, draw=None):
            height, width = tiles.shape[1:3]
            seen.append(draw((1, 8, height // 4, width // 4)))
            return full.encode(tiles, guidance)

    def draw(shape, number):
        assert (shape, number) == (field.shape, 0)
        return field

    Ensemble(Noting(), 8).encode(picture[None], None, draw=draw)
    assert np.array_equal(seen[1], field[..., ::-1])
    assert np.array_equal(seen[2], field[:, :, ::-1])
    assert np.array_equal(seen[5], field[..., ::-1].swapaxes(2, 3))


@pytest.mark.parametrize(("size", "mode"), [((1, 1), "RGB"), ((3, 300), "L"), ((17, 16), "RGB")])
def test_any_size_comes_back(restorer, model, jpeg, size, mode):
    result = restorer.restore(jpeg(*size, mode=mode), Wishes(model=model, seed=1))
    assert result.picture.pixels.shape == (*size, 1 if mode == "L" else 3)
    assert 0 <= result.picture.pixels.min() <= result.picture.pixels.max() <= 1


def test_gray_stays_gray(restorer, model, jpeg):
    data = jpeg(mode="L")
    gray = restorer.restore(data, Wishes(model=model, constraint="off"))
    assert gray.plan.route == "tripled"
    assert gray.picture.space == "gray"
    neutral = Picture(pixels=np.repeat(read_bytes(data, name="x").pixels, 3, axis=2), space="rgb")
    plan = restorer.plan(neutral, None, Wishes(model=model))
    made = restorer.run(neutral, plan).pixels
    assert np.abs(made - gray.picture.pixels).max() < 1e-6
    assert np.array_equal(made[..., 0], made[..., 2])


def test_a_cmyk_picture_is_refused(restorer, model):
    buffer = io.BytesIO()
    Image.new("CMYK", (32, 32)).save(buffer, "JPEG")
    with pytest.raises(InputError, match="needs a gray and a colour network"):
        restorer.restore(buffer.getvalue(), Wishes(model=model))


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_it_never_contradicts_the_file(restorer, model, jpeg, mode):
    result = restorer.restore(jpeg(mode=mode), Wishes(model=model, constraint="hard", seed=4))
    assert result.inside == 1


def test_threads_do_not_disturb_each_other(restorer, model, jpeg):
    files = [jpeg(100 + 20 * k, 140, quality=20 + 10 * k) for k in range(4)]
    wishes = [Wishes(model=model, seed=seed, constraint="off") for seed in (None, 1, 2, None)]
    one = [restorer.restore(*each).picture.pixels for each in zip(files, wishes, strict=True)]
    with ThreadPoolExecutor(2) as pool:
        two = list(pool.map(restorer.restore, files, wishes))
    for a, b in zip(one, two, strict=True):
        assert np.array_equal(a, b.picture.pixels)


def test_batches_give_what_tiles_give(restorer, model, full, jpeg):
    from restora.engine.render import render

    picture = read_bytes(jpeg(230, 400), name="x")
    plan = restorer.plan(picture, None, Wishes(model=model, tile_px=256, seed=3, quality=30))
    one, three = (render(picture, plan, [full], batch=batch).pixels for batch in (1, 3))
    assert np.abs(one - three).max() < 1e-5


def test_a_picture_is_surveyed_once(restorer, model, jpeg, monkeypatch):
    surveyed = []
    plain = SodiffTorchBackend.survey

    def counting(self, pixels, **options):
        surveyed.append(pixels.shape)
        return plain(self, pixels, **options)

    monkeypatch.setattr(SodiffTorchBackend, "survey", counting)
    for wishes in ({}, {"quality": 20}):
        restorer.restore(jpeg(), Wishes(model=model, **wishes))
        assert len(surveyed) == 1
        surveyed.clear()
