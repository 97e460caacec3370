"""The four kinds of damage that SR-Diff undoes; light, so that the engine can name them.

Source: SR-Diff, its README: dehazing, deraining, motion deblurring and low light.
"""

from __future__ import annotations

from typing import Literal

Task = Literal["dehaze", "derain", "deblur", "lowlight"]

TASKS: tuple[Task, ...] = ("dehaze", "derain", "deblur", "lowlight")

# What the folders of the published data sets are called.
FOLDERS: dict[Task, str] = {
    "dehaze": "hazy",
    "derain": "rainy",
    "deblur": "motion-blurry",
    "lowlight": "low-light",
}
