"""What is done to a clean picture before it is repaired: one JPEG save, or two on shifted grids.

The lists here are the settings of the literature, so that a table can stand beside a published one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from restora.errors import UsageError

__all__ = [
    "FBCNN_DOUBLE",
    "LITERATURE",
    "OAPT_DOUBLE",
    "OFF_GRID",
    "Setting",
    "at_qualities",
    "check_settings",
]

_BLOCK_PX = 8


class Setting(NamedTuple):
    """How a picture is made bad.

    Attributes:
        quality: JPEG quality of the last save, 1-100; the one the file's header states.
        earlier: JPEG quality of a save before it, 1-100; ``None`` if there was none.
        shift_px: Rows and columns dropped at the top and at the left between the two saves, 0-7
            each: ``(h, w)``, as a NumPy index. ``(0, 4)`` moves the grid sideways only.

    >>> str(Setting(10)), str(Setting(10, earlier=30, shift_px=(4, 4)))
    ('QF 10', 'QF 30, 10 shift 4, 4')
    """

    quality: int
    earlier: int | None = None
    shift_px: tuple[int, int] = (0, 0)

    def __str__(self) -> str:
        if self.earlier is None:
            return f"QF {self.quality}"
        down, right = self.shift_px
        return f"QF {self.earlier}, {self.quality} shift {down}, {right}"


def at_qualities(qualities: Iterable[int]) -> tuple[Setting, ...]:
    """One save at each quality.

    >>> at_qualities([10, 20])
    (Setting(quality=10, earlier=None, shift_px=(0, 0)), Setting(quality=20, earlier=None, \
shift_px=(0, 0)))
    """
    return tuple(Setting(quality) for quality in qualities)


LITERATURE = at_qualities((10, 20, 30, 40))
"""The four qualities of every table of the literature."""

OFF_GRID = at_qualities((5, 15, 25, 35, 75, 90))
"""Qualities between and beyond those four: a network trained on the four alone shows here."""

FBCNN_DOUBLE = tuple(
    Setting(second, earlier=first, shift_px=(4, 4))
    for first, second in (
        *((30, 10), (50, 10), (50, 30)),  # the second save is the harder
        *((10, 10), (30, 30), (50, 50)),
        *((10, 30), (10, 50), (30, 50)),  # the first is; its traces lie under the second's
    )
)
"""The nine settings of FBCNN's table of non-aligned double JPEG, in its order."""

OAPT_DOUBLE = tuple(
    Setting(second, earlier=first, shift_px=shift_px)
    for shift_px in ((4, 4), (0, 4))
    for first, second in ((30, 30), (50, 50), (30, 50), (50, 30))
)
"""The eight settings of OAPT's table, in its order; the shift is (h, w)."""


def check_settings(settings: Sequence[Setting]) -> None:
    """Accept settings that exist, each once.

    Raises:
        UsageError: There are none, or one makes no sense.
    """
    if not settings:
        raise UsageError("No JPEG quality was given; the literature uses 10, 20, 30 and 40.")
    for setting in settings:
        for quality in (setting.quality, setting.earlier):
            if quality is not None and not 1 <= quality <= 100:
                raise UsageError(
                    f"A JPEG quality of {quality} does not exist; it runs from 1 to 100."
                )
        if not all(0 <= shift < _BLOCK_PX for shift in setting.shift_px):
            raise UsageError(f"A grid shift is two numbers from 0 to 7, not {setting.shift_px}.")
        if setting.earlier is None and setting.shift_px != (0, 0):
            raise UsageError("A grid shift needs an earlier save, whose grid it shifts.")
    if len(set(settings)) != len(settings):
        raise UsageError(
            f"A setting is listed twice: {'; '.join(str(setting) for setting in settings)}."
        )
