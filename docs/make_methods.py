"""Draws and fills models.md, and the picture of the README: each model before and after.

    python docs/make_methods.py             # all of it
    python docs/make_methods.py --tables    # only the tables; measures nothing

Run from the root of the repository. The pictures are those in ``examples/``, damaged here as the
captions say and restored as the command does it. Writes ``docs/readme.png``,
``docs/models-*.png`` and what stands between the markers of ``docs/models.md``, ``fbcnn.md`` and
``dagn.md``.
"""

from __future__ import annotations

import argparse
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from marked import put, table
from PIL import Image

import restora
from restora.degradations.by_task import degrade
from restora.engine.plan import Wishes
from restora.images.contact_sheet import Window, contact_sheet
from restora.weights.registry import MODELS, load_card

HERE = Path(__file__).parent
EXAMPLES = HERE.parent / "examples"
SEEDS = {"dehaze": 4, "derain": 4, "deblur": 6, "lowlight": 3}
ON = {"dehaze": "colosseum", "derain": "kitten", "deblur": "budgie", "lowlight": "kitten"}
# Of the README: which picture, where, and the quality it is saved at, lower than those in examples/
# for the pages show pictures small.
FRONT = (
    ("budgie", Window(170, 120, 168), 10),
    ("colosseum", Window(172, 172, 168), 10),
    ("kitten", Window(200, 150, 168), 10),
)


def clean(name: str, mode: str = "RGB") -> Image.Image:
    with Image.open(EXAMPLES / "clean" / f"{name}.avif") as image:
        return image.convert(mode)


def as_jpeg(image: Image.Image, quality: int) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return file.getvalue()


def as_png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=1)
    return file.getvalue()


def before_after(data: bytes, **wishes: Any) -> tuple[np.ndarray, np.ndarray]:
    """The file as it is, and restored, ``(H, W, C)`` in 0-1."""
    session = restora.load().session(data, Wishes(**wishes))
    return session.picture.pixels, session.restore().picture.pixels


def save(cells: Sequence[tuple[str, np.ndarray]], name: str, *, columns: int, zoom: int) -> None:
    sheet = contact_sheet(cells, columns=columns, largest_px=400, magnify=zoom)
    sheet.save(HERE / name, optimize=True)


def floats(image: Image.Image) -> np.ndarray:
    pixels = np.asarray(image, np.float32) / 255
    return pixels if pixels.ndim == 3 else pixels[..., None]


def draw_front() -> None:
    """Before above, after below."""
    rows: tuple[list[tuple[str, np.ndarray]], ...] = ([], [])
    for name, window, quality in FRONT:
        pair = before_after(as_jpeg(clean(name), quality))
        labels = (f"before: saved at quality {quality}", "after")
        for row, label, pixels in zip(rows, labels, pair, strict=True):
            row.append((label, window.cut(pixels)))
    save([*rows[0], *rows[1]], "readme.png", columns=len(FRONT), zoom=2)


def draw_jpeg_models() -> None:
    """FBCNN, DAGN and SODiff, each where it belongs."""
    for name, picture, mode, quality, window in (
        ("fbcnn", "budgie", "RGB", 15, Window(170, 120, 128)),
        ("dagn", "hallway", "L", 10, Window(150, 250, 128)),
        ("sodiff", "kitten", "RGB", 5, Window(200, 170, 128)),
    ):
        truth = clean(picture, mode)
        pair = before_after(as_jpeg(truth, quality), model=name)
        labels = (f"saved at quality {quality}", f"--model {name}", "the clean photo")
        pictures = (*pair, floats(truth))
        cells = [(at, window.cut(p)) for at, p in zip(labels, pictures, strict=True)]
        save(cells, f"models-{name}.png", columns=3, zoom=2)


def draw_tasks() -> None:
    """SR-Diff's four tasks, and SSP-IR."""
    cells = []
    for task, seed in SEEDS.items():
        bad = degrade(np.asarray(clean(ON[task])), task, seed).pixels
        before, after = before_after(as_png(bad), task=task, seed=0)
        cells += [("before", before[::2, ::2]), (f"--task {task}", after[::2, ::2])]
    save(cells, "models-sr-diff.png", columns=4, zoom=1)
    small = clean("kitten").resize((256, 256), Image.Resampling.BICUBIC)
    noise = np.random.default_rng(7).normal(0, 9, (256, 256, 3))
    noisy = Image.fromarray((np.asarray(small) + noise).round().clip(0, 255).astype(np.uint8))
    again = Image.open(io.BytesIO(as_jpeg(noisy, 60))).resize((512, 512), Image.Resampling.BICUBIC)
    bad = as_png(np.asarray(again))
    window = Window(200, 150, 192)
    before, after = before_after(bad, task="real", prompt="")
    told = ("half as large, noisy, saved at 60, enlarged", "--task real", "the clean photo")
    pictures = (before, after, floats(clean("kitten")))
    cells = [(label, window.cut(p)) for label, p in zip(told, pictures, strict=True)]
    save(cells, "models-ssp-ir.png", columns=3, zoom=2)


def report(slug: str) -> Any:
    return json.loads((HERE / "benchmarks" / f"{slug}.json").read_text())


def seconds() -> dict[str, float]:
    """Seconds a megapixel of the whole tool in colour, by model, where they were measured."""
    tool = report("speed")["report"]["tool"]
    found = {
        row["model"]: row["best_seconds_per_megapixel"] for row in tool if row["kind"] == "color"
    }
    walk = report("sr-diff-walk")["report"]["rows"]
    (found["sr-diff"],) = (r["best_seconds_per_megapixel"] for r in walk if r["steps"] == 1)
    return found


def models_table() -> str:
    """Each model: what it is for, what it weighs, what it costs."""
    found = seconds()
    rows = []
    for model in MODELS:
        cards = [load_card(weight) for weight in model.weights]
        size = sum(card.size_bytes() for card in cards) / 1e6
        each = " and ".join(f"{card.parameters / 1e6:.1f} M" for card in cards)
        cost = f"{found[model.name]:.2f}" if model.name in found else "-"
        rows.append([f"`{model.name}`", model.summary, each, f"{size:.1f}", cost])
    head = ["model", "what it does", "parameters", "files, MB", "s/MP, colour"]
    return table(head, rows, right_from=2)


def sizes_table(published: tuple[str, ...], *weights: str) -> str:
    """The published network beside those that ship, by their cards."""
    columns = [published]
    for card in map(load_card, weights):
        network = card.training.recipe["network"]
        columns.append(
            (
                ", ".join(map(str, network["widths"])),
                ", ".join(map(str, network["blocks"])),
                f"{card.parameters / 1e6:.1f} million",
                f"{card.macs_per_pixel / 1e3:,.0f} thousand",
            )
        )
    rows = ("channels of the scales", "blocks of the scales", "parameters", "multiply-adds a pixel")
    cells = [[row, *values] for row, *values in zip(rows, *columns, strict=True)]
    return table(["", "published", *(f"`{weight}`" for weight in weights)], cells)


def put_sizes() -> None:
    (large,) = (
        row for row in report("speed")["report"]["networks"] if row["name"].startswith("FBCNN")
    )
    scales = ("64, 128, 256, 512", "4, 4, 4, 4")
    cost = f"{large['macs_per_pixel'] / 1e3:,.0f} thousand"
    fbcnn = (*scales, f"{large['parameters'] / 1e6:.1f} million", cost)
    names = ("gray-compact", "color-compact")
    put(HERE / "fbcnn.md", sizes=sizes_table(fbcnn, *(f"fbcnn-{name}" for name in names)))
    dagn = (*scales, "about 110 million", "-")
    put(HERE / "dagn.md", sizes=sizes_table(dagn, *(f"dagn-{name}" for name in names)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", action="store_true", help="draw nothing")
    if not parser.parse_args().tables:
        draw_front()
        draw_jpeg_models()
        draw_tasks()
    put(HERE / "models.md", models=models_table())
    put_sizes()


if __name__ == "__main__":
    main()
