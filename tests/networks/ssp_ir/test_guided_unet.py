"""The walk through diffusers' blocks: theirs to the last digit, and what comes between."""

import pytest
import torch
from torch import nn

from restora.networks.ssp_ir.guided_unet import Control

SEEN = ("state", "time", "text", "image")


def close(found, wanted):
    return torch.allclose(found, wanted, rtol=1e-4, atol=1e-5)


@pytest.fixture
def as_diffusers_has_it():
    """Undoes, for a comparison, what local norms leave out: diffusers knows no act without norm."""

    def make(base):
        if base.conv_norm_out is None:
            base.conv_norm_out = nn.Identity()
        return base

    return make


@torch.no_grad()
def test_without_additions_it_is_diffusers_own(network_of, step_of, form, as_diffusers_has_it):
    network = network_of(form, noise=0.05, image=False, pixel=False)
    given = step_of(network)
    found = network.unet(*(given[name] for name in SEEN), None)
    base = as_diffusers_has_it(network.unet.base)
    wanted = base(given["state"], given["time"], given["text"], return_dict=False)[0]
    assert wanted.std() > 0.1
    assert close(found, wanted)


@torch.no_grad()
def test_the_controlnet_without_image_tokens_is_diffusers_own(network_of, step_of, form):
    network = network_of(form, noise=0.05, image=False)
    given = step_of(network)
    told = network.control(
        *(given[name] for name in ("state", "time", "features", "text", "image"))
    )
    skips, middle = network.control.base(
        given["state"], given["time"], given["text"], controlnet_cond=given["features"],
        return_dict=False,
    )  # fmt: skip
    assert len(told.skips) == len(skips)
    for found, wanted in zip((*told.skips, told.middle), (*skips, middle), strict=True):
        assert wanted.std() > 0.01
        assert close(found, wanted)


@torch.no_grad()
def test_what_control_adds_is_added_as_diffusers_does(
    network_of, step_of, form, as_diffusers_has_it
):
    network = network_of(form, noise=0.05, image=False, pixel=False)
    given = step_of(network)
    found = network.predict(**given)
    told = network.control(
        *(given[name] for name in ("state", "time", "features", "text", "image"))
    )
    base = as_diffusers_has_it(network.unet.base)
    wanted = base(
        given["state"], given["time"], given["text"], return_dict=False,
        down_block_additional_residuals=told.skips, mid_block_additional_residual=told.middle,
    )[0]  # fmt: skip
    plain = base(given["state"], given["time"], given["text"], return_dict=False)[0]
    assert (wanted - plain).abs().max() > 0.01
    assert close(found, wanted)


@torch.no_grad()
def test_additions_start_at_nothing(network_of, step_of, form, as_diffusers_has_it):
    """So that a pretrained base is left as it is; the features are not yet nothing."""
    network = network_of(form)
    given = step_of(network)
    found = network.predict(**given)
    base = as_diffusers_has_it(network.unet.base)
    wanted = base(given["state"], given["time"], given["text"], return_dict=False)[0]
    assert wanted.std() > 0.05
    assert close(found, wanted)
    attention = form.get("attention", {}) | {"zero_init": False}
    other = network_of(form, attention=attention)
    other.unet.base.load_state_dict(
        {k: v for k, v in base.state_dict().items() if k in other.unet.base.state_dict()}
    )
    assert (other.predict(**given) - wanted).abs().max() > 0.01


@torch.no_grad()
def test_the_controlnet_starts_as_a_copy(network_of, form):
    network = network_of(form, noise=0.05)
    control, base = network.control.base, network.unet.base
    before = base.state_dict()
    assert not torch.equal(control.conv_in.weight, base.conv_in.weight)
    network.control.copy_encoder(network.unet)
    for name, value in control.state_dict().items():
        if not name.startswith("controlnet_"):
            assert torch.equal(value, before[name]), name


def order_of(network, given):
    """Which kinds of layer are run, one after the other, in the decoder."""
    seen = []

    def note(kind):
        return lambda *_: seen.append(kind)

    unet = network.unet
    for level, block in enumerate(unet.base.up_blocks):
        for residual in block.resnets:
            residual.register_forward_hook(note("residual"))
        for attention in getattr(block, "attentions", ()):
            attention.register_forward_hook(note("text"))
        for guide in unet.image_attentions.up[level]:
            guide.register_forward_hook(note("image"))
    for guide in unet.pixel_attentions:
        guide.register_forward_hook(note("pixel"))
    with torch.no_grad():
        network.predict(**given)
    return " ".join(seen).split("residual ")[1:]


def test_first_image_then_text_then_pixels(network_of, step_of, form):
    network = network_of(form)
    found = [part.strip() for part in order_of(network, step_of(network))]
    reads = reversed(network.config.prior.unet.reads)
    layers = network.config.prior.unet.layers + 1
    wanted = ["image text pixel" if r else "pixel" for r in reads for _ in range(layers)]
    assert found == wanted


@torch.no_grad()
def test_pixel_attention_reads_the_residual_of_the_same_skip(network_of, step_of, form):
    network = network_of(form, noise=0.05)
    given = step_of(network)
    told = network.control(
        *(given[name] for name in ("state", "time", "features", "text", "image"))
    )
    marked = Control(tuple(skip * 0 + n for n, skip in enumerate(told.skips)), told.middle)
    read = []
    for guide in network.unet.pixel_attentions:
        guide.register_forward_pre_hook(lambda _, inputs: read.append(inputs))
    network.unet(*(given[name] for name in SEEN), marked)
    assert [int(skip.flatten()[0]) for _, skip in read] == list(range(len(told.skips)))[::-1]
    assert all(x.shape[2:] == skip.shape[2:] for x, skip in read)


@pytest.mark.parametrize("switch", ["text", "image", "control", "pixel"])
@torch.no_grad()
def test_each_prior_can_be_switched_off(network_of, step_of, form, switch):
    """And then is not heard, while the others are."""
    network = network_of(form, noise=0.05, **{switch: False})
    given = step_of(network)
    before = network.predict(**given)
    heard = {
        name: not close(network.predict(**(given | {name: given[name] + 1})), before)
        for name in ("text", "image", "features")
    }
    assert heard == {"text": switch != "text", "image": switch != "image", "features": True}
    if switch == "control":
        none = network_of(form, noise=0.05, control=False, pixel=False)
        assert none.control is None
        moved = none.predict(**(given | {"features": given["features"] + 1}))
        assert torch.equal(moved, none.predict(**given))


def test_gradients_reach_all_that_learns_and_nothing_that_is_frozen(network_of, step_of, form):
    """What starts at nothing hears first; what is before it, once it is something."""
    network = network_of(form)
    frozen = (network.codec, network.unet.base)
    for part in frozen:
        part.requires_grad_(requires_grad=False)
    given = step_of(network, side=16)
    picture = torch.rand(2, 3, *(16 * network.config.prior.codec.factor,) * 2)
    tokens = torch.randn(2, 5, 10)
    learns = {name: p for name, p in network.named_parameters() if p.requires_grad}
    reached = []
    for _ in range(7):
        network.zero_grad()
        made = network.process(picture)
        image = network.refiner(tokens)
        told = network.predict(**(given | {"features": made.features, "image": image}))
        told.square().sum().backward()
        reached.append({name for name, p in learns.items() if p.grad is not None and p.grad.any()})
        with torch.no_grad():
            for p in learns.values():
                if p.grad is not None:  # as Adam would, however small it is
                    p.sub_(0.01 * p.grad.sign())
    # The last layer of an addition: of a transformer its way out, of attention alone that one's.
    last = "block.proj_out." if network.config.attention.form == "full" else ".attention.to_out.0."
    first = {
        name for name in learns
        if name.startswith("control.base.controlnet_")
        or (name.startswith("unet.") and last in name)
    }  # fmt: skip
    assert reached[0]
    assert reached[0] <= first
    assert {name for name in first if name.endswith("bias")} <= reached[0]
    # The heads of the Processor are taught by its own loss.
    wanted = {name for name in learns if not name.startswith(("processor.to_rgb", "anchor."))}
    assert set.union(*reached) == wanted
    assert all(p.grad is None for part in frozen for p in part.parameters())
