"""Pictures side by side under labels, whole or magnified."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from restora.images.picture import Pixels

GAP_PX = 8
LABEL_PX = 26
FONT_PX = 16
PAPER, INK = (255, 255, 255), (20, 20, 20)


@dataclass(frozen=True)
class Window:
    """A square of a picture: its upper left corner and its side, in pixels."""

    y: int
    x: int
    side_px: int

    def cut(self, pixels: Pixels) -> Pixels:
        """The window of ``(H, W, C)``."""
        return pixels[self.y : self.y + self.side_px, self.x : self.x + self.side_px]


def busiest_window(a: Pixels, b: Pixels, *, side_px: int) -> Window:
    """Where two pictures ``(H, W, C)`` of one size differ most; smaller pictures give all of them.

    Args:
        a, b: The pictures.
        side_px: Side of the window, at least 8.
    """
    height, width = a.shape[:2]
    side_px = min(side_px, height, width)
    step = max(1, side_px // 4)
    sums = np.abs(a - b).sum(axis=2).cumsum(axis=0, dtype=np.float64).cumsum(axis=1)
    sums = np.pad(sums, ((1, 0), (1, 0)))
    ys = np.arange(0, height - side_px + 1, step)[:, None]
    xs = np.arange(0, width - side_px + 1, step)[None, :]
    total = (sums[ys + side_px, xs + side_px] - sums[ys, xs + side_px]) - (
        sums[ys + side_px, xs] - sums[ys, xs]
    )
    row, column = np.unravel_index(int(total.argmax()), total.shape)
    return Window(int(row) * step, int(column) * step, side_px)


def contact_sheet(
    pictures: Sequence[tuple[str, Pixels]], *, columns: int, largest_px: int, magnify: int = 1
) -> Image.Image:
    """Lay pictures out in rows, each with its label below; columns are as wide as the widest label.

    Args:
        pictures: Labels and pictures, ``(H, W, 1 or 3)`` in 0-1, all of one size.
        columns: Pictures in a row, at most.
        largest_px: Pictures whose longer side is longer are scaled down to this.
        magnify: Each pixel becomes a square of so many; a magnified picture is not scaled down.
    """
    cells = [(label, _as_image(pixels, largest_px, magnify)) for label, pixels in pictures]
    width, height = cells[0][1].size
    columns = min(columns, len(cells))
    rows = -(-len(cells) // columns)
    font = ImageFont.load_default(FONT_PX)
    widest = max(math.ceil(font.getlength(label)) for label, _ in cells)
    step_x, step_y = max(width, widest) + GAP_PX, height + LABEL_PX + GAP_PX
    sheet = Image.new("RGB", (columns * step_x + GAP_PX, rows * step_y + GAP_PX), PAPER)
    draw = ImageDraw.Draw(sheet)
    for number, (label, image) in enumerate(cells):
        row, column = divmod(number, columns)
        x, y = GAP_PX + column * step_x, GAP_PX + row * step_y
        sheet.paste(image, (x, y))
        draw.text((x, y + height + (LABEL_PX - FONT_PX) // 2), label, INK, font)
    return sheet


def _as_image(pixels: Pixels, largest_px: int, magnify: int) -> Image.Image:
    plain = np.rint(np.clip(pixels, 0, 1) * 255).astype(np.uint8)
    image = Image.fromarray(np.repeat(plain, 3, axis=2) if plain.shape[2] == 1 else plain)
    if magnify > 1:
        size = (image.width * magnify, image.height * magnify)
        return image.resize(size, Image.Resampling.NEAREST)
    image.thumbnail((largest_px, largest_px), Image.Resampling.LANCZOS)
    return image
