"""What is left of a network when one of its priors is off can still learn."""

import torch


def test_pixel_attention_learns_where_nothing_is_added_to_the_skips(network_of, step_of, form):
    """It and what it reads must not both start at nothing: then neither would ever move."""
    network = network_of(form, control=False)
    given = step_of(network)
    with torch.no_grad():
        told = network.control(
            *(given[name] for name in ("state", "time", "features", "text", "image"))
        )
    assert all(skip.any() for skip in told.skips)
    reached = set()
    for _ in range(3):
        network.zero_grad()
        (network.predict(**given) - 1).square().sum().backward()
        for name, parameter in network.named_parameters():
            if parameter.grad is not None and parameter.grad.any():
                reached.add(name)
                with torch.no_grad():
                    parameter.sub_(0.01 * parameter.grad.sign())
    wanted = {
        name for name, _ in network.named_parameters()
        if name.startswith(("unet.pixel_attentions.", "control.base.controlnet_down_blocks."))
    }  # fmt: skip
    assert wanted
    assert wanted <= reached
