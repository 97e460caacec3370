"""What the Processor's pictures are held to: the clean one, in RGB and in the Fourier domain.

Source: SSP-IR, its training code.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

Norm = Literal["backward", "ortho"]


def processor_loss(
    heads: Sequence[Tensor], clean: Tensor, *, norm: Norm = "ortho"
) -> tuple[Tensor, Tensor]:
    """The two terms, each summed over the heads.

    Args:
        heads: (B, 3, h_l, w_l) each, -1 to 1.
        clean: (B, 3, H, W), -1 to 1.
        norm: Of the transform. ``backward`` is none, as published: white error counts with the
            square root of its picture's size.

    Returns:
        The mean absolute error, and that of real and imaginary parts of the spectrum.
    """
    rgb, fourier = clean.new_zeros(()), clean.new_zeros(())
    for head in heads:
        wanted = functional.interpolate(
            clean, head.shape[-2:], mode="bilinear", align_corners=False, antialias=False
        )
        missed = (head - wanted).float()
        rgb = rgb + missed.abs().mean()
        # The transform is linear, so that of the difference is the difference of both.
        fourier = fourier + torch.view_as_real(torch.fft.rfft2(missed, norm=norm)).abs().mean()
    return rgb, fourier
