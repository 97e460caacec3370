"""Where PyTorch computes, and how numbers get there and back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from restora.engine.backend import Floats, too_large
from restora.networks.device import find_device


class Place:
    """A device and a precision."""

    def __init__(self, device: str, *, half: bool) -> None:
        """
        Args:
            device: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"`` ...
            half: Compute in half precision.

        Raises:
            UsageError: There is no such device here.
        """
        self.device = find_device(device)
        self.half = half

    def autocast(self) -> torch.autocast:
        """The precision, for networks that run inside."""
        # float16 has three more bits of precision than bfloat16, and nothing here grows large.
        return torch.autocast(self.device.type, torch.float16, enabled=self.half)

    @contextmanager
    def told(self, shape: tuple[int, ...], *, fixed: bool = False) -> Iterator[None]:
        """Raise MemoryLimit where tiles (N, H, W, C) do not fit; ``fixed``: no user sets them."""
        try:
            yield
        except torch.OutOfMemoryError as error:
            raise too_large(shape, f"the memory of {self.device}", fixed=fixed) from error

    def put(self, array: Floats) -> Tensor:
        """An array, there."""
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device)

    def put_tiles(self, tiles: Floats) -> Tensor:
        """Tiles (N, H, W, C), there and as networks take them, (N, C, H, W)."""
        return self.put(tiles.transpose(0, 3, 1, 2))


def to_array(tensor: Tensor) -> Floats:
    """A tensor, back."""
    array: Floats = tensor.float().cpu().numpy()
    return array


def shape_of(batch: Tensor) -> tuple[int, ...]:
    """The shape of a batch (N, C, H, W) as tiles, (N, H, W, C)."""
    count, channels, height, width = batch.shape
    return count, height, width, channels
