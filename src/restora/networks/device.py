"""Whether PyTorch can use a device here."""

from __future__ import annotations

import torch

from restora.errors import UsageError


def find_device(name: str) -> torch.device:
    """The device ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"`` ...

    Raises:
        UsageError: There is none of that name here.
    """
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        # PyTorch has a class of its own for each way: no such name or number, built without CUDA,
        # a backend whose kernels are missing.
        first_line = str(error).splitlines()[0]
        raise UsageError(f"PyTorch cannot use the device {name!r} here: {first_line}") from error
    return device
