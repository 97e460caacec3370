"""Two checks that every restorer owes its users: clean pictures stay, and tiles leave no trace.

Neither is in the tables of the literature. A network that improves bad files may still blur good
ones, and a picture cut into tiles may come back different from the same picture in one piece.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from restora.engine.plan import Wishes
from restora.engine.restorer import Restorer
from restora.engine.tiles import GRID_PX
from restora.errors import InputError, UsageError
from restora.evaluation.metrics import psnr, studio_luma
from restora.evaluation.protocols import encode
from restora.weights.registry import DEFAULT_MODEL

__all__ = [
    "CleanReport",
    "CleanRow",
    "TileReport",
    "TileRow",
    "clean_markdown",
    "find_pictures",
    "load_rgb",
    "measure_clean",
    "measure_tiles",
    "tiles_markdown",
]

TILE_SIZES_PX = (128, 192, 256, 512)

Kind = Literal["gray", "color"]
KINDS: tuple[Kind, ...] = ("gray", "color")

_LOSSLESS = frozenset({".png", ".webp", ".bmp", ".tif", ".tiff", ".pgm", ".ppm"})

Restore = Callable[[bytes], NDArray[np.uint8]]
"""A picture file in, its restored pixels out: ``(H, W)`` gray or ``(H, W, 3)`` RGB, 0-255."""

Progress = Callable[[int, int], None]
"""Called with how many pictures are done and how many there will be."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


class CleanRow(_Record):
    """A clean picture and what a restorer made of it: PSNR in dB, infinite if nothing changed."""

    picture: str
    psnr: float


class CleanReport(_Record):
    """What :func:`measure_clean` found."""

    rows: tuple[CleanRow, ...]

    @property
    def mean(self) -> float:
        """Mean PSNR in dB of the pictures that changed; infinite if none did."""
        finite = [row.psnr for row in self.rows if math.isfinite(row.psnr)]
        return sum(finite) / len(finite) if finite else math.inf

    @property
    def worst(self) -> CleanRow:
        """The picture that changed most."""
        return min(self.rows, key=lambda row: row.psnr)

    @property
    def unchanged(self) -> int:
        """How many pictures came back as they were."""
        return sum(math.isinf(row.psnr) for row in self.rows)


class TileRow(_Record):
    """Tiled output against the output of the whole picture in one piece, in levels of 1/255."""

    kind: Kind
    tile_px: int
    largest: float = Field(description="the largest difference of any sample of any picture")
    mean: float = Field(description="the mean over all samples of all pictures")
    n: int = Field(description="pictures that this tile size cuts")


class TileReport(_Record):
    """What :func:`measure_tiles` found."""

    model: str
    quality: int
    rows: tuple[TileRow, ...]


class _Apart:
    """Differences seen so far, 0-1; pictures are not kept."""

    def __init__(self) -> None:
        self.largest, self.total, self.samples, self.pictures = 0.0, 0.0, 0, 0

    def add(self, tiled: NDArray[np.float32], whole: NDArray[np.float32]) -> None:
        apart = np.abs(tiled - whole)
        self.largest = max(self.largest, float(apart.max()))
        self.total += float(apart.sum(dtype=np.float64))
        self.samples += apart.size
        self.pictures += 1


def find_pictures(folder: Path, *, limit: int | None = None) -> tuple[Path, ...]:
    """The losslessly stored pictures right in ``folder``, by name, the first ``limit`` of them.

    Raises:
        UsageError: There are none.
    """
    paths = sorted(p for p in folder.glob("*") if p.suffix.lower() in _LOSSLESS)[:limit]
    if not paths:
        raise UsageError(f"{folder} holds no lossless pictures (PNG, WebP, TIFF ...).")
    return tuple(paths)


def load_rgb(path: Path) -> NDArray[np.uint8]:
    """The pixels of a picture file: ``(H, W, 3)`` RGB, 0-255; gray gets three equal channels.

    Raises:
        InputError: The file is not a picture.
    """
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError) as error:  # PNG damage is a SyntaxError in Pillow
        raise InputError(f"{path} cannot be read as a picture: {error}.") from error


def measure_clean(
    restore: Restore, pictures: Sequence[Path], *, progress: Progress = lambda *_: None
) -> CleanReport:
    """How much a restorer changes colour pictures that were never compressed.

    Each is handed over as a PNG, so that no header tells that it is clean.

    Args:
        restore: The restorer, deciding for itself how strong to be.
        pictures: Clean pictures, at least one.
        progress: Told how many pictures of how many are done.

    Raises:
        InputError: A picture cannot be read, or came back in another shape.
    """
    rows = []
    for done, path in enumerate(pictures):
        progress(done, len(pictures))
        clean = load_rgb(path)
        file = io.BytesIO()
        Image.fromarray(clean).save(file, "PNG", compress_level=1)
        rows.append(CleanRow(picture=path.stem, psnr=psnr(clean, restore(file.getvalue()))))
    progress(len(pictures), len(pictures))
    return CleanReport(rows=tuple(rows))


def measure_tiles(
    restorer: Restorer,
    pictures: Sequence[Path],
    *,
    tile_sizes_px: Sequence[int] = TILE_SIZES_PX,
    quality: int = 10,
    model: str = DEFAULT_MODEL,
    progress: Progress = lambda *_: None,
) -> TileReport:
    """How far the output of a tiled picture is from that of the picture in one piece.

    Each picture is saved as a JPEG of ``quality``, in colour and as luma, and restored with that
    quality given, so that nothing but the tiling differs. The outputs are compared before they are
    rounded to bytes.

    Args:
        restorer: The restorer.
        pictures: Clean pictures.
        tile_sizes_px: Tile sizes, multiples of 16; one that holds a picture whole skips it.
        quality: JPEG quality, 1-100.
        model: What ``--model`` names.
        progress: Told how many pictures of how many are done.

    Raises:
        InputError: A picture cannot be read.
        UsageError: No picture is cut by any tile size, or a size makes no sense.
    """

    def restored(file: bytes, tile_px: int) -> NDArray[np.float32]:
        wishes = Wishes(model=model, quality=quality, tile_px=tile_px)
        return restorer.restore(file, wishes).picture.pixels

    found: dict[tuple[Kind, int], _Apart] = {}
    for done, path in enumerate(pictures):
        progress(done, len(pictures))
        clean = load_rgb(path)
        side_px = max(clean.shape[:2])
        whole_px = max(-(-side_px // GRID_PX) * GRID_PX, 128)
        files: dict[Kind, bytes] = {
            "gray": encode(studio_luma(clean), quality),
            "color": encode(clean, quality),
        }

        for kind in KINDS:
            whole = restored(files[kind], whole_px)
            for tile_px in tile_sizes_px:
                if tile_px < side_px:
                    apart = found.setdefault((kind, tile_px), _Apart())
                    apart.add(restored(files[kind], tile_px), whole)
    progress(len(pictures), len(pictures))
    if not found:
        raise UsageError(f"No picture is larger than a tile of {min(tile_sizes_px)} pixels.")
    rows = [
        TileRow(
            kind=kind,
            tile_px=tile_px,
            largest=255 * apart.largest,
            mean=255 * apart.total / apart.samples,
            n=apart.pictures,
        )
        for (kind, tile_px), apart in sorted(
            found.items(), key=lambda item: (KINDS.index(item[0][0]), item[0][1])
        )
    ]
    return TileReport(model=model, quality=quality, rows=tuple(rows))


def clean_markdown(report: CleanReport) -> str:
    """The report as a Markdown table of one row."""
    worst = report.worst
    return (
        "| clean pictures | mean PSNR, dB | worst PSNR, dB | worst picture | unchanged |\n"
        "|---:|---:|---:|---|---:|\n"
        f"| {len(report.rows)} | {report.mean:.2f} | {worst.psnr:.2f} | {worst.picture} "
        f"| {report.unchanged} |\n"
    )


def tiles_markdown(report: TileReport) -> str:
    """The report as a Markdown table, one row a kind of picture and tile size."""
    lines = [
        f"Levels of 1/255 between tiled and whole, {report.model} at quality {report.quality}:",
        "",
        "| pictures | tile, px | n | largest | mean |",
        "|---|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {row.kind} | {row.tile_px} | {row.n} | {row.largest:.2f} | {row.mean:.4f} |"
        for row in report.rows
    ]
    return "\n".join(lines) + "\n"
