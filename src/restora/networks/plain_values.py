"""The one way into a file that PyTorch pickled: plain values come out, code in it never runs."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch

from restora.errors import WeightsError
from restora.networks.expected import first_sentence


def read_plain(path: Path, *, foreign: str, damaged: str) -> Any:
    """Tensors and plain values of a file, on the CPU.

    Args:
        path: The file.
        foreign: What it is told to be where it is no pickle of PyTorch's, or holds more than plain
            values.
        damaged: What it is told to be where PyTorch fails in another way.

    Raises:
        WeightsError: It cannot be read, or is one of these.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror or error}).") from error
    except pickle.UnpicklingError as error:
        raise WeightsError(f"{path}: {foreign}; code in it is never run.") from error
    except Exception as error:  # torch raises whatever the damage happens to hit
        raise WeightsError(f"{path}: {damaged} ({first_sentence(error)}).") from error
