"""Draws and fills sr-diff.md: its pictures, its curves, its tables.

    python docs/make_sr_diff.py --data testsets --pictures --damage testsets/cid22_val/159550.webp
    python docs/make_sr_diff.py --runs REFINER JUDGE RESTORE
    python docs/make_sr_diff.py --tables

Run from the root of the repository. ``--tables`` copies what make_benchmarks.py has measured, and
measures nothing. Writes ``docs/sr-diff*.png``, ``docs/sr-diff-curves.svg`` and what stands between
the markers of ``docs/sr-diff.md``.
"""

from __future__ import annotations

import argparse
import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from measured_tables import fill_tables
from PIL import Image

from restora.degradations.by_task import degrade
from restora.engine.plan import Wishes
from restora.engine.restorer import Restorer
from restora.evaluation.metrics import psnr
from restora.evaluation.plots import LINES, STYLE
from restora.evaluation.restoration_sets import RestorationPair, find_pairs
from restora.images.contact_sheet import contact_sheet
from restora.networks.sr_diff.tasks import TASKS

HERE = Path(__file__).parent
CELL_PX = 240
DAMAGE_SEEDS = (3, 4)
# Photographs as they are found, by the name without suffix; where the eye should look, as
# shares of height and width.
REAL = {
    "dehaze": ("daclip_0048_0.9_0.2", (0.5, 0.5)),
    "derain": ("1", (0.5, 0.5)),  # of Rain100L: a photograph, whose rain is made
    "deblur": ("instructir_gopro", (0.5, 0.5)),
    "lowlight": ("instructir_lol_1", (0.5, 0.5)),
}
MADE = {"dehaze": "path", "derain": "girl", "deblur": "dog", "lowlight": "flowers"}  # of pairs_made
# Of each stage: its name, the label of the axis, and the keys of its log with their names. The
# first of these keys that a log holds tells the stage.
STAGES: tuple[tuple[str, str, dict[str, str]], ...] = (
    (
        "refiner",
        "cosine to the clean tokens, held out",
        {
            **{f"cosine_tokens_before_{task}": f"{task}, as it is" for task in TASKS},
            **{f"cosine_tokens_after_{task}": f"{task}, refined" for task in TASKS},
        },
    ),
    (
        "judge",
        "share, held out",
        {"accuracy": "right", "found": "damage named", "false_alarms": "false alarms"},
    ),
    ("U-Net", "gain, dB", {f"gain_{task}": task for task in TASKS}),
)


def read(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def as_png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=1)
    return file.getvalue()


def restored(restorer: Restorer, pixels: np.ndarray, task: str, model: str) -> np.ndarray:
    """What one sample makes of it, ``(H, W, 3)`` 0-255."""
    wishes = Wishes(model=model, task=task, seed=0)
    found = restorer.restore(as_png(pixels), wishes).picture.pixels
    return np.rint(found * 255).astype(np.uint8)


def square(
    pixels: np.ndarray, at: tuple[float, float] = (0.5, 0.5), side_px: int = CELL_PX
) -> np.ndarray:
    """The largest square around a place, scaled to the cell, as 0-1."""
    height, width = pixels.shape[:2]
    side = min(height, width)
    top, left = (
        round(min(max(share * length - side / 2, 0), length - side))
        for share, length in zip(at, (height, width), strict=True)
    )
    cut = Image.fromarray(pixels[top : top + side, left : left + side])
    scaled = cut.resize((side_px, side_px), Image.Resampling.LANCZOS)
    return np.asarray(scaled, np.float32) / 255


def draw_real(restorer: Restorer, data: Path, model: str) -> None:
    """A photograph for each task, before and after."""
    folders = (data / "real_degraded", data / "pairs_real" / "derain" / "input")
    files = {path.stem: path for folder in folders for path in folder.iterdir()}
    cells = []
    for task, (name, at) in REAL.items():
        before = read(files[name])
        after = restored(restorer, before, task, model)
        cells += [(f"{task}: before", square(before, at)), ("after", square(after, at))]
    save(cells, "sr-diff-real.png", columns=4)


def draw_pairs(restorer: Restorer, data: Path, model: str) -> None:
    """Degraded, restored and clean, with PSNR; made pairs, then those of published sets."""
    made = [
        pair
        for pair in find_pairs("made", data)
        if pair.name.startswith(MADE[pair.task])  # one for each task
    ]
    cells = []
    for pair in (*made, *find_pairs("real", data)):
        cells += _row(restorer, pair, model)
    save(cells, "sr-diff-pairs.png", columns=3)


def _row(restorer: Restorer, pair: RestorationPair, model: str) -> Iterable[tuple[str, np.ndarray]]:
    clean, before, _ = pair.load()
    after = restored(restorer, before, pair.task, model)
    yield f"{pair.task}: {psnr(clean, before):.2f} dB", square(before)
    yield f"restored: {psnr(clean, after):.2f} dB", square(after)
    yield "clean", square(clean)


def draw_damage(photo: Path) -> None:
    """A clean picture and what the four generators make of it, mild and strong as they come."""
    clean = read(photo)
    cells: list[tuple[str, np.ndarray]] = []
    for seed in DAMAGE_SEEDS:
        cells.append(("clean", square(clean)))
        for task in TASKS:
            made = degrade(clean, task, seed)
            cells.append((f"{task}: strength {made.strength:.2f}", square(made.pixels)))
    save(cells, "sr-diff-damage.png", columns=5)


def save(cells: Sequence[tuple[str, np.ndarray]], name: str, *, columns: int) -> None:
    sheet = contact_sheet(cells, columns=columns, largest_px=CELL_PX)
    sheet.save(HERE / name, optimize=True)


def draw_curves(runs: Sequence[Path]) -> None:
    """The logs of the stages side by side; runs of one stage follow each other.

    A stage that was scored once, at its end, has no curve and is left out.
    """
    rows_of: dict[str, list[dict[str, float]]] = {}
    for run in runs:
        rows = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
        known = {key for row in rows for key in row}
        name = next(name for name, _, keys in STAGES if known & set(keys))
        before = rows_of.setdefault(name, [])
        spent = before[-1]["seconds"] if before else 0
        before += [row | {"seconds": spent + row["seconds"]} for row in rows]
    drawn = [stage for stage in STAGES if scored(rows_of.get(stage[0], []), stage[2]) > 1]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(2 + 3.4 * len(drawn), 3.2), layout="constrained")
        panels = figure.subplots(1, len(drawn), squeeze=False)[0]
        for (name, label, keys), axes in zip(drawn, panels, strict=True):
            for number, (key, legend) in enumerate(keys.items()):
                told = [row for row in rows_of.get(name, []) if key in row]
                points = [(row["seconds"] / 60, row[key]) for row in told]
                if points:
                    faint = "before" in key  # nothing of the refiner's: it stays where it was
                    axes.plot(
                        *zip(*points, strict=True),
                        "--" if faint else "-",
                        color=LINES[number % len(TASKS)],
                        label=None if faint else legend,
                    )
            axes.set_title(name)
            axes.set_xlabel("minutes")
            axes.set_ylabel(label)
            if axes.get_legend_handles_labels()[0]:
                axes.legend()
        figure.savefig(HERE / "sr-diff-curves.svg", metadata={"Date": None, "Creator": None})


def scored(rows: Sequence[dict[str, float]], keys: Iterable[str]) -> int:
    """How many rows of a log hold a score."""
    return sum(any(key in row for key in keys) for row in rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("testsets"), help="the test sets")
    parser.add_argument("--model", default="sr-diff", help="as for restora restore")
    parser.add_argument("--pictures", action="store_true", help="draw the pictures")
    parser.add_argument("--damage", type=Path, help="a clean photo: draw the four kinds of damage")
    parser.add_argument("--runs", type=Path, nargs="+", default=[], help="folders with log.jsonl")
    parser.add_argument("--tables", action="store_true", help="copy what was measured")
    arguments = parser.parse_args()
    if arguments.damage is not None:
        draw_damage(arguments.damage)
    if arguments.pictures:
        restorer = Restorer()
        draw_real(restorer, arguments.data, arguments.model)
        draw_pairs(restorer, arguments.data, arguments.model)
    if arguments.runs:
        draw_curves(arguments.runs)
    if arguments.tables:
        fill_tables(HERE / "sr-diff.md")


if __name__ == "__main__":
    main()
