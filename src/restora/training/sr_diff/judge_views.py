"""What the judge learns from: photos with nothing, or with one task's damage, as it sees them.

A sample is a pure function of the seed and its number. "Nothing" covers all that a good photo may
be: resized, soft, with its background out of focus, a little noisy, dim or sharpened, and saved as
JPEG at any quality. Damage comes on top of the same variety.

Shapes: N samples; F numbers that the judge sees in each, see :meth:`Judge.look`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from restora.degradations.by_task import degrade
from restora.degradations.jpeg import compress
from restora.engine.judge import views
from restora.networks.sr_diff.judge import Judge
from restora.training.data import PhotoStore
from restora.training.sodiff.kept import room

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]

NOTHING_SHARE = 0.45
JPEG_SHARE = 0.65
QUALITIES = (10, 95)
HELD_OUT = 16  # one photo in so many teaches nothing
LEAST_PX, MOST_PX = 200, 640  # sides of a sample
SHRUNK_AFTER = 0.35  # strength from which motion blur is still seen when it is made smaller


@dataclass(frozen=True)
class JudgeViews:
    """Samples made ahead.

    Attributes:
        seen: (N, F).
        labels: (N,) 0 for nothing, else the number of the task from 1.
        learned: Numbers of those that are learned from.
        held_out: Numbers of those that tell how good it is; they are of other photos, unless there
            are too few.
    """

    seen: Floats
    labels: NDArray[np.int64]
    learned: NDArray[np.int64]
    held_out: NDArray[np.int64]


def read_judge_views(photos: PhotoStore, judge: Judge, *, count: int, seed: int) -> JudgeViews:
    """The samples of some photos, from where these keep what is made of them if they are there.

    Args:
        photos: Clean photos.
        judge: Who shall see them; what it has learned makes no difference.
        count: N.
        seed: Of all that is drawn.
    """
    tasks, side_px = judge.tasks, judge.config.side_px
    drawn = [_draw(photos, len(tasks), number, seed) for number in range(count)]
    labels = np.array([label for _, label in drawn])
    apart = np.array([_is_held_out(photos, photo) for photo, _ in drawn])
    learned, held_out = (np.flatnonzero(some if some.any() else ~some) for some in (~apart, apart))
    shape = (count, judge.numbers)
    path = None
    if photos.cache is not None and photos.key:
        made = f"{photos.key} {tasks} {side_px} {shape} {seed}"
        path = photos.cache / f"{hashlib.sha256(made.encode()).hexdigest()[:16]}-judge.bin"
    if path is None or not path.exists():
        with room(path, shape, np.float32) as seen:
            for number, (photo, label) in enumerate(drawn):
                task = None if label == 0 else tasks[label - 1]
                picture = make_sample(photos[photo], task, (seed, number, 1))
                seen[number] = look(judge, picture)
        if path is None:
            return JudgeViews(seen, labels, learned, held_out)
    kept = np.memmap(path, np.float32, "r", shape=shape)
    return JudgeViews(kept, labels, learned, held_out)


@torch.no_grad()
def look(judge: Judge, picture: Bytes) -> Floats:
    """What a judge on the CPU sees in a picture (H, W, 3), (F,)."""
    shown = views(picture.astype(np.float32) / np.float32(255), judge.config.side_px)
    found: Floats = judge.look(torch.from_numpy(shown))[0].numpy()
    return found


def make_sample(photo: Bytes, task: str | None, seed: Sequence[int]) -> Bytes:
    """A picture (H, W, 3) as it might be found, made of a clean photo (H, W, 3).

    Args:
        photo: At least 200 pixels wide and high if it is to be cut.
        task: Whose damage it gets; None: none.
        seed: The same gives the same picture.
    """
    rng = np.random.default_rng(seed)
    picture = _varied(_part(photo, rng), rng)
    if task is not None:
        degraded = degrade(picture, task, (*seed, 1))
        picture = degraded.pixels
        # Made small enough, a short blur is none.
        if rng.random() < 0.3 and (task != "deblur" or degraded.strength > SHRUNK_AFTER):
            picture = _resized(picture, rng.uniform(0.6, 1))
    if rng.random() < JPEG_SHARE:
        picture = compress(picture, int(rng.integers(QUALITIES[0], QUALITIES[1] + 1)))
    return picture


def _draw(photos: PhotoStore, tasks: int, number: int, seed: int) -> tuple[int, int]:
    """The photo and the label of a sample."""
    rng = np.random.default_rng((seed, number, 0))
    photo = int(rng.integers(len(photos)))
    nothing = rng.random() < NOTHING_SHARE
    return photo, 0 if nothing else 1 + int(rng.integers(tasks))


def _is_held_out(photos: PhotoStore, number: int) -> bool:
    """By the photo: tiles of one, named alike before their last ``_``, go together."""
    key = str(number)
    if photos.names:
        before, _, stem = Path(photos.names[number]).stem.rpartition("_")
        key = before or stem
    return int(hashlib.sha256(key.encode()).hexdigest()[:8], 16) % HELD_OUT == 0


def _part(photo: Bytes, rng: np.random.Generator) -> Bytes:
    """A part of a photo, resized: made larger it is soft, as large photos often are."""
    scale = float(rng.choice([rng.uniform(0.5, 1), 1.0, rng.uniform(1, 1.7)], p=[0.4, 0.35, 0.25]))
    sides = []
    for length in photo.shape[:2]:
        most = min(length, int(MOST_PX / scale))
        least = min(most, int(LEAST_PX / min(scale, 1)))
        sides.append(int(rng.integers(least, most + 1)))
    y, x = (int(rng.integers(a - b + 1)) for a, b in zip(photo.shape[:2], sides, strict=True))
    part = photo[y : y + sides[0], x : x + sides[1]]
    if rng.random() < 0.5:
        part = part[:, ::-1]
    return _resized(np.ascontiguousarray(part), scale)


def _resized(picture: Bytes, scale: float) -> Bytes:
    if scale == 1:
        return picture
    height, width = (max(1, round(scale * length)) for length in picture.shape[:2])
    image = Image.fromarray(picture)
    return np.asarray(image.resize((width, height), Image.Resampling.BICUBIC))


def _varied(picture: Bytes, rng: np.random.Generator) -> Bytes:
    """The same as another lens, camera or program might have left it."""
    image = Image.fromarray(picture)
    dice = rng.random(6)
    if dice[0] < 0.15:
        image = image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.4, 1.4))))
    elif dice[0] < 0.35:
        image = _background(image, rng)
    elif dice[0] < 0.5:
        percent = int(rng.integers(50, 200))
        image = image.filter(ImageFilter.UnsharpMask(float(rng.uniform(0.5, 2)), percent, 2))
    if dice[1] < 0.05:
        image = image.convert("L").convert("RGB")
    varied = np.asarray(image, np.float32) / np.float32(255)
    if dice[2] < 0.35:
        varied = varied ** np.float32(np.exp(rng.normal(0, 0.2)))  # lighter or dimmer
    if dice[3] < 0.3:
        middle, gain = varied.mean(), np.float32(rng.uniform(0.85, 1.15))
        varied = (varied - middle) * gain + middle
    if dice[4] < 0.2:
        varied = varied * rng.uniform(0.9, 1.1, 3).astype(np.float32)  # another white balance
    if dice[5] < 0.4:
        sigma = np.float32(rng.uniform(0, 6) / 255)
        varied = varied + sigma * rng.standard_normal(varied.shape, np.float32)
    return (varied * 255).round().clip(0, 255).astype(np.uint8)


def _background(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """All but one round place out of focus, as lenses do it on purpose."""
    blurred = image.filter(ImageFilter.GaussianBlur(float(rng.uniform(1.5, 6))))
    width, height = image.size
    y, x = np.mgrid[:height, :width].astype(np.float32)
    middle_y, middle_x = rng.uniform(0.25, 0.75, 2) * (height, width)
    radius = rng.uniform(0.2, 0.5) * min(width, height)
    distance = np.hypot(y - middle_y, x - middle_x) / radius
    sharp = np.clip(1.5 - distance, 0, 1)
    mask = Image.fromarray((sharp * 255).astype(np.uint8))
    return Image.composite(image, blurred, mask)
