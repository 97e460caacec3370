"""Blur and ringing: kernels and their convolution.

Source: Wang et al. 2021 (Real-ESRGAN, 3.1 and 3.3); Liu et al. 2020 (estimating generalised
Gaussian and plateau-shaped blur kernels).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from restora.degradations.real_world.settings import Filter


def kernel_of(drawn: Filter) -> Tensor:
    """A filter as a kernel (side, side) of sum 1, float64 on the CPU."""
    radius = drawn.side_px // 2
    at = torch.arange(-radius, radius + 1, dtype=torch.float64)
    y, x = at[:, None], at[None]
    if drawn.shape == "sinc":
        return _sinc(torch.hypot(x, y), drawn.cutoff_rad)
    cosine, sine = math.cos(drawn.angle_rad), math.sin(drawn.angle_rad)
    along = (cosine * x + sine * y) / drawn.sigma_px[0]
    across = (cosine * y - sine * x) / drawn.sigma_px[1]
    distance = (along**2 + across**2) ** drawn.beta
    kernel = 1 / (distance + 1) if drawn.shape == "plateau" else torch.exp(-0.5 * distance)
    return kernel / kernel.sum()


def _sinc(distance: Tensor, cutoff_rad: float) -> Tensor:
    """The ideal low pass of a round passband, cut off at the kernel's edge."""
    away = distance.clamp(min=1e-9)
    kernel = cutoff_rad * torch.special.bessel_j1(cutoff_rad * away) / (2 * math.pi * away)
    kernel = torch.where(distance > 0, kernel, cutoff_rad**2 / (4 * math.pi))
    return kernel / kernel.sum()


def filtered(pictures: Tensor, filters: Sequence[Filter | None]) -> Tensor:
    """Convolve each picture with its own filter, mirrored at the borders.

    Args:
        pictures: (B, C, H, W), any size from 1x1.
        filters: B; None leaves a picture as it is.

    Returns:
        (B, C, H, W), not clipped.
    """
    drawn = [each for each in filters if each is not None]
    if not drawn:
        return pictures
    side = max(each.side_px for each in drawn)
    kernels = torch.zeros(len(filters), side, side)
    for kernel, each in zip(kernels, filters, strict=True):
        if each is None:
            kernel[side // 2, side // 2] = 1
        else:
            edge = (side - each.side_px) // 2
            kernel[edge : side - edge, edge : side - edge] = kernel_of(each)
    return convolved(pictures, kernels.to(pictures.device, pictures.dtype))


def convolved(pictures: Tensor, kernels: Tensor) -> Tensor:
    """Convolve pictures (B, C, H, W) with kernels (B, h, w), h and w odd, that are symmetric."""
    batch, channels, height, width = pictures.shape
    padded = mirrored(pictures, kernels.shape[1] // 2, kernels.shape[2] // 2)
    weight = kernels[:, None, None].expand(-1, channels, -1, -1, -1).flatten(0, 1)
    blurred = functional.conv2d(padded.flatten(0, 1)[None], weight, groups=batch * channels)
    return blurred.reshape(batch, channels, height, width)


def mirrored(pictures: Tensor, rows: int, columns: int) -> Tensor:
    """Pad (B, C, H, W) by mirroring about the edge pixels, as often as it takes."""
    height, width = pictures.shape[-2:]
    if rows < height and columns < width:
        return functional.pad(pictures, (columns, columns, rows, rows), mode="reflect")
    down, across = (
        _mirror(size, margin).to(pictures.device)
        for size, margin in ((height, rows), (width, columns))
    )
    return pictures[..., down[:, None], across]


def _mirror(size: int, margin: int) -> Tensor:
    """Indices -margin ... size - 1 + margin folded into 0 ... size - 1."""
    period = max(1, 2 * (size - 1))
    at = torch.arange(-margin, size + margin) % period
    return torch.minimum(at, (period - at) % period) if size > 1 else at * 0
