"""Restored and clean pictures as folders of PNG files, for anybody's own toolbox.

``ROOT/DAMAGE/METHOD/NAME.png``; the clean pictures are the method ``clean``, the degraded ones
``input``. Files of one picture have one name everywhere, which is what toolboxes pair by.
"""

from __future__ import annotations

import io
import shlex
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from restora.errors import OutputError
from restora.evaluation.perceptual_folders import folder_name, folder_names
from restora.evaluation.real_world_sets import Loaded
from restora.images.atomic import write_atomically

__all__ = ["TOOLBOX_METRICS", "RealWorldFolders", "real_cross_check"]

TOOLBOX_METRICS = "clipiqa musiq maniqa niqe lpips dists"


class RealWorldFolders:
    """Writes pictures to their folders; a file that stood there is replaced whole or not at all."""

    def __init__(self, root: Path, methods: Sequence[str]) -> None:
        """
        Args:
            root: Made when the first picture comes.
            methods: What will be written beside ``clean`` and ``input``.
        """
        self.root = root
        self._names = folder_names(("clean", "input", *methods))

    def put(self, loaded: Loaded, method: str, pixels: NDArray[np.uint8]) -> None:
        """Write one picture, ``(H, W, 3)`` RGB.

        Raises:
            OutputError: It cannot be written.
        """
        place = self.root / folder_name(loaded.setting) / self._names[method]
        try:
            place.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            reason = error.strerror or str(error)
            raise OutputError(f"The folder {place} cannot be made: {reason}.") from error
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "PNG", compress_level=1)
        write_atomically(place / f"{loaded.name}.png", file.getvalue())


def real_cross_check(root: Path) -> str:
    """The shell line that scores the saved pictures with pyiqa, with and without a reference.

    Restora neither needs nor installs that toolbox; its licence is for non-commercial use.

    >>> real_cross_check(Path("out"))
    'for m in out/*/*; do echo "$m"; pyiqa clipiqa musiq maniqa niqe lpips dists -t "$m" \
-r "$(dirname "$m")/clean"; done'
    """
    place = shlex.quote(root.as_posix())
    return (
        f'for m in {place}/*/*; do echo "$m"; '
        f'pyiqa {TOOLBOX_METRICS} -t "$m" -r "$(dirname "$m")/clean"; done'
    )
