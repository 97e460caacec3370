"""How far a diffusion model follows its words and the picture's tokens: guidance without training.

Source: classifier-free guidance (Ho & Salimans, 2022), with a weight for each of two conditions as
in InstructPix2Pix (Brooks et al., CVPR 2023). With what the network sees told nothing, the image
alone, or both,

    x  =  x_nothing + g_image (x_image - x_nothing) + g_text (x_both - x_image) ,

which for g_image = 1 is the original form with the image always told, and for both 1 is x_both.
That is a weighted sum of up to three branches; one without weight need not be computed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from restora.errors import UsageError


@dataclass(frozen=True)
class Branch:
    """One of the predictions that are mixed.

    Attributes:
        weight: Its share; those of all branches sum to 1, and may be negative or above 1.
        text: It is told the caption; else the empty or the negative prompt.
        image: It is told the picture's tokens; else none.
    """

    weight: float
    text: bool
    image: bool


def branches(text_guidance: float, image_guidance: float) -> tuple[Branch, ...]:
    """The predictions that have a weight, the one that is told the most first.

    Args:
        text_guidance: g_text from 0: 0 without the caption, 1 as trained, more exaggerates it.
        image_guidance: g_image from 0, likewise for the picture's tokens.

    Returns:
        One branch where both are 1; two where one of them is, or where they are equal; else three.

    Raises:
        UsageError: A guidance is no number from 0 on.
    """
    for name, value in (("text", text_guidance), ("image", image_guidance)):
        if not (math.isfinite(value) and value >= 0):
            raise UsageError(f"The {name} guidance is a number from 0, not {value}.")
    every = (
        Branch(text_guidance, text=True, image=True),
        Branch(image_guidance - text_guidance, text=False, image=True),
        Branch(1 - image_guidance, text=False, image=False),
    )
    return tuple(branch for branch in every if branch.weight)


def combine(parts: Sequence[Branch], predictions: Any) -> Any:
    """The guided prediction.

    Args:
        parts: From :func:`branches`.
        predictions: What the network said for each, in that order: arrays of any library, or one
            whose first axis they are.

    Returns:
        As one of them; with a single branch that one itself.

    Raises:
        ValueError: There are not as many predictions as branches.
    """
    if len(parts) != len(predictions):
        raise ValueError(f"{len(parts)} branches, but {len(predictions)} predictions")
    if len(parts) == 1:
        return predictions[0]
    mixed = parts[0].weight * predictions[0]
    for number, part in enumerate(parts[1:], start=1):
        mixed = mixed + part.weight * predictions[number]
    return mixed
