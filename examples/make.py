"""Makes the example JPEGs from the clean photos in ``clean/``."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

HERE = Path(__file__).parent
# name: (quality, mode, progressive)
SAVES = {
    "budgie": (10, "RGB", False),
    "kitten": (20, "RGB", True),
    "colosseum": (15, "RGB", False),
    "hallway": (10, "L", False),
}


def main() -> None:
    for name, (quality, mode, progressive) in SAVES.items():
        exif = Image.Exif()
        exif[0x010E] = f"Example of Restora: {name}, saved at quality {quality}"  # description
        photo = Image.open(HERE / "clean" / f"{name}.avif").convert(mode)
        photo.save(
            HERE / f"{name}.jpg",
            quality=quality,
            progressive=progressive,
            exif=exif,
            dpi=(300, 300),
        )


if __name__ == "__main__":
    main()
