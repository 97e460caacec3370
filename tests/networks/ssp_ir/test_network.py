"""What an SSP-IR's parts make together, and which descriptions make no sense."""

import pytest
import torch
from pydantic import ValidationError

from restora.engine.latent_schedule import LatentSchedule
from restora.networks.ssp_ir.config import SSPIRConfig

RESIDUAL = {"predicts": "clean", "residual": True}


@pytest.mark.parametrize("predicts", ["noise", "velocity", "clean", "residual"])
@torch.no_grad()
def test_all_that_a_unet_may_give_means_the_same(network_of, compact, predicts):
    gives = RESIDUAL if predicts == "residual" else {"predicts": predicts}
    network = network_of(compact, **gives)
    clean, noise, anchor = torch.randn(3, 4, 4, 8, 8)
    time = torch.tensor([0, 250, 750, 999])
    schedule = LatentSchedule()
    a, s = (
        torch.tensor([each(int(t)) for t in time]).float()[:, None, None, None]
        for each in (schedule.signal, schedule.noise)
    )
    told = {
        "noise": noise, "velocity": a * noise - s * clean, "clean": clean,
        "residual": clean - anchor,
    }[predicts]  # fmt: skip
    found = network.clean_of(told, a * clean + s * noise, anchor, time.float())
    assert torch.allclose(found, clean, atol=2e-4)


@torch.no_grad()
def test_a_step_is_what_goes_with_the_prediction(network_of, step_of, form):
    network = network_of(form, noise=0.05, predicts="velocity")
    given = step_of(network)
    told = network.predict(**given)
    assert told.shape == given["state"].shape
    wanted = network.clean_of(told, given["state"], given["anchor"], given["time"])
    assert torch.equal(network(**given), wanted)
    # Timesteps may be floats, as graphs have them; and each picture stands for itself.
    assert torch.equal(network(**(given | {"time": given["time"].float()})), wanted)
    second = network(**{name: value[1:] for name, value in given.items()})
    assert torch.allclose(second, wanted[1:], atol=1e-4)


@torch.no_grad()
def test_a_residual_network_starts_from_its_anchor(network_of, step_of, compact):
    network = network_of(compact, **RESIDUAL)
    given = step_of(network)
    assert torch.equal(network(**given), given["anchor"])
    taught = network_of(compact, noise=0.05, **RESIDUAL)
    other = taught.predict(**(given | {"anchor": given["anchor"] + 1}))
    assert (other - taught.predict(**given)).abs().max() > 1e-3  # it knows what it adds to
    plain = network_of(compact, noise=0.05)
    assert plain.anchor is None
    other = plain(**(given | {"anchor": given["anchor"] + 1}))
    assert torch.equal(other, plain(**given))


@torch.no_grad()
def test_where_a_walk_starts(network_of, compact):
    picture = torch.rand(1, 3, 32, 32)
    for start in ("picture", "processed"):
        network = network_of(compact, noise=0.05, start=start)
        made = network.process(picture).picture
        assert network.start_of(picture, made) is (made if start == "processed" else picture)
    assert not network.no_words(2, 6).any()
    assert network.no_words(2, 6).shape == (2, 6, 12)


def test_sides_and_places(compact, published):
    config = SSPIRConfig.model_validate(compact)
    assert config.multiple_px == 16  # /4, halved once, windows of 2
    assert SSPIRConfig.model_validate(compact | {"pixel": False}).multiple_px == 8
    odd = compact["processor"] | {"front": {"unshuffle": 3}}
    assert SSPIRConfig.model_validate(compact | {"processor": odd}).multiple_px == 48
    assert config.is_local
    whole = {"attention": {"form": "light"}}
    assert not SSPIRConfig.model_validate(compact | whole).is_local
    assert SSPIRConfig.model_validate(compact | whole | {"pixel": False}).is_local
    assert not SSPIRConfig.model_validate(published).is_local
    assert SSPIRConfig().multiple_px == 64


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"residual": True, "predicts": "noise"}, "residual is for a network that predicts clean"),
        (RESIDUAL | {"start": "noise"}, "a residual network has a start"),
        ({"keeps_detail": True, "start": "noise"}, "no detail to keep"),
        ({"start": "processed", "processor": {"widths": [8, 8, 8]}}, "needs processor.front"),
        ({"start_step": 1000}, "start_step is below 1000"),
        ({"processor": {"widths": [8, 8]}}, r"halves to 1/2, which is no part of the latent's 1/4"),
        ({"steps": 3}, "Extra inputs are not permitted"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(compact, changes, message):
    with pytest.raises(ValidationError, match=message):
        SSPIRConfig.model_validate(compact | changes)
