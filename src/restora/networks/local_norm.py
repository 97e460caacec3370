"""Normalisation that looks at one place alone, for networks that run on tiles."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class LocalNorm(nn.Module):
    """Takes mean and spread over the channels of each group at each place, and learns both anew.

    ``GroupNorm`` takes them over the whole picture too, so that what a tile becomes depends on how
    the picture was cut, and a network taught on patches meets other numbers on pictures. Here the
    result is the same however it is cut.
    """

    def __init__(self, groups: int, channels: int, epsilon: float = 1e-5) -> None:
        super().__init__()
        self.groups = groups
        self.epsilon = epsilon
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W), or (B, C, N) as attention has it, to the same."""
        # In half precision the squares of large features would not fit.
        exact = x.to(torch.promote_types(x.dtype, torch.float32))
        gain, bias = (p.to(exact.dtype) for p in (self.weight, self.bias))
        if self.groups == 1:
            last = exact.movedim(1, -1)  # where the layer norm, which is faster, wants channels
            found = functional.layer_norm(last, gain.shape, gain, bias, self.epsilon)
            return found.movedim(-1, 1).to(x.dtype)
        gain, bias = (p.view(-1, *[1] * (x.ndim - 2)) for p in (gain, bias))
        apart = exact.unflatten(1, (self.groups, -1))  # type: ignore[no-untyped-call]
        return (self._normal(apart, dim=2).flatten(1, 2) * gain + bias).to(x.dtype)

    def _normal(self, x: Tensor, *, dim: int) -> Tensor:
        centred = x - x.mean(dim, keepdim=True)
        return centred * torch.rsqrt(centred.square().mean(dim, keepdim=True) + self.epsilon)


def localise(module: nn.Module, *, groups: int = 1) -> None:
    """Replace every ``GroupNorm`` inside a module; only for what is yet to be trained.

    Args:
        module: Any module.
        groups: Of the new norms.
    """
    for name, child in module.named_children():
        if isinstance(child, nn.GroupNorm):
            setattr(module, name, LocalNorm(groups, child.num_channels, child.eps))
        else:
            localise(child, groups=groups)
