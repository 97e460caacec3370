"""Pairs that are given, in the published layout of folders, instead of made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from restora.degradations.by_task import REAL
from restora.errors import InputError, UsageError
from restora.images.enlarge import enlarge_bytes
from restora.images.pairs import factor_of
from restora.training.data import PHOTO_SUFFIXES, PhotoStore, read_photo
from restora.training.sodiff.kept import room
from restora.training.sr_diff.sources import Bytes
from restora.training.sr_diff.store import PairStore, TokenMaker, place_of
from restora.training.ssp_ir.layout import CAPTIONS, DEGRADED, RealLayout
from restora.training.ssp_ir.recipe import SSPIRRecipe

FROM_FILES = "file"  # sspir.captioner: the texts of the layout


class GivenPairs(PairStore):
    """Pairs of the layout, numbered by the names of their pictures, in one copy each.

    How the folders list them has no say. Image tokens are those of the degraded picture at the
    size of its clean one, which is what the network gets.
    """

    def __init__(self, photos: PhotoStore, layout: RealLayout, *, make_tokens: TokenMaker) -> None:
        """Enlarge what is smaller, once; it is kept where the photos keep what is made of them.

        Args:
            photos: All pictures of the layout, by name; others among them do not count.
            layout: Where they lie; see :func:`find_layout`.
            make_tokens: What says what they show.

        Raises:
            InputError: Pictures do not pair up, or the sizes of two do not.
        """
        places = {Path(name).absolute(): number for number, name in enumerate(photos.names)}
        self.layout = layout
        self.pairs = layout.pairs()
        clean, degraded = (
            [_find(places, path, layout) for path in paths]
            for paths in zip(*((pair.clean, pair.degraded) for pair in self.pairs), strict=True)
        )
        self.photos: PhotoStore = _Chosen(photos, clean, "given clean")
        # None is made there: the copies are those below, and how strong they are is not known.
        super().__init__(self.photos, tasks=(REAL,), variants=0, make_tokens=make_tokens)
        unknown = np.full(len(clean), np.nan, np.float32)
        self.variants = 1
        self._copies[REAL, 0] = self._at_size(_Chosen(photos, degraded, "given degraded")), unknown

    def _at_size(self, degraded: PhotoStore) -> PhotoStore:
        """The degraded pictures, each as large as its clean one."""
        clean = self.photos
        factors = [
            factor_of(clean[number].shape, degraded[number].shape, pair)
            for number, pair in enumerate(self.pairs)
        ]
        if max(factors) == 1:
            return degraded
        path = place_of(clean, "enlarged", "degraded")
        if path is None or not path.exists():
            with room(path, (clean.size_bytes,), np.uint8) as data:
                made = clean.like(data)
                for number, factor in enumerate(factors):
                    made[number][:] = enlarge_bytes(degraded[number], factor)
            if path is None:
                return made
        return clean.like(np.memmap(path, np.uint8, "r"))


class _Chosen(PhotoStore):
    """Some photos of another store, by their numbers there; nothing is copied."""

    def __init__(self, photos: PhotoStore, numbers: Sequence[int], what: str) -> None:
        shapes = [photos[number].shape for number in numbers]
        starts = np.cumsum([0, *(height * width * 3 for height, width, _ in shapes)]).tolist()
        super().__init__(
            np.empty(0, np.uint8),
            [(start, *shape[:2]) for start, shape in zip(starts[:-1], shapes, strict=True)],
            f"{photos.key} {what}" if photos.key else "",
            photos.cache,
            tuple(photos.names[number] for number in numbers),
        )
        self._photos, self._numbers, self._size_bytes = photos, list(numbers), int(starts[-1])

    def __getitem__(self, number: int) -> Bytes:
        return self._photos[self._numbers[number]]

    @property
    def size_bytes(self) -> int:
        return self._size_bytes


def find_layout(photos: PhotoStore) -> RealLayout | None:
    """The layout whose pictures these are, if they are of one.

    Raises:
        UsageError: They are of several.
    """
    files = (Path(name).absolute() for name in photos.names)
    roots = {path.parents[1] for path in files if path.parent.name == DEGRADED}
    if len(roots) > 1:
        names = ", ".join(str(root) for root in sorted(roots))
        raise UsageError(f"These photos are of several folders of pairs; take one: {names}.")
    return RealLayout(roots.pop()) if roots else None


def captioner_of(recipe: SSPIRRecipe, layout: RealLayout) -> str:
    """Who describes the clean pictures of pairs: texts that lie there, or a captioner.

    Texts count where the recipe asks for them with ``file``, and where it says nothing of
    ``sspir.captioner``: who wrote captions for pairs wants them read.

    Raises:
        InputError: Some are missing.
        UsageError: The recipe asks for them, and there are none.
    """
    name, folder = recipe.sspir.captioner, layout.captions()
    if name == FROM_FILES and folder is None:
        raise UsageError(
            f"{layout.root}: sspir.captioner asks for captions from files, and there are none; "
            f"they would be in {layout.root / CAPTIONS[0]}."
        )
    asked = "captioner" in recipe.sspir.model_fields_set
    if folder is None or (asked and name != FROM_FILES):
        return name
    layout.check_captions()
    return f"{FROM_FILES}:{folder}"


def note_of(recipe: SSPIRRecipe, photos: PhotoStore) -> str | None:
    """A sentence about the pairs that are given and their captions; None: these are photos.

    Raises:
        InputError: They do not pair up, or captions are missing.
        UsageError: They are of several folders, or captions are asked for and there are none.
    """
    layout = find_layout(photos)
    if layout is None:
        return None
    count = len(layout.pairs())
    told = f"{layout.root}: {count} given {'pair' if count == 1 else 'pairs'}"
    if recipe.sspir.stage == "restore" and recipe.network.text:
        told += f", captions by {captioner_of(recipe, layout)}"
    return f"{told}."


def read_pairs(layout: RealLayout) -> Iterator[tuple[Bytes, Bytes]]:
    """Clean and degraded pictures (H, W, 3), the second enlarged where it is smaller.

    Raises:
        InputError: They cannot be read, do not pair up, or their sizes do not.
    """
    for pair in layout.pairs():
        clean, degraded = read_photo(pair.clean), read_photo(pair.degraded)
        yield clean, enlarge_bytes(degraded, factor_of(clean.shape, degraded.shape, pair))


def _find(places: dict[Path, int], path: Path, layout: RealLayout) -> int:
    number = places.get(path.absolute())
    if number is not None:
        return number
    if path.suffix.lower() not in PHOTO_SUFFIXES:
        raise InputError(f"{path}: pictures of this kind are not trained on; save it as PNG.")
    raise InputError(f"{path} is not among the photos; take {layout.root} for them.")
