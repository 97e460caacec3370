"""A SODiff that starts from what another weight restored, and is told of the picture itself."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from restora.engine.backend_ort import OrtBackend
from restora.engine.ensemble import Ensemble
from restora.engine.models import open_backend, weight_facts
from restora.engine.plan import Wishes
from restora.engine.restorer import Restorer
from restora.errors import WeightsError
from restora.images import Picture, read_bytes, ycbcr_from_rgb
from restora.jpeg import inspect
from restora.jpeg.constraint import inside_share, read_bins
from restora.networks.weight_files import write_safetensors

FIRST = "fbcnn-color-compact"


@pytest.fixture(scope="module")
def restorer():
    return Restorer(threads=1)


@pytest.fixture(scope="module")
def card(sodiff_card, tmp_path_factory):
    """A function to the path of a small SODiff's card that names another weight as its first."""

    def make(first):
        folder = tmp_path_factory.mktemp("first")
        shutil.copytree(Path(sodiff_card).parent, folder, dirs_exist_ok=True)
        path = folder / Path(sodiff_card).name
        path.write_text(json.dumps(json.loads(path.read_text()) | {"first": first}))
        return str(path)

    return make


@pytest.fixture(scope="module")
def model(small_sodiff, tmp_path_factory):
    """The same for PyTorch, with the colour weight that ships."""
    path = tmp_path_factory.mktemp("first") / "small.safetensors"
    config = small_sodiff.config.model_copy(update={"regressor": FIRST})
    write_safetensors(path, config, small_sodiff.state_dict())
    return str(path)


@pytest.fixture(scope="module")
def regression():
    return open_backend(FIRST, device="cpu", threads=1, precision="float")


def opened(weight):
    return open_backend(weight, device="cpu", threads=1, precision="float")


def padded(pixels):
    height, width = pixels.shape[:2]
    return np.pad(pixels, ((0, -height % 16), (0, -width % 16), (0, 0)), "edge")[None]


def restored_first(regression, pixels, quality):
    """What the first weight makes of (H, W, 3)."""
    made = regression.decode(regression.encode(padded(pixels)), quality)
    return np.clip(made[0, : pixels.shape[0], : pixels.shape[1]], 0, 1)


def by_hand(regression, diffusion, pixels, quality, *, insist=False):
    """What a SODiff makes of that restoration, told of the picture."""
    start = restored_first(regression, pixels, quality)
    encoded = diffusion.encode(padded(start), diffusion.survey(pixels))
    made = diffusion.decode(encoded, quality, insist=insist)
    return np.clip(made[0, : pixels.shape[0], : pixels.shape[1]], 0, 1)


@pytest.mark.parametrize("quality", [None, 60])
def test_it_is_one_after_the_other(restorer, card, regression, jpeg, quality):
    picture = read_bytes(jpeg(90, 150, quality=10), name="x")
    path = card(FIRST)
    plan = restorer.plan(picture, None, Wishes(model=path, quality=quality))
    assert plan.first == FIRST
    expected = by_hand(
        regression, opened(path), picture.pixels, plan.quality, insist=quality is not None
    )
    assert np.abs(restorer.run(picture, plan).pixels - expected).max() < 1e-6
    alone = plan.model_copy(update={"first": None})
    assert np.abs(restorer.run(picture, alone).pixels - expected).max() > 0.02


def test_pytorch_gives_the_same(restorer, card, model, jpeg):
    data = jpeg(70, 100)
    a, b = (restorer.restore(data, Wishes(model=each)) for each in (card(FIRST), model))
    assert np.abs(a.picture.pixels - b.picture.pixels).max() < 2e-3
    assert b.plan.first == FIRST


def test_it_is_told(restorer, model, jpeg):
    plan = restorer.restore(jpeg(), Wishes(model=model)).plan
    assert f"- first {FIRST} restores the picture, and {model} starts from that" in plan.explain()
    assert "first" not in restorer.restore(jpeg(), Wishes()).plan.explain()


def test_the_first_tells_the_quality_and_the_network_its_timestep(restorer, model, jpeg):
    """A quality is what the first weight is given; it knows best what it would see."""
    picture = read_bytes(jpeg(quality=25), name="x")
    seen, alone = (restorer.see(picture, Wishes(model=m)) for m in (model, "fbcnn"))
    assert seen.quality == alone.quality
    told = opened(model).survey(picture.pixels)
    assert seen.choice == told.logits[0].argmax()
    assert np.array_equal(seen.guidance.prompt, told.prompt)


def test_strength_and_constraint_are_of_the_end(restorer, model, regression, jpeg):
    data = jpeg(96, 128, quality=40)
    picture = read_bytes(data, name="x")
    made = by_hand(regression, opened(model), picture.pixels, 40)
    half = restorer.restore(data, Wishes(model=model, strength=50, constraint="off"))
    assert np.abs(half.picture.pixels - (made + picture.pixels) / 2).max() < 1e-6


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_it_keeps_to_the_bins_of_the_file(restorer, model, jpeg, mode):
    data = jpeg(mode=mode)
    bins = read_bins(data, inspect(data, name="x"))
    free, held = (
        restorer.restore(data, Wishes(model=model, constraint=constraint, seed=1))
        for constraint in ("off", "hard")
    )
    assert inside_share(free.picture.pixels, bins) < 0.999
    assert held.inside == inside_share(held.picture.pixels, bins) == 1


def test_gray_pictures_pass_as_neutral_ones(restorer, model, regression, jpeg):
    gray = read_bytes(jpeg(mode="L"), name="x")
    neutral = Picture(pixels=np.repeat(gray.pixels, 3, axis=2), space="rgb")
    wishes = Wishes(model=model, quality=15)
    a, b = (restorer.run(p, restorer.plan(p, None, wishes)).pixels for p in (gray, neutral))
    assert a.shape[2] == 1
    assert np.abs(b - a).max() < 1e-6
    # Between the two it has no colour either.
    start = ycbcr_from_rgb(restored_first(regression, neutral.pixels, 15))[..., :1]
    start = np.repeat(start.clip(0, 1), 3, axis=2)
    diffusion = opened(model)
    encoded = diffusion.encode(padded(start), diffusion.survey(neutral.pixels))
    made = ycbcr_from_rgb(diffusion.decode(encoded, 15, insist=True)[0].clip(0, 1))
    assert np.abs(made[:96, :128, :1] - a).max() < 1e-5


@pytest.mark.parametrize("seed", [None, 7])
def test_tiles_agree_with_the_whole(restorer, model, jpeg, seed):
    picture = read_bytes(jpeg(230, 400), name="x")
    whole, tiled = (
        restorer.run(picture, restorer.plan(picture, None, wishes)).pixels
        for wishes in (Wishes(model=model, tile_px=t, seed=seed) for t in (512, 256))
    )
    assert np.abs(whole - tiled).max() < 2 / 255


def test_progress_goes_on(restorer, model, jpeg):
    seen = []
    restorer.restore(
        jpeg(300, 300), Wishes(model=model, tile_px=256), progress=lambda *at: seen.append(at)
    )
    tiles = seen[-1][1] // 2
    assert tiles > 1
    assert [done for done, _ in seen if done] == sorted(done for done, _ in seen if done)
    assert {total for _, total in seen} == {2 * tiles}
    assert {done for done, _ in seen} >= {*range(1, 2 * tiles + 1)}


@pytest.mark.parametrize("ensemble", [1, 2])
def test_a_session_gives_what_a_restoration_gives(restorer, model, jpeg, ensemble, monkeypatch):
    """And encodes for the first weight once, whose encoding no setting touches."""
    data, encoded = jpeg(100, 200), []
    plain = OrtBackend.encode

    def counting(self, *given, **options):
        encoded.append(1)
        return plain(self, *given, **options)

    wishes = {"model": model, "ensemble": ensemble, "seed": 2}
    session = restorer.session(data, Wishes(**wishes))
    results = []
    for changes in ({}, {"quality": 10}, {"quality": 60, "strength": 40}, {"constraint": "off"}):
        anew = restorer.restore(data, Wishes(**wishes | changes))
        with monkeypatch.context() as patch:
            patch.setattr(OrtBackend, "encode", counting)
            once = session.restore(**changes)
        assert np.array_equal(once.picture.pixels, anew.picture.pixels)
        assert once.plan == anew.plan
        results.append(once.picture.pixels)
    assert len(encoded) == ensemble
    assert np.abs(results[0] - results[1]).max() > 0.01


def test_an_ensemble_is_one_at_both(restorer, model, regression, jpeg):
    picture = read_bytes(jpeg(96, 128), name="x")
    plan = restorer.plan(picture, None, Wishes(model=model, ensemble=2, quality=20))
    both = [Ensemble(each, 2) for each in (regression, opened(model))]
    start = restored_first(both[0], picture.pixels, 20)
    encoded = both[1].encode(start[None], both[1].survey(picture.pixels))
    expected = both[1].decode(encoded, 20, insist=True)[0].clip(0, 1)
    assert np.abs(restorer.run(picture, plan).pixels - expected).max() < 1e-6


@pytest.mark.parametrize(
    "wishes", [{"ensemble": 4}, {"precision": "half"}, {"precision": "half", "ensemble": 2}]
)
def test_the_timestep_that_is_told_is_taken(restorer, model, jpeg, wishes):
    """Whatever a view, or half precision, would have made of the picture."""
    picture = read_bytes(jpeg(), name="x")
    wishes = Wishes(model=model, **wishes)
    seen = restorer.see(picture, wishes)
    plan = restorer.plan(picture, None, wishes)
    timesteps = weight_facts(model).timesteps
    assert any(line.startswith(f"timestep {timesteps[seen.choice]}:") for line in plan.reasons)
    swapped = replace(seen.guidance, logits=-seen.guidance.logits)
    assert swapped.logits.argmax() != seen.choice
    a, b, c = (
        restorer.run(picture, plan, seen=given).pixels
        for given in (None, seen, replace(seen, guidance=swapped))
    )
    assert np.abs(a - b).max() < 0.5 / 255
    assert np.abs(c - b).max() > 0.01


def test_views_are_compressed_alike(small_sodiff, model, pixels):
    views = Ensemble(opened(model), 8).survey(pixels())
    alone = opened(model).survey(np.ascontiguousarray(pixels()[:, ::-1]))
    assert {view.logits.tobytes() for view in views} == {views[0].logits.tobytes()}
    assert np.abs(alone.logits - views[0].logits).max() > 1e-4
    assert np.array_equal(alone.prompt, views[1].prompt)  # that is of the view


def test_a_first_that_is_not_there_is_told(restorer, card, jpeg, tmp_path):
    for wrong, message in [
        ("fbcnn-color-large", "and this Restora has no such weight; a newer one may"),
        (str(tmp_path / "mine.json"), "this Restora has no such weight"),
        ("../weights/fbcnn-color-compact", "this Restora has no such weight"),
        ("fbcnn-gray-compact", "cannot start from what fbcnn-gray-compact restores"),
    ]:
        path = card(wrong)
        for use in (restorer.load, lambda wishes: restorer.restore(jpeg(), wishes)):
            with pytest.raises(WeightsError, match=message):
                use(Wishes(model=path))


def test_both_are_loaded_at_once(model):
    restorer = Restorer(threads=1)
    restorer.load(Wishes(model=model))
    assert {weight for weight, _ in restorer._backends} == {FIRST, model}
