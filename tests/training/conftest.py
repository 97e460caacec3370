"""A tiny recipe and a folder of photos made by code."""

import numpy as np
import pytest
import torch
from PIL import Image

from restora.training.data import PhotoStore
from restora.training.recipe import parse_recipe


@pytest.fixture(autouse=True)
def one_thread():
    """Results equal to the last bit need one order of additions."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def recipe():
    return parse_recipe(
        {
            "name": "tiny",
            "network": {
                "widths": [4, 8], "blocks": [1, 1], "predictor_blocks": 1, "mlp": 8,
                "unshuffle": 2, "residual": True, "gate_scale": 2.0,
            },
            "data": {"patch_px": 16, "batch": 2},
            "train": {"steps": 8, "warmup_steps": 2, "decay_steps": 3},
        },
        name="tiny",
    )  # fmt: skip


@pytest.fixture
def dagn_recipe():
    return parse_recipe(
        {
            "name": "tiny-dagn",
            "method": "dagn",
            "network": {
                "channels": 1, "widths": [4, 8], "blocks": [1, 1], "sensitive_blocks": 1,
                "insensitive_blocks": 1, "encoder_block": "basic", "encoder_width": 4,
                "encoder_blocks": [1, 1, 1, 1], "mlp": 8, "key": 4, "norm": False,
                "unshuffle": 2, "residual": True, "gate_scale": 2.0,
            },
            "data": {"patch_px": 16, "batch": 4},
            "train": {"steps": 8, "warmup_steps": 2, "decay_steps": 3},
        },
        name="tiny-dagn",
    )  # fmt: skip


@pytest.fixture
def photo_folder(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number, size in enumerate([(40, 48), (64, 40), (20, 20)]):
        coarse = rng.integers(0, 256, (5, 5, 3), np.uint8)
        picture = Image.fromarray(coarse).resize(size[::-1], Image.Resampling.BICUBIC)
        picture.save(folder / f"{number}.png")
    return folder


@pytest.fixture
def photos(photo_folder, tmp_path):
    return PhotoStore.open(photo_folder, cache=tmp_path / "cache")


@pytest.fixture
def sodiff_recipe(sodiff_raw):
    """A function from a stage, and changes of its section, to a tiny recipe."""

    def make(stage, *, network=None, data=None, settings=None, **section):
        # MiniLM's tokens have 384 numbers.
        sodiff_raw["prior"]["token_dim"] = sodiff_raw["saipe"]["token_dim"] = 384
        return parse_recipe(
            {
                "name": "tiny-sodiff", "method": "sodiff",
                "network": sodiff_raw | (network or {}),
                "data": {"patch_px": 16, "batch": 3} | (data or {}),
                "train": {"steps": 8, "warmup_steps": 2, "decay_steps": 3} | (settings or {}),
                "sodiff": {
                    "stage": stage, "captioner": "static:a photo of a pier", "views": 2,
                    "view_qualities": [10, 60],
                } | section,
            },
            name="tiny-sodiff",
        )  # fmt: skip

    return make


@pytest.fixture
def sr_diff_recipe():
    """A function from a stage, and changes of its sections, to a tiny recipe."""

    def make(stage, *, network=None, data=None, settings=None, **section):
        return parse_recipe(
            {
                "name": "tiny-sr-diff", "method": "sr-diff",
                "network": {
                    "tasks": ["dehaze", "lowlight"], "encoder": "lite0", "token_dim": 1280,
                    "tokens": 50, "predicts": "clean",
                    "unet": {
                        "width": 8, "multipliers": [1, 2], "blocks": 1, "stem_px": 3,
                        "linear_attention": False, "self_attention": False, "head_dim": 8,
                        "norm": "layer", "modulated": True,
                    },
                    "refiner": {
                        "form": "residual", "projected": 8, "hidden": 16, "layers": 1, "heads": 2,
                    },
                    "judge": {"side_px": 32, "widths": [8, 8]},
                } | (network or {}),
                "data": {"patch_px": 16, "batch": 3} | (data or {}),
                "train": {
                    "steps": 8, "warmup_steps": 2, "decay_steps": 3,
                    "ema": 0.0 if stage == "judge" else 0.9,
                } | (settings or {}),
                "srdiff": {"stage": stage, "variants": 1, "holdout": 0.0} | section,
            },
            name="tiny-sr-diff",
        )  # fmt: skip

    return make


@pytest.fixture
def ssp_ir_recipe():
    """A function from a stage, and changes of its sections, to a tiny recipe."""

    def make(stage, *, network=None, data=None, settings=None, **section):
        return parse_recipe(
            {
                "name": "tiny-ssp-ir", "method": "ssp-ir",
                "network": {
                    "prior": {
                        "codec": {
                            "unshuffle": 4, "widths": [8], "layers": 1, "latents": 4, "scale": 1.0,
                            "attention": False, "linear": True,
                        },
                        "unet": {
                            "widths": [8, 16], "reads": [False, True], "layers": 1,
                            "heads": [2, 2], "self_attention": False,
                        },
                        "token_dim": 384, "norm": "local", "norm_groups": 4,
                    },
                    "encoder": "lite0", "tokens": 50, "token_dim": 1280,
                    "text_encoder": "minilm", "text_tokens": 16, "null_text": "zeros",
                    "predicts": "clean", "residual": True, "start": "processed", "walk": 2,
                    "sampler": "dpm-solver++", "text_guidance": 1.0, "colour_fix": "none",
                    "keeps_detail": True,
                    "processor": {
                        "widths": [8, 8, 8],
                        "front": {"widths": [8, 12], "blocks": 1, "unshuffle": 2, "gain": True},
                    },
                    "refiner": {"layers": 1, "hidden": 16, "dim": 8},
                    "attention": {"form": "light", "window": 2},
                } | (network or {}),
                "data": {"patch_px": 16, "batch": 3} | (data or {}),
                "train": {"steps": 8, "warmup_steps": 2, "decay_steps": 3, "ema": 0.9}
                | (settings or {}),
                "sspir": {"stage": stage, "variants": 1, "captioner": "static:a photo of a pier"}
                | section,
            },
            name="tiny-ssp-ir",
        )  # fmt: skip

    return make
