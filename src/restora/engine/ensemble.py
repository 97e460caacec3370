"""Self-ensemble: restore a picture turned and mirrored as well, and take the mean.

Source: Timofte, Rothe, Van Gool: Seven Ways to Improve Example-Based Single Image Super Resolution,
CVPR 2016, section 3.6.
"""

from __future__ import annotations

import numpy as np

from restora.engine.backend import Backend, Check, Draw, Encoded, Floats, Guidance
from restora.engine.tiles import GRID_PX

COUNTS = (1, 2, 4, 8)  # as it is; mirrored; upside down too; turned by a quarter too


class Ensemble:
    """A backend that runs another on up to eight views of each tile.

    Tiles are multiples of 8 pixels, so every view has the block grid where the tile has it.
    """

    def __init__(self, backend: Backend, count: int, *, upright: Guidance | None = None) -> None:
        """
        Args:
            backend: The backend.
            count: How many views, one of :data:`COUNTS`.
            upright: What its survey of the picture told, where that is known already.
        """
        self._backend = backend
        self._count = count
        self._upright = upright

    @property
    def channels(self) -> int:
        return self._backend.channels

    def survey(
        self, pixels: Floats, *, alike: Guidance | None = None, check: Check = lambda: None
    ) -> tuple[Guidance | None, ...] | None:
        """What the backend makes of each view of the picture; what it decides is one for all.

        Each view is turned from a picture that reaches to the grid of tiles, as the tiles are.
        """
        below, right = (-length % GRID_PX for length in pixels.shape[:2])
        if below or right:
            pixels = np.pad(pixels, ((0, below), (0, right), (0, 0)), mode="edge")
        told: list[Guidance] = []
        alike = self._upright if alike is None else alike
        for number in range(self._count):
            view = _view(pixels[None], number)[0]
            found = self._backend.survey(view, alike=alike, check=check)
            if found is None:
                return None
            told.append(found)
            alike = found if alike is None else alike
        return tuple(told)

    def encode(
        self,
        tiles: Floats,
        guidance: tuple[Guidance | None, ...] | None = None,
        *,
        draw: Draw | None = None,
    ) -> Encoded:
        told = (None,) * self._count if guidance is None else guidance
        views = tuple(
            self._backend.encode(
                _view(tiles, number), given, draw=None if draw is None else _draw_view(draw, number)
            )
            for number, given in enumerate(told)
        )
        quality: Floats = np.stack([view.quality for view in views]).mean(axis=0)
        return Encoded(tiles, views, quality, guidance)

    def decode(self, encoded: Encoded, quality: float, *, insist: bool = False) -> Floats:
        total: Floats = np.zeros_like(encoded.tiles)
        for number, view in enumerate(encoded.features):
            total += _unview(self._backend.decode(view, quality, insist=insist), number)
        total /= self._count
        return total


def _view(tiles: Floats, number: int) -> Floats:
    """View ``number``, 0-7, of (N, H, W, C): bit 0 mirrors, bit 1 flips, bit 2 swaps the sides."""
    if number & 1:
        tiles = tiles[:, :, ::-1]
    if number & 2:
        tiles = tiles[:, ::-1]
    if number & 4:
        tiles = tiles.swapaxes(1, 2)
    return tiles


def _unview(tiles: Floats, number: int) -> Floats:
    """Inverse of :func:`_view`."""
    if number & 4:
        tiles = tiles.swapaxes(1, 2)
    return _view(tiles, number & 3)


def _draw_view(draw: Draw, number: int) -> Draw:
    """The noise of tiles, turned with them."""

    def turned(shape: tuple[int, ...], field: int = 0) -> Floats:
        count, channels, height, width = shape
        upright = (width, height) if number & 4 else (height, width)
        noise = np.moveaxis(draw((count, channels, *upright), field), 1, 3)
        return np.moveaxis(_view(noise, number), 3, 1)

    return turned
