"""An SSP-IR tile by tile: the walk, its guidance, and what it is told of the whole picture."""

import numpy as np
import pytest
import torch

from restora.engine.backend_ssp_ir import Asked
from restora.engine.backend_torch_ssp_ir import SspIrTorchBackend
from restora.engine.ensemble import Ensemble
from restora.engine.latent_schedule import LatentSchedule
from restora.engine.models import open_backend, weight_facts
from restora.engine.noise import NoiseField
from restora.engine.tiles import lay_grid
from restora.errors import UsageError, WeightsError
from restora.semantics.context import one_row
from restora.semantics.lookup import load_image_encoder, load_text_encoder
from restora.semantics.words import encode_words

ONE = Asked(1, "dpm-solver++")


@pytest.fixture(scope="module")
def full(small_ssp_ir):
    return backend_of(small_ssp_ir)


def backend_of(network, **options):
    return SspIrTorchBackend(network.config, network.state_dict(), **options)


def noise_of(height_px, width_px, seed=3):
    grid = lay_grid(height_px, width_px, tile_px=512, overlap_px=16)
    return NoiseField(seed, grid).of([(0, 0)])


def made(backend, tile, asked=ONE, *, told=None, draw=None):
    return backend.asked(asked).encode(tile[None], told, draw=draw).features[0][0]


def by_hand(network, tile, draw, looks):
    """One step: the mix of looks, (weight, caption, whether it is told the picture)."""
    config = network.config
    picture = torch.from_numpy(tile.transpose(2, 0, 1)[None].copy())
    tokens = one_row(load_image_encoder("lite0").encode(tile[None]), config.tokens)
    reader = load_text_encoder("minilm", max_tokens=16)
    schedule = LatentSchedule()
    with torch.no_grad():
        image = network.refiner(torch.from_numpy(tokens))
        processed = network.process(picture)
        anchor = network.codec.encode(processed.picture)
        start = torch.from_numpy(draw(tuple(anchor.shape), 0))
        state = schedule.signal(999) * anchor + schedule.noise(999) * start
        latent = 0
        for weight, caption, is_told in looks:
            text = torch.from_numpy(encode_words(caption, reader, 16) * bool(caption))
            given = (processed.features, text, image * is_told)
            latent = latent + weight * network(state, anchor, torch.tensor([999.0]), *given)
        kept = processed.picture - network.codec.decode(anchor)
        found = network.codec.decode(latent) + kept
    return found[0].numpy().transpose(1, 2, 0)


@pytest.mark.parametrize(
    ("asked", "looks"),
    [
        ({"prompt": "a dog"}, [(1, "a dog", True)]),
        ({}, [(1, "", True)]),
        ({"text_guidance": 3, "prompt": "a dog"}, [(3, "a dog", True), (-2, "", True)]),
        ({"image_guidance": 2}, [(2, "", True), (-1, "", False)]),
        ({"text_guidance": 3, "image_guidance": 2, "prompt": "a dog", "negative_prompt": "rain"},
         [(3, "a dog", True), (-1, "rain", True), (-1, "rain", False)]),
        ({"text_guidance": 7}, [(1, "", True)]),  # without words there is nothing to follow
    ],
)  # fmt: skip
def test_a_step_is_what_the_equations_say(small_ssp_ir, full, pixels, asked, looks):
    tile, draw = pixels(32, 48), noise_of(32, 48)
    found = made(full, tile, Asked(1, "ddpm", **asked), draw=draw)
    assert np.abs(found - by_hand(small_ssp_ir, tile, draw, looks)).max() < 1e-4
    assert np.abs(found - tile).max() > 0.02


def test_everything_it_is_told_matters(full, pixels):
    tile, draw = pixels(32, 48), noise_of(32, 48)
    usual = {"steps": 3, "sampler": "ddpm", "text_guidance": 2.0, "prompt": "a grey sea"}

    def result(*, whole=None, draw=draw, **changes):
        asked = Asked(**usual | changes)
        told = None if whole is None else full.asked(asked).survey(whole)
        return made(full, tile, asked, told=told, draw=draw)

    plain = result()
    assert np.array_equal(plain, result(whole=tile))
    others = {
        "context": result(whole=pixels(seed=5)),
        "prompt": result(prompt="a red dog"),
        "no prompt": result(prompt=""),
        "negative": result(negative_prompt="a red dog"),
        "text guidance": result(text_guidance=1.0),
        "image guidance": result(image_guidance=3.0),
        "steps": result(steps=4),
        "sampler": result(sampler="dpm-solver++"),
        "noise": result(draw=noise_of(32, 48, seed=4)),
        "no noise": result(draw=None),
    }
    for name, other in others.items():
        assert np.abs(other - plain).max() > 1e-4, name


def test_samples_are_independent_and_their_mean_is_given(full, pixels):
    tile, draw = pixels(32, 32), noise_of(32, 32)
    first = made(full, tile, Asked(3, "ddpm"), draw=draw)
    later = made(full, tile, Asked(3, "ddpm"), draw=lambda shape, k: draw(shape, k + 4))
    both = made(full, tile, Asked(3, "ddpm", samples=2), draw=draw)
    assert np.abs(first - later).max() > 1e-3
    assert np.abs(both - (first + later) / 2).max() < 1e-5


def test_tiles_of_a_batch_do_not_meet(full, pixels):
    """Nor do the branches of guidance, which share a batch with them."""
    tiles = np.stack([pixels(32, 32), pixels(32, 32, seed=1)])
    asked = full.asked(Asked(2, "ddpm", 2.0, 3.0, prompt="a sea"))
    told = asked.survey(tiles[0])
    both = asked.encode(tiles, told).features[0]
    for tile, found in zip(tiles, both, strict=True):
        assert np.abs(asked.encode(tile[None], told).features[0][0] - found).max() < 1e-5


def test_asking_changes_nothing_for_others(full):
    asked = full.asked(Asked(9, "ddpm", prompt="x"))
    assert asked is not full
    assert (full._asked.steps, full._asked.prompt) == (4, "")
    assert asked._network is full._network


def test_an_ensemble_is_the_mean_of_turned_pictures_with_turned_noise(full, pixels):
    picture, draw = pixels(32, 48), noise_of(32, 48)
    asked = full.asked(Asked(2, "dpm-solver++", prompt="a sea"))
    ensemble = Ensemble(asked, 2)
    found = ensemble.decode(ensemble.encode(picture[None], ensemble.survey(picture), draw=draw), 1)
    upright = asked.encode(picture[None], draw=draw).features[0]
    turned = asked.encode(
        picture[None, :, ::-1], draw=lambda shape, k: draw(shape, k)[..., ::-1]
    ).features[0]
    assert np.abs(found - (upright + turned[:, :, ::-1]) / 2).max() < 1e-5


def test_half_precision_is_close(small_ssp_ir, full, pixels):
    tile, draw = pixels(32, 48), noise_of(32, 48)
    half = backend_of(small_ssp_ir, half=True)
    asked = Asked(2, "dpm-solver++", 2.0, prompt="a sea")
    difference = np.abs(made(full, tile, asked, draw=draw) - made(half, tile, asked, draw=draw))
    assert 0 < difference.mean() < 5e-3


def test_what_is_switched_off_is_not_told(make_ssp_ir, pixels):
    blind = backend_of(make_ssp_ir(image=False, text=False))
    told = blind.asked(Asked(1, "ddpm", prompt="a dog")).survey(pixels(32, 32))
    assert not told.image.any()
    assert not told.text.any()
    assert told.image.shape == (1, 50, 8)


def test_no_words_may_be_those_of_an_empty_caption(make_ssp_ir, pixels):
    encoded = backend_of(make_ssp_ir(null_text="encoded"))
    told = encoded.survey(pixels(32, 32))
    expected = load_text_encoder("minilm", max_tokens=16).encode([""]).tokens
    assert np.array_equal(told.nothing, expected)
    assert np.abs(expected).max() > 0


def test_a_walk_may_start_from_noise_alone(make_ssp_ir, pixels):
    network = make_ssp_ir(start="noise", residual=False, keeps_detail=False)
    tile, draw = pixels(32, 32), noise_of(32, 32)
    found = made(backend_of(network), tile, draw=draw)
    with torch.no_grad():
        picture = torch.from_numpy(tile.transpose(2, 0, 1)[None].copy())
        state = LatentSchedule().noise(999) * torch.from_numpy(draw((1, 6, 8, 8)))
        tokens = one_row(load_image_encoder("lite0").encode(tile[None]), 50)
        image, text = network.refiner(torch.from_numpy(tokens)), network.no_words(1, 16)
        features, time = network.process(picture).features, torch.tensor([999.0])
        latent = network(state, torch.zeros_like(state), time, features, text, image)
        expected = network.codec.decode(latent)[0].numpy().transpose(1, 2, 0)
    assert np.abs(found - expected).max() < 1e-5


def test_the_encoders_are_those_it_was_taught(small_ssp_ir, pixels):
    image = load_image_encoder("lite0").fingerprint()
    words = load_text_encoder("minilm", max_tokens=16).fingerprint()
    backend = backend_of(small_ssp_ir)
    backend.check_encoders({"image encoder": image, "text encoder": words})
    assert backend.asked(Asked(1, "ddpm", prompt="a")).survey(pixels()).text.any()
    backend.check_encoders({})
    with pytest.raises(WeightsError, match="taught with the image encoder lite0-other, and lite0"):
        backend.check_encoders({"image encoder": "lite0-other"})
    backend.check_encoders({"text encoder": "minilm-other"})
    with pytest.raises(WeightsError, match="taught with the text encoder minilm-other, and minilm"):
        backend.asked(Asked(1, "ddpm", prompt="a")).survey(pixels())


def test_an_encoder_of_torch_has_to_be_named(make_ssp_ir, pixels):
    backend = backend_of(make_ssp_ir(text_encoder="clip"))
    with pytest.raises(UsageError, match=r"does not say where it is: .* such as clip:PATH"):
        backend.asked(Asked(1, "ddpm", prompt="a")).survey(pixels(32, 32))


def test_its_file_tells_what_it_can_do(ssp_ir_file, small_ssp_ir):
    facts = weight_facts(ssp_ir_file())
    assert (facts.tasks, facts.steps, facts.most_steps) == (("real",), 4, 1000)
    assert (facts.torch, facts.local, facts.multiple_px) == (True, True, 16)
    assert facts.ssp_ir == small_ssp_ir.config
    late = weight_facts(ssp_ir_file(start_step=2))
    assert (late.steps, late.most_steps) == (3, 3)
    opened = open_backend(ssp_ir_file(), device="cpu", threads=1, precision="float")
    assert isinstance(opened, SspIrTorchBackend)
