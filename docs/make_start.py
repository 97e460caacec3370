"""Fills start.md with what the commands on it print.

    python docs/make_start.py

Run from the root of the repository. The photo is one of ``examples/``, saved at quality 15,
cropped, and saved again at 75.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from marked import put
from PIL import Image

HERE = Path(__file__).parent
CLEAN = HERE.parent / "examples" / "clean" / "kitten.avif"
SAVES = (15, 75)
CROPPED_PX = (5, 3)  # off the left, off the top


def make_photo(path: Path) -> None:
    """Save a photo twice, with the grid moved in between."""
    with Image.open(CLEAN) as image:
        image.convert("RGB").save(path, quality=SAVES[0])
    with Image.open(path) as image:
        twice = image.crop((*CROPPED_PX, image.width, image.height))
    twice.save(path, quality=SAVES[1])


def told(folder: str, *arguments: str) -> str:
    """What a command says, as a block of a page."""
    run = subprocess.run(
        [sys.executable, "-m", "restora.cli.main", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return f"```text\n{(run.stdout + run.stderr).strip()}\n```"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        make_photo(Path(folder, "photo.jpg"))
        explain = told(folder, "restore", "photo.jpg", "-o", "explained.png", "--explain")
        put(HERE / "start.md", explain=explain, inspect=told(folder, "inspect", "photo.jpg"))


if __name__ == "__main__":
    main()
