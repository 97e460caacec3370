"""Restored and clean pictures as folders of PNG files, for anybody's own toolbox.

``ROOT/SET/clean/NAME.png`` and ``ROOT/SET/QUALITY/METHOD/NAME.png``; the plain JPEG is the method
``jpeg``. Files of one picture have one name everywhere, which is what toolboxes pair by.
"""

from __future__ import annotations

import os
import re
import shlex
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from restora.errors import OutputError, UsageError
from restora.evaluation.report import PLAIN_JPEG

__all__ = ["PictureFolders", "cross_check", "folder_names"]

TOOLBOX_METRICS = "lpips dists musiq maniqa clipiqa"
CLEAN = "clean"


class PictureFolders:
    """Writes pictures to their folders; a file that stood there is replaced whole or not at all."""

    def __init__(self, root: Path, test_set: str, methods: Sequence[str]) -> None:
        """Make the folder of the test set.

        Args:
            root: Where the folder of the test set goes.
            test_set: Its name.
            methods: What will be written, beside the plain JPEG.

        Raises:
            OutputError: The folder cannot be made.
        """
        self.folder = root / folder_name(test_set)
        self.names = folder_names((PLAIN_JPEG, *methods))
        self._make(self.folder)

    def put_clean(self, name: str, picture: NDArray[np.uint8]) -> None:
        """Write a clean picture, ``(H, W, 3)`` RGB.

        Raises:
            OutputError: The file cannot be written.
        """
        self._write(self.folder / CLEAN, name, picture)

    def put(self, name: str, method: str, quality: int, picture: NDArray[np.uint8]) -> None:
        """Write what a method made of a picture saved at a quality.

        Raises:
            OutputError: The file cannot be written.
        """
        self._write(self.folder / str(quality) / self.names[method], name, picture)

    def check(self, paths: Iterable[Path]) -> None:
        """Refuse pictures that would get one name.

        Raises:
            UsageError: Two differ only in their suffix.
        """
        counts = Counter(path.stem for path in paths)
        double = [name for name, count in counts.items() if count > 1]
        if double:
            raise UsageError(
                f"Pictures of one name cannot be saved side by side: {', '.join(double)}."
            )

    def _write(self, folder: Path, name: str, picture: NDArray[np.uint8]) -> None:
        self._make(folder)
        path = folder / f"{name}.png"
        draft = folder / f".{name}.{os.getpid()}.part"
        try:
            try:
                Image.fromarray(picture).save(draft, "PNG", compress_level=1)
                draft.replace(path)
            finally:
                draft.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(f"{path} cannot be written: {error.strerror or error}.") from error

    def _make(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            reason = error.strerror or str(error)
            raise OutputError(f"The folder {folder} cannot be made: {reason}.") from error


def folder_names(methods: Sequence[str]) -> dict[str, str]:
    """A folder's name for each method: short where that tells them apart.

    >>> list(folder_names(["JPEG", "Restora fbcnn, tool", "Restora sodiff, tool"]).values())
    ['jpeg', 'fbcnn', 'sodiff']
    >>> list(folder_names(["Restora dagn, tool", "Restora dagn, blind strength=50"]).values())
    ['dagn-tool', 'dagn-blind-strength=50']
    """
    models = {method: method.removeprefix("Restora ").partition(", ")[0] for method in methods}
    shared = Counter(folder_name(model) for model in models.values())
    found: dict[str, str] = {}
    for method, model in models.items():
        alone = shared[folder_name(model)] == 1
        name = folder_name(model if alone else method.removeprefix("Restora "))
        again = sum(re.sub(r"\+\d+$", "", taken) == name for taken in found.values())
        found[method] = f"{name}+{again + 1}" if again else name
    return found


def folder_name(text: str) -> str:
    """A text as the name of a folder on any system: lower case, no spaces, no separators.

    >>> folder_name("one, two/../three é")
    'one-two_.._three-é'
    """
    name = re.sub(r"[,\s]+", "-", text.strip().lower())
    name = re.sub(r"[^\w.=+-]", "_", name).strip("-")
    return f"_{name}" if name.strip(".") == "" else name


def cross_check(folder: Path) -> str:
    """The shell line that scores the saved pictures of a test set with pyiqa.

    Restora neither needs nor installs that toolbox; its licence is for non-commercial use.

    >>> cross_check(Path("out/live1"))
    'for m in out/live1/[0-9]*/*; do echo "$m"; pyiqa lpips dists musiq maniqa clipiqa -t "$m" \
-r out/live1/clean; done'
    """
    place = shlex.quote(folder.as_posix())
    return (
        f'for m in {place}/[0-9]*/*; do echo "$m"; '
        f'pyiqa {TOOLBOX_METRICS} -t "$m" -r {place}/{CLEAN}; done'
    )
