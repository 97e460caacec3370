"""Tiny networks of both forms."""

import pytest
import torch

from restora.networks.ssp_ir.config import SSPIRConfig
from restora.networks.ssp_ir.network import SSPIR

# As Stable Diffusion is: group norms, self-attention, 1x1 convolutions around it; transformers.
PUBLISHED = {
    "prior": {
        "codec": {"widths": [8, 8], "layers": 1, "latents": 4},
        "unet": {
            "widths": [8, 16, 16], "reads": [True, True, False], "layers": 2, "heads": [2, 4, 4],
            "linear": False,
        },
        "token_dim": 12, "norm_groups": 4,
    },
    "tokens": 5, "token_dim": 10, "text_tokens": 6, "processor": {"widths": [8, 8]},
    "refiner": {"layers": 2, "hidden": 16, "dim": 8},
}  # fmt: skip
COMPACT = {
    "prior": {
        "codec": {
            "unshuffle": 4, "widths": [8], "layers": 1, "latents": 4, "attention": False,
            "linear": True,
        },
        "unet": {
            "widths": [8, 16], "reads": [False, True], "layers": 1, "heads": [2, 2],
            "self_attention": False,
        },
        "token_dim": 12, "norm": "local", "norm_groups": 4,
    },
    "tokens": 5, "token_dim": 10, "text_tokens": 6, "null_text": "zeros",
    "processor": {
        "widths": [8, 8, 8, 8],
        "front": {"widths": [8, 12], "blocks": 1, "unshuffle": 2, "gain": True},
    },
    "refiner": {"layers": 1, "hidden": 16, "dim": 8},
    "attention": {"form": "light", "window": 2},
}  # fmt: skip
FORMS = {"published": PUBLISHED, "compact": COMPACT}


@pytest.fixture(params=FORMS)
def form(request):
    """Both, one after the other."""
    return FORMS[request.param]


@pytest.fixture
def network_of():
    """A function from a form to its network, fresh or with noise in every weight."""

    def make(raw, *, noise=0.0, **changes):
        torch.manual_seed(0)
        network = SSPIR(SSPIRConfig.model_validate(raw | changes)).eval()
        with torch.no_grad():
            for value in network.parameters():
                value.add_(noise * torch.randn(value.shape))
        return network

    return make


@pytest.fixture
def step_of():
    """A function from a network to what it sees in a step, in the order it takes it."""

    def make(network, *, side=16):
        config = network.config
        torch.manual_seed(1)
        state, anchor = torch.randn(2, 2, config.prior.codec.latents, side, side)
        return {
            "state": state, "anchor": anchor, "time": torch.tensor([3, 700]),
            "features": torch.randn(2, config.prior.unet.widths[0], side, side),
            "text": torch.randn(2, 6, config.prior.token_dim),
            "image": torch.randn(2, 5, config.refiner.dim),
        }  # fmt: skip

    return make


@pytest.fixture
def published():
    return PUBLISHED


@pytest.fixture
def compact():
    return COMPACT
