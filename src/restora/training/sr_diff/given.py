"""Pairs that are given, in the published layout of folders, instead of made.

Shapes: N tokens of F numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from restora.errors import InputError, UsageError
from restora.networks.sr_diff.tasks import FOLDERS, TASKS, Task
from restora.training.data import PhotoStore
from restora.training.sodiff.kept import room
from restora.training.sr_diff.layout import SPLITS, Features, Layout, Split, read_features
from restora.training.sr_diff.make_features import ENCODER_NAME, read_record
from restora.training.sr_diff.sources import Bytes, Tokens
from restora.training.sr_diff.store import TokenMaker, place_of, set_aside
from restora.weights.cards import IMAGE_ENCODER

SPLIT: Split = "train"


@dataclass(frozen=True)
class _Given:
    """A pair: its name, its task, and the numbers of its pictures in their store."""

    stem: str
    task: Task
    clean: int
    degraded: int


class GivenPairs:
    """Pairs of the layout's ``train``; see :class:`restora.training.sr_diff.sources.PairSource`.

    Every pair is a photo with one task and one copy. What an image encoder says is read from LQCLS
    and GTCLS where it is there, and made otherwise. RestoreCLS is not used: the refiner is part of
    the network, which makes what those files would hold.
    """

    variants = 1

    def __init__(
        self,
        photos: PhotoStore,
        layout: Layout,
        *,
        tasks: Sequence[Task],
        make_tokens: TokenMaker,
        holdout: float = 0.0,
    ) -> None:
        """
        Args:
            photos: All pictures of the layout, by name.
            layout: Where they lie; see :func:`find_layout`.
            tasks: Of the network.
            make_tokens: What says what they show.
            holdout: Share of the photos for :meth:`held_out`.

        Raises:
            InputError: Pictures do not pair up, or two of a pair differ in size.
            UsageError: A task has no pairs.
        """
        self.tasks = tuple(tasks)
        self._photos, self._layout, self._make_tokens = photos, layout, make_tokens
        there = [task for split, task in layout.sections() if split == SPLIT]
        lacking = [task for task in self.tasks if task not in there]
        if lacking:
            raise UsageError(
                f"{layout.root}: holds no pairs for {', '.join(lacking)}, which network.tasks asks "
                f"for; they would be in {layout.folder(SPLIT, lacking[0], 'LQ')} and beside it."
            )
        self._pairs: list[_Given] = []
        self._numbers: dict[Task, range] = {}
        places = {Path(name).absolute(): number for number, name in enumerate(photos.names)}
        for task in self.tasks:
            first = len(self._pairs)
            for pair in layout.pairs(SPLIT, task):
                clean, degraded = (_find(places, path) for path in (pair.clean, pair.degraded))
                if photos[clean].shape != photos[degraded].shape:
                    raise InputError(f"{pair.degraded}: is of another size than {pair.clean}.")
                self._pairs.append(_Given(pair.stem, task, clean, degraded))
            self._numbers[task] = range(first, len(self._pairs))
        self._aside = set_aside([pair.stem for pair in self._pairs], holdout)
        self._tokens: dict[tuple[Task, Features], Tokens] = {}

    @property
    def encoders(self) -> dict[str, str]:
        """Fingerprint of the image encoder, by its role.

        Raises:
            UsageError: There are features of another one.
        """
        return {IMAGE_ENCODER: self._fingerprint}

    def __len__(self) -> int:
        return len(self._pairs)

    def numbers(self, task: Task) -> Sequence[int]:
        return self._numbers[task]

    def clean(self, number: int) -> Bytes:
        return self._photos[self._pairs[number].clean]

    def degraded(self, number: int, task: Task, variant: int = 0) -> Bytes:  # noqa: ARG002
        return self._photos[self._of(number, task).degraded]

    def strength(self, number: int, task: Task, variant: int = 0) -> float:  # noqa: ARG002
        """Not known: NaN."""
        return float("nan")

    def clean_tokens(self, number: int) -> Tokens:
        return self._tokens_of(number, self._pairs[number].task, "GTCLS")

    def tokens(self, number: int, task: Task, variant: int = 0) -> Tokens:  # noqa: ARG002
        return self._tokens_of(number, self._of(number, task).task, "LQCLS")

    def held_out(self, number: int) -> bool:
        return self._aside[number]

    def _of(self, number: int, task: Task) -> _Given:
        pair = self._pairs[number]
        if pair.task != task:
            raise KeyError(f"pair {number} is for {pair.task}, not {task}")
        return pair

    def _tokens_of(self, number: int, task: Task, part: Features) -> Tokens:
        if (task, part) not in self._tokens:
            self._tokens[task, part] = self._all_tokens(task, part)
        row: Tokens = self._tokens[task, part][number - self._numbers[task].start]
        return row

    def _all_tokens(self, task: Task, part: Features) -> Tokens:
        make, pairs = self._make_tokens, [self._pairs[n] for n in self._numbers[task]]
        shape = (len(pairs), make.count, make.dim)
        told = f"given {task} {part} {self._fingerprint} {shape}"
        path = place_of(self._photos, told, "tokens")
        if path is None or not path.exists():
            with room(path, shape, np.float16) as tokens:
                for row, pair in enumerate(pairs):
                    file = self._layout.features_path(SPLIT, task, part, pair.stem)
                    if file.exists():
                        tokens[row] = self._shaped(read_features(file), file)
                    else:
                        place = pair.clean if part == "GTCLS" else pair.degraded
                        tokens[row] = make(self._photos[place])
            if path is None:
                return tokens
        return np.memmap(path, np.float16, "r", shape=shape)

    def _shaped(self, tokens: NDArray[np.float32], file: Path) -> NDArray[np.float32]:
        """(N, F); of more tokens than are asked for the first, which stands for the picture."""
        count, dim = self._make_tokens.count, self._make_tokens.dim
        if tokens.shape[1] != dim or (count != 1 and len(tokens) != count):
            raise UsageError(
                f"{file}: holds {len(tokens)} tokens of {tokens.shape[1]} numbers; the recipe's "
                f"network.tokens and network.token_dim ask for {count} of {dim}."
            )
        return tokens[:count]

    @cached_property
    def _fingerprint(self) -> str:
        """That of the encoder, which must be the one whose features are there."""
        wanted, root = self._make_tokens.load().fingerprint(), self._layout.root
        parts: tuple[Features, ...] = ("LQCLS", "GTCLS")
        if any(
            next(self._layout.folder(SPLIT, task, part).glob("*.pt"), None) is not None
            for task in self.tasks
            for part in parts
        ):
            record = read_record(root / ENCODER_NAME)
            if record is None or record.fingerprint != wanted:
                whose = "an unknown encoder" if record is None else record.fingerprint
                raise UsageError(
                    f"{root}: holds features of {whose}, not of {wanted}, which network.encoder "
                    f"says; `restora data features {root} --encoder {self._make_tokens.encoder} "
                    "--force` makes them anew."
                )
        return wanted


def find_layout(photos: PhotoStore) -> Layout | None:
    """The layout whose pictures these are, if they are of one.

    Raises:
        UsageError: They are of several.
    """
    kinds = {FOLDERS[task] for task in TASKS}
    roots = set()
    for path in (Path(name).absolute() for name in photos.names):
        if len(path.parents) < 4:
            continue
        part, kind, split, root = path.parents[:4]
        if part.name == "LQ" and kind.name in kinds and split.name in SPLITS:
            roots.add(root)
    if len(roots) > 1:
        names = ", ".join(str(root) for root in sorted(roots))
        raise UsageError(f"These photos are of several folders of pairs; take one: {names}.")
    return Layout(roots.pop()) if roots else None


def _find(places: dict[Path, int], path: Path) -> int:
    if path not in places:
        raise InputError(f"{path}: pictures of this kind are not trained on; save it as PNG.")
    return places[path]
