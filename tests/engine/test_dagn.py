"""A DAGN by its card through the whole engine, in both backends."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from restora.engine.backend import PREDICT
from restora.engine.backend_torch_dagn import DagnTorchBackend
from restora.engine.ensemble import Ensemble
from restora.engine.models import open_backend, resolve_model
from restora.engine.plan import Wishes
from restora.engine.render import render
from restora.engine.restorer import Restorer
from restora.errors import UsageError, WeightsError
from restora.evaluation.network_speed import forms_of, measure_networks
from restora.images import read_bytes
from restora.networks.weight_files import read_weights, write_safetensors
from restora.weights.registry import load_card


@pytest.fixture(scope="module")
def restorer():
    return Restorer(threads=2)


@pytest.fixture(scope="module")
def light(dagn_card):
    return open_backend(dagn_card, device="cpu", threads=2, precision="float")


@pytest.fixture
def tiles(photo):
    return np.stack([photo(seed=seed)[..., :1] for seed in (0, 1)]).astype(np.float32) / 255


def test_the_backends_agree(dagn_card, light, tiles):
    loaded = read_weights(Path(dagn_card))
    full = DagnTorchBackend(loaded.config, loaded.weights)
    half = DagnTorchBackend(loaded.config, loaded.weights, half=True)
    whole = light.survey(np.concatenate(list(tiles)))
    for guidance in (None, whole):
        a, b, c = (backend.encode(tiles, guidance) for backend in (light, full, half))
        assert a.quality == pytest.approx(b.quality, abs=0.1)
        for quality, insist in [(PREDICT, False), (10.0, False), (10.0, True), (90.0, True)]:
            expected = light.decode(a, quality, insist=insist)
            assert np.abs(expected - tiles).max() > 1e-3
            assert np.abs(expected - full.decode(b, quality, insist=insist)).max() < 1e-3
            assert np.abs(expected - half.decode(c, quality, insist=insist)).mean() < 1e-3


def test_without_guidance_every_tile_is_a_picture(light, tiles):
    together = light.encode(tiles)
    for number in range(2):
        alone = light.encode(tiles[number : number + 1])
        assert together.quality[number] == pytest.approx(alone.quality[0], abs=1e-3)
        both = [light.decode(encoded, PREDICT) for encoded in (together, alone)]
        assert np.abs(both[0][number] - both[1][0]).max() < 1e-5


def test_a_quality_that_is_insisted_on_replaces_the_code(light, tiles):
    own = light.survey(tiles[0])
    other = replace(own, sensitive=own.sensitive + 3)

    def restored(guidance, insist):
        # What is encoded keeps to one guidance: only the decoder is told another.
        encoded = replace(light.encode(tiles, own), guidance=guidance)
        return light.decode(encoded, 30.0, insist=insist)

    assert np.array_equal(restored(own, True), restored(other, True))
    assert np.abs(restored(own, False) - restored(other, False)).max() > 1e-4


def test_what_is_asked_for_is_insisted_on(restorer, dagn_card, light, jpeg):
    """The plan's word decides, and the dial turns."""
    data = jpeg(mode="L", quality=30)
    wishes = {"model": dagn_card, "constraint": "off"}
    planes = read_bytes(data, name="x").pixels
    guidance = light.survey(planes)
    encoded = light.encode(planes[None], guidance)
    header = restorer.restore(data, Wishes(**wishes))
    assert header.plan.quality_source == "header"
    expected = light.decode(encoded, 30.0)[0].clip(0, 1)
    assert np.abs(header.picture.pixels - expected).max() < 1e-6
    asked = {q: restorer.restore(data, Wishes(quality=q, **wishes)) for q in (10, 30, 80)}
    expected = light.decode(encoded, 30.0, insist=True)[0].clip(0, 1)
    assert np.abs(asked[30].picture.pixels - expected).max() < 1e-6
    assert np.abs(asked[30].picture.pixels - header.picture.pixels).max() > 1e-4
    assert np.abs(asked[10].picture.pixels - asked[80].picture.pixels).mean() > 1e-4


def test_guidance_does_not_depend_on_the_tiles(restorer, dagn_card, light, jpeg):
    picture = read_bytes(jpeg(300, 620, mode="L"), name="x")
    told, restored = [], []
    for tile_px in (256, 304, 640):
        plan = restorer.plan(picture, None, Wishes(model=dagn_card, tile_px=tile_px, quality=20))
        memory = {}
        restored.append(render(picture, plan, [light], memory=memory).pixels)
        told += [encoded.guidance for encoded in memory.values()]
    assert len(told) > 6
    for guidance in told:
        for name in ("sensitive", "insensitive", "keys", "values"):
            assert np.array_equal(getattr(guidance, name), getattr(told[0], name))
    for tiled in restored[:-1]:
        assert np.abs(tiled - restored[-1]).max() < 2 / 255
        assert np.abs(tiled - restored[-1]).mean() < 0.05 / 255


def test_a_tile_restores_as_the_whole_does(light, photo):
    """Beyond the reach of its border, with what the survey tells; alone it tells another story."""
    pixels = photo(304, 400)[None, ..., :1].astype(np.float32) / 255
    guidance = light.survey(pixels[0])
    whole = light.decode(light.encode(pixels, guidance), 20.0)
    tile = pixels[:, :256, :256]
    inner = np.s_[:, : 256 - 80, : 256 - 80]
    told, alone = (light.decode(light.encode(tile, given), 20.0) for given in (guidance, None))
    assert np.abs(told[inner] - whole[inner]).max() < 1e-6
    assert np.abs(alone[inner] - whole[inner]).max() > 1e-4


class Counting:
    """A backend that counts how often it is asked."""

    def __init__(self, backend):
        self.backend, self.surveyed, self.encoded = backend, 0, 0

    def survey(self, pixels, *, check=lambda: None):
        self.surveyed += 1
        return self.backend.survey(pixels, check=check)

    def encode(self, tiles, guidance=None, *, draw=None):
        self.encoded += 1
        return self.backend.encode(tiles, guidance)

    def decode(self, encoded, quality, *, insist=False):
        return self.backend.decode(encoded, quality, insist=insist)


def test_a_second_setting_costs_the_decoder_alone(restorer, dagn_card, light, jpeg):
    picture = read_bytes(jpeg(200, 420, mode="L"), name="x")
    counting, memory, seen = Counting(light), {}, []
    for quality in (20, 60):
        plan = restorer.plan(
            picture, None, Wishes(model=dagn_card, tile_px=256, quality=quality)
        )  # fmt: skip
        once = render(
            picture, plan, [counting], memory=memory, progress=lambda *at: seen.append(at)
        )
        assert np.array_equal(once.pixels, render(picture, plan, [light]).pixels)
        assert counting.surveyed == 1
        assert counting.encoded == len(memory) == seen[-1][1]
    assert seen[0] == (0, len(memory))  # the survey's window, then the tiles


@pytest.mark.parametrize("ensemble", [1, 4])
def test_a_session_gives_what_a_restoration_gives(restorer, dagn_card, jpeg, ensemble):
    data = jpeg(150, 300, mode="L")
    wishes = {"model": dagn_card, "tile_px": 256, "ensemble": ensemble}
    session = restorer.session(data, Wishes(**wishes))
    for changes in ({}, {"quality": 10}, {"quality": 60, "strength": 40}):
        once, anew = session.restore(**changes), restorer.restore(data, Wishes(**wishes | changes))
        assert np.array_equal(once.picture.pixels, anew.picture.pixels)


def test_an_ensemble_is_the_mean_of_turned_pictures(light, photo):
    pixels = photo(96, 64)[..., :1].astype(np.float32) / 255
    ensemble = Ensemble(light, 2)
    encoded = ensemble.encode(pixels[None], ensemble.survey(pixels))
    mirrored = np.ascontiguousarray(pixels[:, ::-1])
    alone = [light.decode(light.encode(p[None]), 25.0)[0] for p in (pixels, mirrored)]
    expected = (alone[0] + alone[1][:, ::-1]) / 2
    assert np.abs(ensemble.decode(encoded, 25.0)[0] - expected).max() < 1e-5


@pytest.mark.parametrize(("size", "mode"), [((1, 1), "L"), ((3, 800), "RGB"), ((17, 16), "L")])
def test_any_size_comes_back(restorer, dagn_card, jpeg, size, mode):
    result = restorer.restore(jpeg(*size, mode=mode), Wishes(model=dagn_card))
    assert result.picture.pixels.shape[:2] == size
    assert 0 <= result.picture.pixels.min() <= result.picture.pixels.max() <= 1


def test_safetensors_restore_alike(restorer, dagn_card, jpeg, tmp_path):
    loaded = read_weights(Path(dagn_card))
    path = tmp_path / "small.safetensors"
    write_safetensors(path, loaded.config, loaded.weights)
    assert resolve_model(str(path)).gray == str(path)
    data = jpeg(mode="L")
    a, b = (
        restorer.restore(data, Wishes(model=model, constraint="off")).picture.pixels
        for model in (dagn_card, str(path))
    )
    assert np.abs(a - b).max() < 1e-3


def test_there_is_no_8_bit_form(restorer, dagn_card, jpeg):
    with pytest.raises(UsageError, match="needs a model with an 8-bit form"):
        restorer.restore(jpeg(mode="L"), Wishes(model=dagn_card, precision="int8"))


def test_a_missing_part_is_told(dagn_card, tmp_path):
    for part in ("encoder", "decoder"):
        name = f"small.{part}.onnx"
        (tmp_path / name).write_bytes(Path(dagn_card).with_name(name).read_bytes())
    card = tmp_path / "small.json"
    card.write_bytes(Path(dagn_card).read_bytes())
    with pytest.raises(WeightsError, match=r"small\.survey\.onnx is missing"):
        open_backend(str(card), device="cpu", threads=1, precision="float")


def test_its_speed_can_be_measured(dagn_card):
    card = load_card(dagn_card)
    (row,) = measure_networks(forms_of(dagn_card, 64), repeats=1, threads=1, peak_tile_px=64)
    assert row.file_bytes == card.size_bytes()
    assert row.best_seconds_per_megapixel > 0
