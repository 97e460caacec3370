"""Draws and fills dial.md: the dial as crops, the curve of PSNR over it, what a turn costs.

    python docs/make_dial.py                            # the crops, and the cost from speed.json
    python docs/make_dial.py --data testsets/cid22_val  # the curve and its table too

Run from the root of the repository. Writes ``docs/dial-quality.png``, ``docs/dial-strength.png``,
``docs/dial-curve.svg`` and what stands between the markers of ``docs/dial.md``.
"""

from __future__ import annotations

import argparse
import io
import json
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from marked import put, table
from matplotlib.figure import Figure
from PIL import Image

import restora
from restora.evaluation.metrics import psnr
from restora.evaluation.plots import LINES, STYLE
from restora.images.contact_sheet import Window, contact_sheet

HERE = Path(__file__).parent
EXAMPLES = HERE.parent / "examples"
PICTURE = "budgie"  # saved at quality 10
CROP = Window(176, 176, 112)  # its eye, feathers, and a plain part
SETTINGS = (5, 10, 20, 40, 70, 90)
STRENGTHS = (0, 25, 50, 75, 100)
SAVED_AT = (10, 20, 40, 70)
TURNS = tuple(range(5, 100, 5))


def draw_crops() -> None:
    """One picture at each setting of the dial, and at each strength."""
    session = restora.load().session(EXAMPLES / f"{PICTURE}.jpg")

    def crop(**settings: int) -> np.ndarray:
        return CROP.cut(session.restore(**settings).picture.pixels)

    cells = [(f"--quality {q}", crop(quality=q)) for q in SETTINGS]
    save(cells, "dial-quality.png", columns=3)
    cells = [(f"--strength {s}", crop(strength=s)) for s in STRENGTHS]
    with Image.open(EXAMPLES / "clean" / f"{PICTURE}.avif") as image:
        clean = np.asarray(image.convert("RGB"), np.float32) / 255
    save([*cells, ("the clean photo", CROP.cut(clean))], "dial-strength.png", columns=3)


def save(cells: Sequence[tuple[str, np.ndarray]], name: str, *, columns: int) -> None:
    sheet = contact_sheet(cells, columns=columns, largest_px=400, magnify=2)
    sheet.save(HERE / name, optimize=True)


def gains(files: Sequence[Path], quality: int, side_px: int) -> np.ndarray:
    """PSNR over the plain JPEG at each turn, and last without one, the mean of the pictures."""
    rows = []
    for file in files:
        with Image.open(file) as image:
            clean = image.convert("RGB").crop((0, 0, side_px, side_px))
        saved = io.BytesIO()
        clean.save(saved, "JPEG", quality=quality)
        truth = np.asarray(clean)
        with Image.open(saved) as image:
            plain = psnr(truth, np.asarray(image.convert("RGB")))
        session = restora.load().session(saved.getvalue())
        row = []
        for turn in (*TURNS, "auto"):
            pixels = session.restore(quality=turn).picture.pixels
            row.append(psnr(truth, np.rint(pixels * 255).astype(np.uint8)) - plain)
        rows.append(row)
    return np.mean(rows, axis=0)


def draw_curve(files: Sequence[Path], side_px: int) -> str:
    """The curve for each true quality; returns the table."""
    rows = []
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.0, 4.0), layout="constrained")
        axes = figure.subplots()
        for quality, color in zip(SAVED_AT, LINES, strict=False):
            *curve, by_itself = gains(files, quality, side_px)
            axes.plot(TURNS, curve, color=color, label=f"saved at {quality}")
            axes.plot([quality], [by_itself], "o", color=color)
            best = int(np.argmax(curve))
            at = [curve[TURNS.index(turn)] for turn in (10, 20, 40, 70, 90)]
            rows.append(
                [
                    str(quality),
                    *(f"{gain:+.2f}" for gain in at),
                    f"{TURNS[best]} ({curve[best]:+.2f})",
                    f"{by_itself:+.2f}",
                ]
            )
        axes.axhline(0, color="#94a3b8", linewidth=0.8)
        axes.set_xlabel("--quality: what you say it was saved at")
        axes.set_ylabel("PSNR over the plain JPEG, dB")
        axes.legend(title="the dot: by itself")
        path = HERE / "dial-curve.svg"
        figure.savefig(path, metadata={"Date": None, "Creator": None})
    head = ["saved at", *(f"told {t}" for t in (10, 20, 40, 70, 90)), "best", "by itself"]
    return table(head, rows)


def cost_table() -> str:
    """What the first setting and every further one cost, as ``restora bench speed`` has it."""
    report = json.loads((HERE / "benchmarks" / "speed.json").read_text())["report"]
    rows = [
        [
            f"{row['model']}, {row['kind'].replace('color', 'colour')}",
            f"{row['first_setting_seconds']:.2f}",
            f"{row['second_setting_seconds']:.2f}",
        ]
        for row in report["tool"]
    ]
    return table(["a JPEG of one megapixel", "first setting, s", "each further one, s"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of clean pictures for the curve")
    parser.add_argument("--limit", type=int, default=8, help="only the first so many")
    parser.add_argument("--side", type=int, default=256, help="of the corner that is used, pixels")
    arguments = parser.parse_args()
    draw_crops()
    put(HERE / "dial.md", cost=cost_table())
    if arguments.data is not None:
        files = sorted(p for p in arguments.data.iterdir() if p.suffix in (".png", ".webp"))
        put(HERE / "dial.md", curve=draw_curve(files[: arguments.limit], arguments.side))


if __name__ == "__main__":
    main()
