"""The pictures of a measurement as files, to be looked at side by side."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from restora.errors import OutputError
from restora.evaluation.restoration_sets import RestorationPair
from restora.images.atomic import write_atomically

__all__ = ["BeforeAfter"]


class BeforeAfter:
    """A folder of ``TASK/NAME-clean.png``, ``TASK/NAME-input.png`` and so on."""

    def __init__(self, folder: Path) -> None:
        """``folder`` and those above it are made when the first picture comes."""
        self.folder = folder

    def put(self, pair: RestorationPair, what: str, pixels: NDArray[np.uint8]) -> None:
        """Write one picture ``(H, W, 3)``, 0-255; ``what`` tells those of a pair apart.

        Raises:
            OutputError: It cannot be written.
        """
        place = self.folder / pair.task
        try:
            place.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            reason = error.strerror or str(error)
            raise OutputError(f"The folder {place} cannot be made: {reason}.") from error
        name = re.sub(r"[^\w.+-]", "_", f"{pair.name}-{what}")
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "PNG", compress_level=1)
        write_atomically(place / f"{name}.png", file.getvalue())
