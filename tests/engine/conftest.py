"""Small pictures made by code, and JPEG files of them."""

import io

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def photo():
    """Makes a picture with smooth parts, edges and detail, (H, W, 3) uint8."""

    def make(height_px=96, width_px=128, seed=0):
        rng = np.random.default_rng(seed)
        y, x = np.mgrid[:height_px, :width_px]
        base = 128 + 50 * np.sin(x / 17 + seed) + 40 * np.cos(y / 11) + rng.normal(0, 4, x.shape)
        base = base + 40 * ((x // 23 + y // 31) % 2)
        tint = np.stack([base, base * 0.8 + 20 * np.sin(y / 9), 200 - 0.5 * base], axis=-1)
        return tint.clip(0, 255).astype(np.uint8)

    return make


@pytest.fixture
def jpeg(photo):
    """Makes the bytes of a JPEG file."""

    def make(height_px=96, width_px=128, *, quality=15, mode="RGB", **options):
        buffer = io.BytesIO()
        image = Image.fromarray(photo(height_px, width_px)).convert(mode)
        image.save(buffer, "JPEG", quality=quality, **options)
        return buffer.getvalue()

    return make


@pytest.fixture
def pixels(photo):
    """Makes that picture as a network sees it, (H, W, 3) in 0-1."""

    def make(height_px=96, width_px=128, seed=0):
        return photo(height_px, width_px, seed).astype(np.float32) / 255

    return make


@pytest.fixture(scope="session")
def make_ssp_ir():
    """A function from changes of its configuration to a small SSP-IR whose every part counts."""
    import torch

    from restora.networks.ssp_ir.config import SSPIRConfig
    from restora.networks.ssp_ir.network import SSPIR

    raw = {
        "prior": {
            "codec": {
                "unshuffle": 4, "widths": [8], "layers": 1, "latents": 6, "scale": 1.0,
                "attention": False, "linear": True,
            },
            "unet": {
                "widths": [8, 12], "reads": [False, True], "layers": 1, "heads": [2, 2],
                "self_attention": False,
            },
            "token_dim": 384, "norm": "local", "norm_groups": 2,
        },
        "encoder": "lite0", "tokens": 50, "token_dim": 1280,
        "text_encoder": "minilm", "text_tokens": 16, "null_text": "zeros",
        "predicts": "clean", "residual": True, "start": "processed", "walk": 4,
        "sampler": "dpm-solver++", "text_guidance": 1.0, "colour_fix": "none", "keeps_detail": True,
        "processor": {
            "widths": [4, 6, 8],
            "front": {"widths": [6, 8], "blocks": 1, "unshuffle": 2, "gain": True},
        },
        "refiner": {"layers": 1, "hidden": 16, "dim": 8},
        "attention": {"form": "light", "window": 2},
    }  # fmt: skip

    def make(**changes):
        torch.manual_seed(0)
        network = SSPIR(SSPIRConfig.model_validate(raw | changes)).eval()
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for value in network.parameters():
                value.add_(0.05 * torch.randn(value.shape, generator=generator))
        return network

    return make


@pytest.fixture(scope="session")
def small_ssp_ir(make_ssp_ir):
    return make_ssp_ir()


@pytest.fixture(scope="session")
def ssp_ir_file(make_ssp_ir, small_ssp_ir, made_once):
    """A function from changes of its configuration to the path of its weights."""
    from restora.networks.weight_files import write_safetensors

    def path_of(**changes):
        def write(folder):
            network = make_ssp_ir(**changes) if changes else small_ssp_ir
            write_safetensors(folder / "tiny.safetensors", network.config, network.state_dict())

        name = "-".join(["ssp-ir", *(f"{key}-{value}" for key, value in changes.items())])
        return str(made_once(name, write) / "tiny.safetensors")

    return path_of
