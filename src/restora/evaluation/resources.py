"""Time and memory of the restore command, by picture size, on this machine."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from restora.errors import RestoraError, UsageError

FLOAT_RGB_BYTES = 2 * 3 * 4  # input and output, three channels, float32


class Resources(BaseModel):
    """What one picture cost, the start of the process included."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    megapixels: float
    seconds: float = Field(description="from start to end of the command")
    peak_bytes: int = Field(description="largest resident memory of the process")

    @property
    def beyond_bytes(self) -> int:
        """Peak memory beyond input and output as float32."""
        return self.peak_bytes - int(self.megapixels * 1e6) * FLOAT_RGB_BYTES


def measure_sizes(megapixels: Sequence[float], *, model: str, tile_px: int) -> Iterator[Resources]:
    """Restore a made JPEG of each size by the command, each in a process of its own.

    Args:
        megapixels: Sizes to measure.
        model, tile_px: As for the command.

    Raises:
        UsageError: This system does not tell the memory of a process.
        RestoraError: The command failed.
    """
    if not hasattr(os, "wait4"):
        raise UsageError("This measurement needs a Unix system.")
    with TemporaryDirectory() as folder:
        for size in megapixels:
            picture = Path(folder, "in.jpg")
            _make_picture(size, picture)
            command = [
                *(sys.executable, "-m", "restora.cli.main", "restore", str(picture)),
                *("-o", str(Path(folder, "out.png")), "--overwrite"),
                *("--model", model, "--tile", str(tile_px)),
            ]
            started = time.perf_counter()
            with Path(folder, "stderr").open("wb") as words:
                process = subprocess.Popen(command, stderr=words)
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - started
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode != 0:
                said = Path(folder, "stderr").read_text(errors="replace").strip().splitlines()
                raise RestoraError(
                    f"Restoring {size:g} megapixels ended with {process.returncode}: "
                    f"{said[-1] if said else 'without a word'}"
                )
            unit = 1 if sys.platform == "darwin" else 1024
            with Image.open(picture) as image:
                pixels = image.width * image.height
            yield Resources(
                megapixels=pixels / 1e6, seconds=seconds, peak_bytes=usage.ru_maxrss * unit
            )


def _make_picture(megapixels: float, path: Path) -> None:
    """A JPEG of quality 30 with waves and grain, so that nothing is trivially empty."""
    side = round(np.sqrt(megapixels * 1e6))
    rng = np.random.default_rng(0)
    patch_px = 512
    y, x = np.mgrid[:patch_px, :patch_px]
    waves = 128 + 60 * np.sin(x / 9) * np.cos(y / 13) + rng.normal(0, 8, x.shape)
    patch = np.stack([waves, waves * 0.9, 255 - waves], axis=-1).clip(0, 255).astype(np.uint8)
    picture = Image.new("RGB", (side, side))
    for top in range(0, side, patch_px):
        for left in range(0, side, patch_px):
            picture.paste(Image.fromarray(patch), (left, top))
    picture.save(path, quality=30)


def markdown(rows: Sequence[Resources]) -> str:
    """The measurements as a Markdown table."""
    lines = [
        "| megapixels | seconds | seconds a megapixel | peak MB | beyond input + output, MB |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {r.megapixels:.1f} | {r.seconds:.1f} | {r.seconds / r.megapixels:.2f} "
        f"| {r.peak_bytes / 1e6:.0f} | {r.beyond_bytes / 1e6:.0f} |"
        for r in rows
    ]
    return "\n".join(lines)
