"""What the weights of a network are called and how large they are, before any is made.

A file says which network its weights are of, and it may lie: one of a million blocks would be
built until the memory ends. So a network is built without memory, and only as far as a file of
that many weights can fill it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from restora.errors import RestoraError, WeightsError
from restora.networks.catalogue import NetworkConfig, build

__all__ = ["expected_weights", "first_sentence"]

SPARE = 1000  # an export leaves out what a network has switched off


class _TooMany(Exception):
    """More layers than weights."""


def expected_weights(config: NetworkConfig, *, found: int, source: str) -> dict[str, Tensor]:
    """The state dictionary of a network, its tensors without memory (PyTorch's device ``meta``).

    Args:
        config: The network's numbers.
        found: How many weights there are for it.
        source: What to call them in an error.

    Raises:
        MissingExtra: What the network is made of is not installed.
        WeightsError: There is no such network, or it is far larger than its weights.
    """
    try:
        with torch.random.fork_rng(devices=[]), torch.device("meta"), _at_most(2 * found + SPARE):
            return build(config).state_dict()
    except RestoraError:
        raise
    except _TooMany as error:
        raise WeightsError(
            f"{source}: describes a network of many more layers than there are weights for."
        ) from error
    except Exception as error:  # every layer has its own way to refuse numbers
        raise WeightsError(
            f"{source}: describes a network that cannot be built ({first_sentence(error)})."
        ) from error


def first_sentence(error: Exception) -> str:
    """The beginning of what a library says; some give advice for a page."""
    first_line = (str(error).splitlines() or ["empty"])[0]
    return first_line.split(". ")[0].rstrip(".")[:400]


@contextmanager
def _at_most(parameters: int) -> Iterator[None]:
    """No network gets more parameters than that."""
    made = 0

    def count(module: nn.Module, name: str, parameter: Any) -> None:  # noqa: ARG001 - PyTorch's
        nonlocal made
        made += 1
        if made > parameters:
            raise _TooMany

    handle = register_module_parameter_registration_hook(count)
    try:
        yield
    finally:
        handle.remove()
