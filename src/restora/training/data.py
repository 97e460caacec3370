"""Photos decoded once, and training pairs cut from them.

The pairs of step ``k`` are a pure function of the seed and ``k``: resuming needs no state.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from restora.degradations.jpeg import JpegBatch, compress
from restora.errors import InputError
from restora.images import bt601_luma, jfif_luma
from restora.images.atomic import write_atomically
from restora.training.sections import DataRecipe

PHOTO_SUFFIXES = {".avif", ".bmp", ".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp"}
BENCHMARK_QUALITIES = (10, 20, 30, 40, 50, 60)
CLEAN_QUALITY = 100  # the label of a pair that was never compressed
SMALLEST_SCALE = 0.5  # of a picture made smaller between two saves
CROP_MARGIN_PX = 16  # 8 for the shift between two saves, 8 for the shift after the last


class PhotoStore:
    """A folder of photos as one memory-mapped array of bytes, decoded the first time only.

    Attributes:
        key: Tells the folder from another, by the names and sizes of its files.
        cache: Where what is made of the photos may be kept, under the key; None keeps nothing.
        names: Of the files, in order; empty if they came from none.
    """

    def __init__(
        self,
        data: NDArray[np.uint8],
        index: list[tuple[int, int, int]],
        key: str = "",
        cache: Path | None = None,
        names: tuple[str, ...] = (),
    ) -> None:
        self.key = key
        self.names = names
        self.cache = cache
        self._data = data
        self._index = index  # (offset in bytes, height, width)

    def __len__(self) -> int:
        return len(self._index)

    def __getitem__(self, number: int) -> NDArray[np.uint8]:
        """Photo ``number`` as (H, W, 3) RGB."""
        offset, height, width = self._index[number]
        flat = self._data[offset : offset + height * width * 3]
        return flat.reshape(height, width, 3)

    @property
    def size_bytes(self) -> int:
        """Of all photos."""
        return int(self._data.size)

    def like(self, data: NDArray[np.uint8]) -> PhotoStore:
        """Other pictures of the same sizes in the same order; ``data`` is flat."""
        return PhotoStore(data, self._index)

    @classmethod
    def open(cls, photos: Path, *, cache: Path) -> PhotoStore:
        """Open a folder, decoding it into ``cache`` unless that was done before.

        Raises:
            InputError: The folder holds no photos.
        """
        files = photo_files(photos, deep=True)
        if not files:
            raise InputError(f"{photos}: no photos found (looked for {', '.join(PHOTO_SUFFIXES)}).")
        # Names and sizes tell a changed folder; hashing contents would cost as much as decoding.
        listing = "\n".join(f"{p.relative_to(photos)} {p.stat().st_size}" for p in files)
        key = hashlib.sha256(listing.encode()).hexdigest()[:16]
        cache.mkdir(parents=True, exist_ok=True)
        data_path, index_path = cache / f"{key}.bin", cache / f"{key}.json"
        if not index_path.exists():  # written last, so its presence means all is there
            index, offset = [], 0
            with data_path.open("wb") as out:
                for file in files:
                    pixels = read_photo(file)
                    out.write(pixels.tobytes())
                    index.append((offset, pixels.shape[0], pixels.shape[1]))
                    offset += pixels.size
            write_atomically(index_path, json.dumps(index).encode())
        index = [tuple(entry) for entry in json.loads(index_path.read_text())]
        names = tuple(str(file) for file in files)
        return cls(np.memmap(data_path, np.uint8, "r"), index, key, cache, names)


@dataclass(frozen=True)
class Batch:
    """One step's pairs.

    Attributes:
        clean: (B, C, H, W) float32 in 0-1.
        degraded: The same, compressed.
        quality: (B,) float32, 1-100; 100 means never compressed, NaN that no one number says
            how it was (saved, resized and saved again).
        teach: (B,) bool, where the controller shall get the true quality.
        dice: (B,) float32, 0-1 at random, for what else a task leaves to chance.
        photo: (B,) int64, the number of the photo each was cut from.
    """

    clean: Tensor
    degraded: Tensor
    quality: Tensor
    teach: Tensor
    dice: Tensor
    photo: Tensor


class JpegPairs:
    """Clean and compressed patches. Source: FBCNN, section 4 and its released data sets."""

    def __init__(
        self, photos: PhotoStore, recipe: DataRecipe, *, channels: int, seed: int, teacher: float
    ) -> None:
        self._photos = photos
        self._recipe = recipe
        self._channels = channels
        self._seed = seed
        self._teacher = teacher
        self._tensor_jpeg = JpegBatch()
        least_px = recipe.patch_px + CROP_MARGIN_PX
        self._sides = np.array([min(photos[n].shape[:2]) for n in range(len(photos))])
        self._usable = np.flatnonzero(self._sides >= least_px)
        if not len(self._usable):
            raise InputError(f"no photo is at least {least_px} pixels wide and high.")

    def batch(self, step: int, *, device: str = "cpu") -> Batch:
        """The pairs of optimiser step ``step``."""
        recipe = self._recipe
        rng = np.random.default_rng((self._seed, step))
        count, side = recipe.batch, recipe.patch_px
        numbers, cut = zip(*(self._crop(rng) for _ in range(count)), strict=True)
        photo, crops = np.array(numbers), np.stack(cut)  # crops are (B, P+16, P+16, C)
        last = np.array([self._quality(rng) for _ in range(count)])
        first = np.array([self._quality(rng) for _ in range(count)])
        double = (rng.random(count) < recipe.double_share) & (last != CLEAN_QUALITY)
        first[~double] = CLEAN_QUALITY
        shifts = [(0, 0) if not d else tuple(rng.integers(8, size=2)) for d in double]
        windows = [self._window(rng) for _ in range(count)]
        teach = rng.random(count) < self._teacher
        # Of two saves the harsher one dominates what is seen. Source: FBCNN, section 3.4.
        label = np.minimum(first, last).astype(np.float32)
        rescaled = double & (rng.random(count) < recipe.rescaled_share)
        between = {n: self._rescaled(rng, int(first[n])) for n in np.flatnonzero(rescaled)}
        first[rescaled], label[rescaled] = CLEAN_QUALITY, np.nan

        # libjpeg works on the CPU, the tensor JPEG where the network is; bytes travel, not floats.
        place = device if recipe.codec == "tensor" else "cpu"
        for n, (number, small, _) in between.items():
            photo[n], crops[n] = number, small
        clean = torch.from_numpy(crops).to(place).permute(0, 3, 1, 2)
        degraded = self._save(clean, first)
        for n, (_, _, saved) in between.items():
            degraded[n] = torch.from_numpy(saved).to(place).permute(2, 0, 1)
        clean, degraded = _cut(clean, shifts, side + 8), _cut(degraded, shifts, side + 8)
        degraded = self._save(degraded, last)
        return Batch(
            clean=to_unit(_cut(clean, windows, side).to(device)),
            degraded=to_unit(_cut(degraded, windows, side).to(device)),
            quality=torch.from_numpy(label).to(device),
            teach=torch.from_numpy(teach).to(device),
            dice=torch.from_numpy(rng.random(count, np.float32)).to(device),
            photo=torch.from_numpy(photo).to(device),
        )

    def _save(self, pixels: Tensor, quality: NDArray[np.int64]) -> Tensor:
        """Compress (B, C, H, W) bytes, each at its quality; 100 stands for not at all."""
        touched = np.flatnonzero(quality != CLEAN_QUALITY)
        out = pixels.clone()
        if not len(touched):
            return out
        if self._recipe.codec == "tensor":
            jpeg = self._tensor_jpeg.to(pixels.device)
            qualities = torch.from_numpy(quality[touched]).to(pixels.device)
            out[touched] = jpeg(pixels[touched], qualities).to(torch.uint8)
            return out
        for number in touched:
            plain = pixels[number].permute(1, 2, 0).contiguous().numpy()  # (H, W, C)
            plain = plain[..., 0] if self._channels == 1 else plain
            saved = compress(plain, int(quality[number])).reshape(*plain.shape[:2], -1)
            out[number] = torch.from_numpy(saved.copy()).permute(2, 0, 1)
        return out

    def _rescaled(
        self, rng: np.random.Generator, quality: int
    ) -> tuple[int, NDArray[np.uint8], NDArray[np.uint8]]:
        """A photo's number, a clean crop of it made smaller, and the same saved as JPEG before.

        Both are (P+16, P+16, C).

        What happens when a downloaded picture is made to fit and saved again.
        """
        side = self._recipe.patch_px + CROP_MARGIN_PX
        large_px = round(side / rng.uniform(SMALLEST_SCALE, 1))
        number, large = self._crop(rng, min(large_px, int(self._sides.max())))
        plain = large[..., 0] if self._channels == 1 else large
        saved = compress(plain, quality)
        small = [
            np.asarray(Image.fromarray(p).resize((side, side), Image.Resampling.BICUBIC))
            for p in (plain, saved)
        ]
        clean, degraded = (p.reshape(side, side, -1).copy() for p in small)
        return number, clean, degraded

    def _crop(
        self, rng: np.random.Generator, side: int | None = None
    ) -> tuple[int, NDArray[np.uint8]]:
        """A photo's number and a clean square of it, turned and mirrored at random.

        ``side`` None leaves room for both shifts.
        """
        least = self._recipe.patch_px + CROP_MARGIN_PX
        side = side or least
        usable = np.flatnonzero(self._sides >= side) if side > least else self._usable
        number = int(usable[rng.integers(len(usable))])
        photo = self._photos[number]
        y = rng.integers(photo.shape[0] - side + 1)
        x = rng.integers(photo.shape[1] - side + 1)
        crop = np.rot90(photo[y : y + side, x : x + side], int(rng.integers(4)))
        if rng.random() < 0.5:
            crop = crop[:, ::-1]
        if self._channels == 1:
            full_range = rng.random() < self._recipe.full_range_share
            return number, np.ascontiguousarray(_luma(crop, full_range=full_range)[..., None])
        if rng.random() < self._recipe.neutral_share:
            crop = np.repeat(_luma(crop, full_range=True)[..., None], 3, axis=-1)
        return number, np.ascontiguousarray(crop)

    def _quality(self, rng: np.random.Generator) -> int:
        recipe = self._recipe
        if rng.random() < recipe.clean_share:
            return CLEAN_QUALITY
        if rng.random() < recipe.benchmark_share:
            return int(rng.choice(BENCHMARK_QUALITIES))
        if recipe.low_share and rng.random() < recipe.low_share:
            low, high = recipe.quality_min, recipe.quality_max + 1
            return int(np.exp(rng.uniform(np.log(low), np.log(high))))
        return int(rng.integers(recipe.quality_min, recipe.quality_max + 1))

    def _window(self, rng: np.random.Generator) -> tuple[int, int]:
        """Where the patch lies in the compressed crop: on the block grid, or anywhere."""
        if rng.random() < self._recipe.shifted_share:
            return int(rng.integers(9)), int(rng.integers(9))
        return 0, 0


def validation_pictures(
    folder: Path, *, channels: int, side_px: int = 256
) -> Iterator[NDArray[np.uint8]]:
    """The centre of every picture of a folder, gray BT.601 luma (h, w) or (h, w, 3).

    Sides are ``side_px``, or the largest multiple of 16 in a smaller picture.

    Raises:
        InputError: A picture cannot be read, or a side is under 16 pixels.
    """
    for file in photo_files(folder):
        pixels = read_photo(file)
        height, width = (min(side_px, length // 16 * 16) for length in pixels.shape[:2])
        if not (height and width):
            raise InputError(
                f"{file}: {pixels.shape[1]}×{pixels.shape[0]} pixels are too few to validate on; "
                "both sides are 16 or more."
            )
        y, x = (
            (length - side) // 16 * 8
            for length, side in zip(pixels.shape[:2], (height, width), strict=True)
        )
        pixels = pixels[y : y + height, x : x + width]
        yield _luma(pixels, full_range=False) if channels == 1 else pixels


def photo_files(folder: Path, *, deep: bool = False) -> list[Path]:
    """The photos of a folder in order; ``deep``: those of folders in it too."""
    found = folder.rglob("*") if deep else folder.iterdir()
    return sorted(path for path in found if path.suffix.lower() in PHOTO_SUFFIXES)


def read_photo(file: Path) -> NDArray[np.uint8]:
    """A photo as (H, W, 3) bytes.

    Raises:
        InputError: It cannot be read; the message names it.
    """
    try:
        with Image.open(file) as image:
            return np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError) as error:  # what Pillow's readers raise
        raise InputError(f"{file}: this photo cannot be read ({error}).") from error


def _cut(pixels: Tensor, corners: Sequence[tuple[int, int]], side_px: int) -> Tensor:
    """One square window out of each picture of (B, C, H, W)."""
    windows = [
        p[:, y : y + side_px, x : x + side_px] for p, (y, x) in zip(pixels, corners, strict=True)
    ]
    return torch.stack(windows)


def to_unit(pixels: Tensor) -> Tensor:
    """Bytes to float32 in 0-1, laid out as convolutions like it."""
    return pixels.float().div(255).contiguous(memory_format=torch.channels_last)


def cut_alike(
    rng: np.random.Generator, pictures: Sequence[NDArray[np.uint8]], side_px: int
) -> list[NDArray[np.uint8]]:
    """The same square of pictures (H, W, C) of one size, turned and mirrored alike, at random."""
    y, x = (int(rng.integers(length - side_px + 1)) for length in pictures[0].shape[:2])
    turns, mirrored = int(rng.integers(4)), rng.random() < 0.5
    turned = [np.rot90(p[y : y + side_px, x : x + side_px], turns) for p in pictures]
    return [p[:, ::-1] if mirrored else p for p in turned]


def planes_of(pixels: NDArray[np.uint8], device: str) -> Tensor:
    """(B, P, P, 3) bytes to (B, 3, P, P), 0-1."""
    there = torch.from_numpy(np.ascontiguousarray(pixels)).to(device)
    return to_unit(there.permute(0, 3, 1, 2))


def _luma(pixels: NDArray[np.uint8], *, full_range: bool) -> NDArray[np.uint8]:
    """RGB (H, W, 3) to luma: JFIF's 0-255, or BT.601 studio range 16-235 as test sets use."""
    luma = (jfif_luma if full_range else bt601_luma)(pixels.astype(np.float64))
    return np.rint(luma).astype(np.uint8)
