"""JPEG compression, twice over: file-true with libjpeg-turbo, and as a batched tensor operation.

:func:`compress` is what a file goes through. :class:`JpegBatch` does the same arithmetic on a
batch of tensors on any device, with its own quality for every picture, so that a GPU never waits
for a CPU; a test holds the two together.

Source: ITU-T T.81 (DCT, quantisation), T.871 (JFIF colour), libjpeg (4:2:0 down- and "fancy"
upsampling).
"""

from __future__ import annotations

import io

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional

from restora.images import RGB_TO_YCBCR
from restora.jpeg import dct
from restora.jpeg.tables import STANDARD_CHROMA, STANDARD_LUMA, scale_table


def compress(
    pixels: NDArray[np.uint8], quality: int, *, subsampling: str = "4:2:0"
) -> NDArray[np.uint8]:
    """Save as JPEG and read again, through libjpeg-turbo.

    Args:
        pixels: (H, W) gray or (H, W, 3) RGB.
        quality: 1-100.
        subsampling: ``"4:4:4"``, ``"4:2:2"`` or ``"4:2:0"``; gray pictures have none.

    Returns:
        Pixels of the same shape.
    """
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality, subsampling=subsampling)
    return np.asarray(Image.open(buffer))


class JpegBatch(torch.nn.Module):
    """JPEG at quality 1-100 on tensors (B, C, H, W) of 0-255, C = 1 or 3 (RGB, 4:2:0).

    Rounds where libjpeg rounds: after the colour transform, in the quantiser and at the output.
    Differs from libjpeg-turbo only in its integer DCT and the order of rounding in the chroma
    filters, by about one level here and there.
    """

    matrix: Tensor
    tables: Tensor
    to_ycc: Tensor
    to_rgb: Tensor

    def __init__(self) -> None:
        super().__init__()
        tables = np.stack(
            [
                np.stack([scale_table(STANDARD_LUMA, q), scale_table(STANDARD_CHROMA, q)])
                for q in range(1, 101)
            ]
        )
        to_ycc = torch.tensor(RGB_TO_YCBCR, dtype=torch.float32)
        for name, value in {
            "matrix": torch.from_numpy(dct.dct_matrix()).float(),
            "tables": torch.from_numpy(tables).float(),  # (100, 2, 8, 8)
            "to_ycc": to_ycc,
            "to_rgb": torch.linalg.inv(to_ycc),
        }.items():
            self.register_buffer(name, value, persistent=False)

    def forward(self, pixels: Tensor, quality: Tensor) -> Tensor:
        """Compress each picture at its own quality.

        Args:
            pixels: (B, C, H, W), 0-255; rounded first. Any size from 1x1.
            quality: (B,) integers 1-100.

        Returns:
            (B, C, H, W), whole numbers 0-255 in the input's floating type.
        """
        with torch.no_grad(), torch.autocast(pixels.device.type, enabled=False):
            pixels = pixels.float().round()
            luma_table, chroma_table = self.tables[quality.long() - 1].unbind(1)
            if pixels.shape[1] == 1:
                return self._plane(pixels, luma_table)
            ycc = torch.einsum("ij,bjhw->bihw", self.to_ycc, pixels)
            ycc = ycc + ycc.new_tensor([0.0, 128.0, 128.0])[None, :, None, None]
            ycc = ycc.round().clamp(0, 255)
            luma = self._plane(ycc[:, :1], luma_table)
            chroma = self._plane(_halve(ycc[:, 1:]), chroma_table)
            height, width = pixels.shape[-2:]
            chroma = _fancy_double(chroma)[..., :height, :width] - 128
            decoded = torch.cat([luma, chroma], 1)
            rgb = torch.einsum("ij,bjhw->bihw", self.to_rgb, decoded)
            return torch.clamp(rgb.round(), 0, 255)

    def _plane(self, plane: Tensor, table: Tensor) -> Tensor:
        """Quantise the planes (B, P, H, W) of a batch with the tables (B, 8, 8)."""
        height, width = plane.shape[-2:]
        padded = functional.pad(plane, (0, -width % 8, 0, -height % 8), mode="replicate")
        steps = table[:, None, None, None]  # (B, 1, 1, 1, 8, 8)
        coefficients = dct.forward(dct.to_blocks(padded - 128), self.matrix)
        quantised = _round_half_away(coefficients / steps) * steps
        decoded: Tensor = dct.from_blocks(dct.inverse(quantised, self.matrix)) + 128
        return decoded[..., :height, :width].round().clamp(0, 255)


def _round_half_away(x: Tensor) -> Tensor:
    """libjpeg's quantiser rounds halves away from zero; ``round`` takes them to even."""
    # The DCT of whole numbers meets exact halves often, and float error must not break the tie.
    return x.sign() * (x.abs() + 0.5 + 1e-4).floor()


def _halve(plane: Tensor) -> Tensor:
    """libjpeg's h2v2 downsampling: the mean of 2x2, rounded up and down in turn by column."""
    height, width = plane.shape[-2:]
    padded = functional.pad(plane, (0, width % 2, 0, height % 2), mode="replicate")
    total = functional.avg_pool2d(padded, 2) * 4
    bias = 1 + torch.arange(total.shape[-1], device=plane.device) % 2  # 1, 2, 1, 2, ...
    return ((total + bias) / 4).floor()


def _fancy_double(plane: Tensor) -> Tensor:
    """libjpeg's h2v2 "fancy" upsampling: a triangle filter, 3/4 near and 1/4 far on each axis."""
    height, width = plane.shape[-2:]
    padded = functional.pad(plane, (1, 1, 1, 1), mode="replicate")
    centre = padded[..., 1:-1, :]
    rows = torch.stack(
        [3 * centre + padded[..., :-2, :], 3 * centre + padded[..., 2:, :]], dim=-2
    ).reshape(*plane.shape[:-2], 2 * height, width + 2)
    middle = rows[..., 1:-1]
    columns = torch.stack(
        [
            ((3 * middle + rows[..., :-2] + 8) / 16).floor(),
            ((3 * middle + rows[..., 2:] + 7) / 16).floor(),
        ],
        dim=-1,
    )
    return columns.reshape(*plane.shape[:-2], 2 * height, 2 * width)
