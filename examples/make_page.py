"""Makes the pictures to try on the web page from the clean photos in ``clean/``."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from restora.degradations.by_task import degrade

HERE = Path(__file__).parent
PAGE = HERE.parent / "src" / "restora" / "apps" / "web" / "examples"
SEED = 3


def photo(name: str) -> Image.Image:
    return Image.open(HERE / "clean" / f"{name}.avif").convert("RGB")


def saved(image: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer)


def too_hard() -> Image.Image:
    return saved(photo("budgie"), 10)


def twice() -> Image.Image:
    image = saved(photo("kitten"), 12)
    cut = image.crop((4, 4, image.width - 4, image.height - 4))
    return saved(cut, 75)


def hazy() -> Image.Image:
    return saved(
        Image.fromarray(degrade(np.asarray(photo("colosseum")), "dehaze", SEED).pixels), 92
    )


def many_hands() -> Image.Image:
    image = photo("hallway").filter(ImageFilter.GaussianBlur(1.2))
    image = image.resize((image.width // 2, image.height // 2), Image.Resampling.BICUBIC)
    noise = np.random.default_rng(SEED).normal(0, 6, (image.height, image.width, 3))
    noisy = np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8)
    return saved(Image.fromarray(noisy), 50)


MADE = {"budgie": too_hard, "kitten": twice, "colosseum": hazy, "hallway": many_hands}


def main() -> None:
    for name, make in MADE.items():
        # Its bytes as they were saved: opened and saved again, it would be another file.
        (PAGE / f"{name}.jpg").write_bytes(make().fp.getvalue())


if __name__ == "__main__":
    main()
