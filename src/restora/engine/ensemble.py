"""Self-ensemble: restore a picture turned and mirrored as well, and take the mean.

Source: Timofte, Rothe, Van Gool: Seven Ways to Improve Example-Based Single Image Super Resolution,
CVPR 2016, section 3.6.
"""

from __future__ import annotations

from dataclasses import fields

import numpy as np

from restora.engine.backend import Backend, Encoded, Floats
from restora.engine.survey import Guidance, Maps

COUNTS = (1, 2, 4, 8)  # as it is; mirrored; upside down too; turned by a quarter too


class Ensemble:
    """A backend that runs another on up to eight views of each tile.

    Tiles are multiples of 8 pixels, so every view has the block grid where the tile has it.
    """

    def __init__(self, backend: Backend, count: int) -> None:
        """``count`` is one of :data:`COUNTS`."""
        self._backend = backend
        self._count = count

    @property
    def channels(self) -> int:
        return self._backend.channels

    def look(self, tiles: Floats) -> Maps | None:
        """The maps of every view of one tile, N = 1, each turned back: a row for each view.

        So the guidance has a row for each view too: that of the turned picture, exactly. Only the
        order of its anchors is another, to which attention is blind.
        """
        views = [self._backend.look(_view(tiles, k)) for k in range(self._count)]
        turned = [_unview_maps(maps, k) for k, maps in enumerate(views) if maps is not None]
        if not turned:
            return None
        names = (field.name for field in fields(Maps))
        return Maps(*(np.concatenate([getattr(maps, n) for maps in turned]) for n in names))

    def encode(self, tiles: Floats, guidance: Guidance | None = None) -> Encoded:
        views = tuple(
            self._backend.encode(_view(tiles, k), None if guidance is None else guidance.row(k))
            for k in range(self._count)
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


def _unview_maps(maps: Maps, number: int) -> Maps:
    """Maps (N, ., h, w) of view ``number``, turned back."""
    each = (getattr(maps, field.name) for field in fields(Maps))
    back = (_unview(np.moveaxis(array, 1, 3), number) for array in each)
    return Maps(*(np.moveaxis(array, 3, 1) for array in back))
