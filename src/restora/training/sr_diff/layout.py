"""The folders of SR-Diff's data, as its authors lay them out.

``ROOT/SPLIT/KIND/PART``: a split is ``train`` or ``val``; a kind of damage is ``hazy``,
``low-light``, ``rainy`` or ``motion-blurry``; the parts of each are

* ``LQ`` and ``GT``: degraded and clean pictures of the same names;
* ``LQCLS``, ``GTCLS`` and ``RestoreCLS``: what an image encoder says about the degraded picture,
  about the clean one, and about the degraded one after refinement, as ``<stem>.pt``: a tensor
  (T, D), published (1, 768). GTCLS is what the refiner learns from.

Source: SR-Diff, its README and its scripts for training. Reading and writing features needs
PyTorch; the rest does not.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from restora._optional import require
from restora.errors import InputError, WeightsError
from restora.images.atomic import write_atomically
from restora.images.pairs import Pair, pair_by_stem, pictures_by_stem
from restora.networks.sr_diff.tasks import FOLDERS, TASKS, Task

__all__ = [
    "FEATURES",
    "SPLITS",
    "Features",
    "Layout",
    "Pictures",
    "Split",
    "read_features",
    "write_features",
]

Split = Literal["train", "val"]
Pictures = Literal["LQ", "GT"]
Features = Literal["LQCLS", "GTCLS", "RestoreCLS"]

SPLITS: tuple[Split, ...] = get_args(Split)
FEATURES: tuple[Features, ...] = get_args(Features)


@dataclass(frozen=True)
class Layout:
    """Where everything lies under one folder; nothing need be there yet.

    Attributes:
        root: The folder that holds ``train`` and ``val``.
    """

    root: Path

    def folder(self, split: Split, task: Task, part: Pictures | Features | None = None) -> Path:
        """A part's folder, or the one that holds all parts of a task."""
        place = self.root / split / FOLDERS[task]
        return place if part is None else place / part

    def sections(self) -> list[tuple[Split, Task]]:
        """Splits and tasks that have degraded pictures, in order.

        Raises:
            InputError: There are none: the folder is no such layout.
        """
        found = [
            (split, task)
            for split in SPLITS
            for task in TASKS
            if self.folder(split, task, "LQ").is_dir()
        ]
        if not found:
            kinds = ",".join(FOLDERS[task] for task in TASKS)
            raise InputError(
                f"{self.root}: no folder of SR-Diff's data, which has pictures in "
                f"{{{','.join(SPLITS)}}}/{{{kinds}}}/{{LQ,GT}}."
            )
        return found

    def pictures(self, split: Split, task: Task, part: Pictures) -> dict[str, Path]:
        """The pictures of a part by stem, in order.

        Raises:
            InputError: There are none, or two of one stem.
        """
        return pictures_by_stem(self.folder(split, task, part))

    def pairs(
        self, split: Split, task: Task, *, key: Callable[[str], str] | None = None
    ) -> list[Pair]:
        """Degraded and clean pictures; see :func:`restora.images.pairs.pair_by_stem`.

        Raises:
            InputError: They do not pair up.
        """
        folders = (self.folder(split, task, part) for part in get_args(Pictures))
        return pair_by_stem(*folders, key=key)

    def features_path(self, split: Split, task: Task, part: Features, stem: str) -> Path:
        """The file with the features of a picture."""
        return self.folder(split, task, part) / f"{stem}.pt"

    def features(self, split: Split, task: Task, part: Features, stem: str) -> NDArray[np.float32]:
        """What the encoder said about a picture, (T, D).

        Raises:
            InputError: They are missing, damaged or no features.
            MissingExtra: PyTorch is not installed.
        """
        path = self.features_path(split, task, part, stem)
        if not path.exists():
            raise InputError(
                f"{path}: these features are missing; "
                f"`restora data features {self.root}` makes what is."
            )
        return read_features(path)


def read_features(path: Path) -> NDArray[np.float32]:
    """The one tensor of a file of PyTorch, (T, D). No code in the file is ever run.

    Raises:
        InputError: The file cannot be read, or holds something else.
        MissingExtra: PyTorch is not installed.
    """
    torch = require("torch", extra="train")
    try:
        tensor = require("restora.networks.plain_values", extra="train").read_plain(
            path,
            foreign="this is no file of features: it is none of PyTorch's, or holds more than a "
            "tensor",
            damaged="this file of features is damaged",
        )
    except WeightsError as error:  # they are inputs here
        raise InputError(str(error)) from error
    if not isinstance(tensor, torch.Tensor):
        raise InputError(f"{path}: features are one tensor, not a {type(tensor).__name__}.")
    if tensor.ndim != 2 or not tensor.numel() or not tensor.is_floating_point():
        raise InputError(
            f"{path}: features are numbers of the shape (T, D), not {tensor.dtype} of the shape "
            f"{tuple(tensor.shape)}."
        )
    if not tensor.isfinite().all():
        raise InputError(f"{path}: some of these features are not finite; make them anew.")
    made: NDArray[np.float32] = tensor.detach().float().numpy()
    return made


def write_features(path: Path, tokens: NDArray[np.float32]) -> None:
    """Write (T, D) as a plain tensor, all or nothing; its folder must be there.

    Raises:
        OutputError: The file cannot be written.
        MissingExtra: PyTorch is not installed.
    """
    torch = require("torch", extra="train")
    buffer = io.BytesIO()
    # A copy, so that a view of a larger array does not bring all of it along.
    torch.save(torch.from_numpy(tokens.astype(np.float32, copy=True)), buffer)
    write_atomically(path, buffer.getvalue())
