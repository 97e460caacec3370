"""Restores the examples with the command a user types, measures them, and draws before/after."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from restora.evaluation.metrics import psnr, ssim

HERE = Path(__file__).parent
DETAIL_PX = 200  # side of the square that is shown, enlarged
ZOOM = 2


def main(out: Path) -> None:
    jpegs = sorted(HERE.glob("*.jpg"))
    command = ["restora", "restore", *map(str, jpegs), "-o", str(out), "--overwrite", "--explain"]
    print("$", " ".join(["restora restore", *(p.name for p in jpegs), "-o", str(out), "--explain"]))
    subprocess.run([Path(sys.executable).parent / command[0], *command[1:]], check=True)

    print(f"\n{'':12}{'PSNR before':>12}{'after':>8}{'gain':>8}{'SSIM before':>14}{'after':>8}")
    rows = []
    for jpeg in jpegs:
        before = Image.open(jpeg)
        after = Image.open(out / f"{jpeg.stem}.png")
        clean = Image.open(HERE / "clean" / f"{jpeg.stem}.avif").convert(before.mode)
        truth, bad, good = (np.asarray(image) for image in (clean, before, after))
        p, q = psnr(truth, bad), psnr(truth, good)
        print(
            f"{jpeg.stem:12}{p:9.2f} dB{q:5.2f} dB{q - p:+5.2f} dB"
            f"{ssim(truth, bad):14.3f}{ssim(truth, good):8.3f}"
        )
        rows.append([detail(image) for image in (before, after, clean)])
    picture = out / "before-after.png"
    draw(rows).save(picture)
    print(f"\nBefore, after and the clean photo side by side: {picture}")


def detail(image: Image.Image) -> Image.Image:
    """The middle of a picture, enlarged so that single pixels show."""
    left, top = (image.width - DETAIL_PX) // 2, (image.height - DETAIL_PX) // 2
    part = image.convert("RGB").crop((left, top, left + DETAIL_PX, top + DETAIL_PX))
    return part.resize((DETAIL_PX * ZOOM, DETAIL_PX * ZOOM), Image.Resampling.NEAREST)


def draw(rows: list[list[Image.Image]]) -> Image.Image:
    """A sheet: one row a picture; before, after, clean."""
    side, gap, head = DETAIL_PX * ZOOM, 8, 24
    sheet = Image.new("RGB", (3 * (side + gap) + gap, head + len(rows) * (side + gap)), "white")
    pen = ImageDraw.Draw(sheet)
    for column, title in enumerate(["before", "after", "clean photo"]):
        pen.text((gap + column * (side + gap), 6), title, fill="black")
        for row, pictures in enumerate(rows):
            sheet.paste(pictures[column], (gap + column * (side + gap), head + row * (side + gap)))
    return sheet


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "demo-output"))
