"""What the engine needs of a network, whatever runs it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from restora.errors import MemoryLimit

PREDICT = float("nan")  # as a quality: let the network decide
SMALLEST_TILE_PX = 128  # that Wishes take

Floats = NDArray[np.float32]
Guidance = Any  # what a backend makes of a whole picture; nobody else looks inside
Check = Callable[[], None]  # called now and then in long work; may raise


class Draw(Protocol):
    """Gives normal noise for some tiles."""

    def __call__(self, shape: tuple[int, ...], number: int = 0, /) -> Floats:
        """Noise for the places of those tiles, or of their latents.

        Args:
            shape: (N, C, h, w) of what it is for; h and w divide the sides of a tile.
            number: Which of many independent fields. The same one gives the same again.
        """


@dataclass(frozen=True)
class Encoded:
    """Tiles as a network sees them before any quality is set: the slow half, done.

    Attributes:
        tiles: The tiles, in the backend's own kind of array.
        features: What the encoder made of them, likewise.
        quality: (N,) the quality the network itself sees in each tile, 1-100.
        guidance: What the tiles were told of the whole picture, where the network wants it.
        choice: (N,) which of its timesteps the network itself takes, where it has any.
    """

    tiles: Any
    features: tuple[Any, ...]
    quality: Floats
    guidance: Guidance | None = None
    choice: NDArray[np.int64] | None = None

    def or_predicted(self, quality: float) -> Floats:
        """``quality`` for every tile, or for :data:`PREDICT` what the network sees in each."""
        return self.quality if np.isnan(quality) else np.full_like(self.quality, quality)


class Backend(Protocol):
    """A loaded network. Calls may come from several threads at once."""

    @property
    def channels(self) -> int:
        """1 for gray, 3 for RGB."""

    def survey(
        self, pixels: Floats, *, alike: Guidance | None = None, check: Check = lambda: None
    ) -> Guidance | None:
        """What every tile of a picture shall know of the whole, however it is cut into tiles.

        Args:
            pixels: The whole picture, (H, W, C), 0-1.
            alike: What this gave for the same picture before it was turned or mirrored. A network
                that decides something for the whole decides it alike.
            check: Called after each part of it that was seen.

        Returns:
            Something for :meth:`encode`; None from a network whose tiles need to know nothing of
            each other.

        Raises:
            MemoryLimit: A part of the picture does not fit into memory.
        """

    def encode(
        self, tiles: Floats, guidance: Guidance | None = None, *, draw: Draw | None = None
    ) -> Encoded:
        """The half of the work that no quality setting touches.

        Args:
            tiles: (N, H, W, C), 0-1, H and W multiples of 16.
            guidance: What :meth:`survey` makes of the picture that the tiles are of. None: each
                tile is a whole picture. Networks that survey nothing ignore it.
            draw: Gives the noise that these tiles or their latents are drawn with; None takes
                their mean. Networks that draw nothing ignore it.

        Raises:
            MemoryLimit: The tiles do not fit into memory.
        """

    def decode(self, encoded: Encoded, quality: float, *, insist: bool = False) -> Floats:
        """Restored tiles (N, H, W, C), not clipped.

        Args:
            encoded: The tiles.
            quality: 1-100, or :data:`PREDICT`.
            insist: A user wants this quality: it stands instead of all else that tells the network
                how hard the picture was compressed. Without a meaning where nothing else does.

        Raises:
            MemoryLimit: The tiles do not fit into memory.
        """


def too_large(shape: tuple[int, ...], place: str, *, fixed: bool = False) -> MemoryLimit:
    """The error for tiles (N, H, W, C) that do not fit; it names a smaller size, if any.

    ``fixed``: no user sets the size of these.
    """
    height_px, width_px = shape[1:3]
    longest_px = max(height_px, width_px)
    smaller_px = max(SMALLEST_TILE_PX, longest_px // 2 // 16 * 16)
    advice = (
        f"try --tile {smaller_px}."
        if smaller_px < longest_px and not fixed
        else "no smaller tile can be asked for: free some memory."
    )
    return MemoryLimit(
        f"A tile of {width_px}×{height_px} pixels does not fit into {place}; {advice}"
    )
