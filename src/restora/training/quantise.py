"""A trained network in 8 bits, for CPUs with dot product instructions.

No training: weights are rounded, and for features it is found out on photos which numbers 8 bits
shall stand for. Everything follows from the network, the photos and the seed.
"""

from __future__ import annotations

from typing import Any

import torch

from restora._optional import require
from restora.networks.fbcnn import FBCNN
from restora.training.data import JpegPairs, PhotoStore
from restora.training.quantise_fit import choose_grids, equalise, observe
from restora.training.quantise_graph import write_graphs
from restora.training.sections import DataRecipe

# What users bring: all qualities, the low ones more often, saved once or twice. A picture that was
# never compressed is left almost untouched, and says little about how large features get.
PHOTOS = DataRecipe(patch_px=128, batch=8, clean_share=0.02)
PROBED = 6  # of the batches, those on which gradients are taken too


def quantise(
    network: FBCNN,
    photos: PhotoStore,
    *,
    seed: int = 0,
    batches: int = 16,
    pictures: DataRecipe = PHOTOS,
) -> tuple[Any, Any]:
    """Encoder and decoder as 8-bit ONNX models; see :mod:`restora.training.quantise_graph`.

    Takes about half a minute on a CPU.

    Args:
        network: The trained network.
        photos: Clean photos, of those it was trained on.
        seed: Of the pictures that are cut from them.
        batches: How many batches show how large features get.
        pictures: What those are like.

    Raises:
        InputError: No photo is large enough.
        MissingExtra: The extra ``train`` is not installed.
    """
    require("onnx", extra="train")
    channels = network.config.channels
    network = network.eval().to("cpu", memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    pairs = JpegPairs(photos, pictures, channels=channels, seed=seed, teacher=0)
    shown = [pairs.batch(step).degraded.contiguous() for step in range(batches)]
    net = equalise(network, shown[:PROBED])
    return write_graphs(net, choose_grids(net, observe(net, shown)))
