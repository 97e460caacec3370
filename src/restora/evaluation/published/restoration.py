"""What is public of SR-Diff's figures and its rivals', for rain and haze.

Literal records, nothing computed. None of these papers prints a row of the degraded pictures
themselves, as the JPEG tables do, so nothing tells whether a measurement here follows the same
protocol: the rows stand beside ours and decide nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from restora.networks.sr_diff.tasks import Task

__all__ = ["CAVEATS", "RESTORATION", "PublishedRestoration", "published_restoration"]

_FIGURE = "SR-Diff repository (ZhuQ1ang/SR-Diff), figs/1.png"
_IR_SDE = "IR-SDE repository (Algolzw/image-restoration-sde), README"


@dataclass(frozen=True, slots=True)
class PublishedRestoration:
    """One method on one test set.

    Attributes:
        set: As papers call it.
        task: What it asks for.
        method: As papers call it.
        psnr: In dB.
        ssim: -1 to 1.
        channel: What it was measured on; ``"unknown"`` where the source does not tell.
        read_off: Taken from the place of a dot in a figure, good to about 0.02 dB and 0.001, or
            0.1 dB where ``psnr`` is told to one digit.
        source: Where it was read.
        note: What else to know before comparing, as a sentence, or ``""``.
    """

    set: Literal["RESIDE-6k", "Rain100H"]
    task: Task
    method: str
    psnr: float
    ssim: float
    channel: Literal["RGB", "Y", "unknown"] = "unknown"
    read_off: bool = True
    source: str = _FIGURE
    note: str = ""


def _reside(method: str, psnr: float, ssim: float, note: str = "") -> PublishedRestoration:
    return PublishedRestoration("RESIDE-6k", "dehaze", method, psnr, ssim, note=note)


def _rain(method: str, psnr: float, ssim: float, note: str = "") -> PublishedRestoration:
    return PublishedRestoration("Rain100H", "derain", method, psnr, ssim, note=note)


_BEST_OF_TEN = (
    "Its released test draws every picture ten times, keeps the draw with the highest PSNR against "
    "the clean picture and leaves out a border of 4 pixels; whether the figure was measured so is "
    "not told."
)

RESTORATION: tuple[PublishedRestoration, ...] = (
    _reside("SR-Diff", 31.63, 0.958, _BEST_OF_TEN),
    _reside("MultiContentNet", 31.2, 0.913),
    _reside("DehazeFormer", 30.3, 0.973),
    _reside("DA-CLIP", 30.2, 0.936),
    _reside("FFA-Net", 30.0, 0.973),
    _reside("MAXIM", 29.1, 0.932),
    _reside("IR-SDE", 25.3, 0.906),
    _rain("SR-Diff", 32.82, 0.924, _BEST_OF_TEN),
    PublishedRestoration(
        "Rain100H",
        "derain",
        "IR-SDE",
        31.65,
        0.9041,
        channel="Y",
        read_off=False,
        source=_IR_SDE,
        note="That it is of Y is told in issue 121 of its repository. Readers who trained it again "
        "report about 28 and 29.5 dB (issues 121 and 29).",
    ),
    _rain("MAXIM", 30.8, 0.903),
    _rain("MPRNet", 30.4, 0.891),
    _rain("PReNet", 29.5, 0.899),
    _rain("GANet", 29.1, 0.869),
    _rain("MSPFN", 28.7, 0.860),
)
"""Every public row, the best of a set first. For deblurring and low light none was found."""

CAVEATS: tuple[str, ...] = (
    "No row of the degraded pictures themselves is published, so that the protocols cannot be "
    "checked against each other as in the JPEG tables.",
    "~: read off the place of a dot in a figure whose channel and sampling are not told; good to "
    "about 0.02 dB, those of one digit to 0.1 dB.",
    "In that figure one more method, DRNet, sits at the same place for haze and for rain; it is "
    "left out here, and the others are to be taken with care.",
)


def published_restoration(task: Task) -> tuple[PublishedRestoration, ...]:
    """The public rows for a task, the best first; none where nobody published any.

    >>> [row.method for row in published_restoration("derain")][:2]
    ['SR-Diff', 'IR-SDE']
    >>> published_restoration("deblur")
    ()
    """
    return tuple(row for row in RESTORATION if row.task == task)
