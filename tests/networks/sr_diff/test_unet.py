"""The conditional U-Net: its size, any sensible shape, and what it listens to."""

import pytest
import torch
from pydantic import ValidationError

from restora.networks.sr_diff.config import UNetConfig
from restora.networks.sr_diff.unet import ConditionalUNet

SMALL = {"width": 16, "multipliers": (1, 2, 2), "blocks": 1, "stem_px": 3, "head_dim": 8}
COMPACT = SMALL | {
    "unshuffle": 2, "linear_attention": False, "self_attention": False, "norm": "layer",
    "modulated": True,
}  # fmt: skip


def network(settings=SMALL, *, tasks=4, noisy=True, **more):
    torch.manual_seed(0)
    unet = ConditionalUNet(UNetConfig(**settings), token_dim=6, tasks=tasks, **more)
    if noisy:  # as one that has learned: every layer says something
        with torch.no_grad():
            for weight in unet.parameters():
                weight.add_(0.03 * torch.randn_like(weight))
    return unet.eval()


def inputs(height=16, width=24, batch=2, tasks=4, tokens=3):
    generator = torch.Generator().manual_seed(1)
    state, degraded = torch.rand((2, batch, 3, height, width), generator=generator)
    return {
        "state": state,
        "degraded": degraded,
        "time": torch.arange(1, 1 + 40 * batch, 40),
        "task": torch.eye(tasks)[[k % tasks for k in range(batch)]],
        "context": torch.randn((batch, tokens, 6), generator=generator),
    }


def test_published_size():
    with torch.device("meta"):
        unet = ConditionalUNet(UNetConfig(), token_dim=768)
    count = sum(p.numel() for p in unet.parameters())
    assert count == pytest.approx(49.4e6, rel=0.005)
    assert UNetConfig().multiple_px == 8


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"stem_px": 4}, "stem_px is odd"),
        ({"width": 26, "multipliers": (1, 4)}, "3 heads of head_dim do not share 104 channels"),
        ({"width": 100, "multipliers": (1,)}, "3 heads of head_dim do not share 100 channels"),
    ],
)
def test_shapes_that_do_not_fit(settings, message):
    with pytest.raises(ValidationError, match=message):
        UNetConfig(**settings)


@torch.no_grad()
@pytest.mark.parametrize(
    "settings",
    [
        SMALL,
        COMPACT,
        SMALL | {"multipliers": (1,)},
        SMALL | {"multipliers": (2, 1, 3), "width": 8, "blocks": 3},
        SMALL | {"unshuffle": 4, "multipliers": (1, 3), "head_dim": 100},
        SMALL | {"width": 20, "stem_px": 7, "modulated": True},
    ],
    ids=["small", "compact", "one scale", "blocks", "unshuffle", "width 20"],
)
def test_any_sensible_shape(settings):
    unet = network(settings)
    multiple = unet.config.multiple_px
    for height, width in ((multiple, 3 * multiple), (2 * multiple, multiple)):
        told = unet(**inputs(height, width))
        assert told.shape == (2, 3, height, width)
        assert told.isfinite().all()


@torch.no_grad()
def test_a_quiet_one_starts_by_saying_nothing():
    given = inputs()
    assert not network(noisy=False, quiet=True)(**given).any()
    assert network(noisy=False)(**given).abs().max() > 1e-3


@torch.no_grad()
@pytest.mark.parametrize("settings", [SMALL, COMPACT], ids=["small", "compact"])
@pytest.mark.parametrize("name", ["state", "degraded", "time", "task", "context"])
def test_it_listens_to_everything_it_is_given(settings, name):
    unet, given = network(settings), inputs()
    other = given | {name: given[name].flip(0)}  # that of the other picture
    assert not torch.allclose(unet(**given), unet(**other), atol=1e-4)


@torch.no_grad()
def test_a_network_of_one_task_is_not_told_which():
    unet = network(tasks=1)
    assert unet.task is None
    given = inputs(tasks=1)
    assert torch.equal(unet(**given), unet(**given | {"task": given["task"] * 0}))


@torch.no_grad()
@pytest.mark.parametrize("settings", [SMALL, COMPACT], ids=["small", "compact"])
def test_without_a_context_nothing_guides_it(settings):
    unet, given = network(settings), inputs()
    without = unet(**given | {"context": None})
    assert without.isfinite().all()
    assert not torch.allclose(without, unet(**given), atol=1e-4)


@torch.no_grad()
def test_pictures_of_a_batch_do_not_see_each_other():
    unet, given = network(), inputs(batch=3)
    together = unet(**given)
    for number in range(3):
        alone = unet(**{name: value[number : number + 1] for name, value in given.items()})
        assert torch.allclose(alone[0], together[number], atol=1e-4)


@torch.no_grad()
def test_its_first_convolution_sees_the_difference_and_the_degraded_picture():
    unet, given = network(), inputs()
    unet.stem.weight[:, :3] = 0
    assert torch.equal(unet(**given), unet(**given | {"state": given["state"] + 1}))
    unet = network()
    unet.stem.weight[:, 3:] = 0
    both = {name: given[name] + 0.5 for name in ("state", "degraded")}
    assert torch.allclose(unet(**given), unet(**given | both), atol=1e-5)


@pytest.mark.parametrize("settings", [SMALL, COMPACT], ids=["small", "compact"])
def test_every_weight_learns(settings):
    unet = network(settings)
    unet(**inputs()).square().mean().backward()
    silent = {name for name, p in unet.named_parameters() if p.grad is None or not p.grad.any()}
    absent = (".attention.norms.0.", "middle_attention.norms.0.")  # of attention to places
    if unet.config.self_attention:
        absent = ()
    assert not {name for name in silent if not any(part in name for part in absent)}
