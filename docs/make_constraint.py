"""Measures what keeping to a file's bins does, and draws it: tables and pictures of constraint.md.

    python docs/make_constraint.py --data testsets/cid22_val

Run from the root of the repository. Prints the tables and writes ``docs/constraint-*.png``.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path

import numpy as np
from PIL import Image

from restora.engine.plan import Wishes
from restora.engine.restorer import Restorer
from restora.images.contact_sheet import Window, contact_sheet
from restora.jpeg import inspect
from restora.jpeg.constraint import inside_share, read_bins

HERE = Path(__file__).parent
SHIFT_PX = 4  # between two saves, as someone who crops a picture moves its grid
ONCE = ((10,), (20,), (30,), (40,), (75,), (90,))
TWICE = ((10, 50), (30, 75), (50, 90))


def save_each(clean: Image.Image, qualities: tuple[int, ...]) -> tuple[np.ndarray, bytes]:
    """The clean picture in 0-1 and the file, after saves with the grid moved in between."""
    picture, data = clean, b""
    for number, quality in enumerate(qualities):
        if number:
            box = (SHIFT_PX, SHIFT_PX, picture.width, picture.height)
            picture, clean = picture.crop(box), clean.crop(box)
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=quality)
        data = buffer.getvalue()
        picture = Image.open(io.BytesIO(data)).convert("RGB")
    return np.asarray(clean, np.float32) / 255, data


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    a, b = (np.rint(p.astype(np.float64) * 255) for p in (a, b))
    return float(10 * np.log10(255**2 / max(np.mean((a - b) ** 2), 1e-10)))


def table(
    restorer: Restorer, files: list[Path], saves: tuple[tuple[int, ...], ...], side_px: int
) -> None:
    """Print PSNR without and with the constraint, and the share of coefficients in their bins."""
    print("| saved at | JPEG | off | soft | hard | inside, off | inside, soft | inside, hard |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    for qualities in saves:
        rows = []
        for file in files:
            with Image.open(file) as image:
                clean, data = save_each(
                    image.convert("RGB").crop((0, 0, side_px, side_px)), qualities
                )
            bins = read_bins(data, inspect(data, name=file.name))
            row = [psnr(np.asarray(Image.open(io.BytesIO(data)).convert("RGB")) / 255, clean)]
            shares = []
            for mode in ("off", "soft", "hard"):
                # The dominant quality is given: what is compared is the constraint alone.
                wishes = Wishes(quality=min(qualities), constraint=mode, precision="float")
                out = restorer.restore(data, wishes).picture.pixels
                row.append(psnr(out, clean))
                shares.append(100 * inside_share(out, bins))
            rows.append(row + shares)
        mean = np.mean(rows, axis=0)
        cells = [f"{v:.2f}" for v in mean[:4]] + [f"{v:.2f} %" for v in mean[4:]]
        print(f"| {', then '.join(map(str, qualities))} | {' | '.join(cells)} |", flush=True)


def draw(
    restorer: Restorer,
    file: Path,
    qualities: tuple[int, ...],
    *,
    asked: int,
    name: str,
    at: Window,
) -> None:
    """A zoom of a picture: clean, file, restored freely at ``asked``, and held to the bins."""
    with Image.open(file) as image:
        clean, data = save_each(image.convert("RGB"), qualities)
    decoded = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), np.float32) / 255
    cells = [("clean", clean), (f"saved at {' then '.join(map(str, qualities))}", decoded)]
    for mode, label in (("off", f"restored as {asked}"), ("hard", "held to the bins")):
        wishes = Wishes(quality=asked, constraint=mode, precision="float")
        pixels = restorer.restore(data, wishes).picture.pixels
        cells.append((f"{label}: {psnr(pixels, clean):.2f} dB", pixels))
    zoom = [(label, at.cut(pixels)) for label, pixels in cells]
    contact_sheet(zoom, columns=4, largest_px=400, magnify=3).save(
        HERE / f"constraint-{name}.png", optimize=True
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of clean pictures for the tables")
    parser.add_argument("--limit", type=int, default=None, help="only the first so many")
    parser.add_argument("--side", type=int, default=384, help="of the corner that is used, pixels")
    arguments = parser.parse_args()
    restorer = Restorer()
    examples = HERE.parent / "examples" / "clean"
    draw(restorer, examples / "kitten.avif", (75,), asked=10, name="once", at=Window(150, 180, 112))
    draw(
        restorer,
        examples / "hallway.avif",
        (10, 75),
        asked=10,
        name="twice",
        at=Window(200, 200, 112),
    )
    if arguments.data is not None:
        files = sorted(p for p in arguments.data.iterdir() if p.suffix in (".png", ".webp"))
        for saves in (ONCE, TWICE):
            table(restorer, files[: arguments.limit], saves, arguments.side)
            print()


if __name__ == "__main__":
    main()
