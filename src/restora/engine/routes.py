"""Which planes of a picture go through which network, and how they come together again."""

from __future__ import annotations

from typing import Literal

import numpy as np

from restora.engine.backend import Floats
from restora.errors import InputError
from restora.images import Picture, rgb_from_ycbcr, ycbcr_from_rgb
from restora.weights.registry import Model

Route = Literal["gray", "color", "neutral", "cmyk", "luma", "tripled"]


def choose_route(picture: Picture, model: Model) -> tuple[Route, tuple[str, ...], str]:
    """The route of a picture, the weights it needs in order, and why.

    Raises:
        InputError: A CMYK picture, and a model that lacks one of its two weights.
    """
    gray, color = model.gray, model.color
    if picture.space == "cmyk":
        if gray is None or color is None:
            raise InputError(
                "a CMYK picture needs a gray and a colour network; this is one alone: convert it "
                "to RGB first."
            )
        why = "CMYK picture: the inks as colours, black as gray, and it stays CMYK"
        return "cmyk", (color, gray), why
    if gray is None:
        assert color is not None  # a model has at least one weight
        return _route_color_alone(picture, color)
    if picture.space == "gray":
        return "gray", (gray,), "gray picture: the gray network, and it stays gray"
    if color is None:
        return "luma", (gray,), "colour picture, gray network: luma is restored, colour is kept"
    if picture.is_neutral:
        return "neutral", (gray,), "colour file without colour: the gray network on one plane"
    return "color", (color,), "colour picture: the colour network"


def _route_color_alone(picture: Picture, color: str) -> tuple[Route, tuple[str, ...], str]:
    if picture.space == "gray":
        why = "gray picture, colour network: it sees three equal planes, and luma comes back"
        return "tripled", (color,), why
    if picture.is_neutral:
        return "tripled", (color,), "colour file without colour: the colour network adds none"
    return "color", (color,), "colour picture: the colour network"


def split(pixels: Floats, route: Route) -> list[Floats]:
    """The arrays the networks of a route take, each (H, W, 1 or 3), 0-1."""
    match route:
        case "neutral":
            return [pixels[..., :1]]
        case "cmyk":
            # Inks are dark where they are large; the networks know light.
            return [1 - pixels[..., :3], 1 - pixels[..., 3:]]
        case "luma":
            return [ycbcr_from_rgb(pixels)[..., :1]]
        case "tripled":
            return [np.repeat(pixels[..., :1], 3, axis=2)]
        case "gray" | "color":
            return [pixels]


def join(restored: list[Floats], route: Route, pixels: Floats) -> Floats:
    """Undo :func:`split`; ``pixels`` is the picture as it was."""
    match route:
        case "neutral":
            return np.repeat(restored[0], 3, axis=2)
        case "cmyk":
            return 1 - np.concatenate(restored, axis=2)
        case "luma":
            chroma = ycbcr_from_rgb(pixels)[..., 1:]
            together: Floats = np.concatenate([restored[0], chroma], axis=2)
            return rgb_from_ycbcr(together).clip(0, 1)
        case "tripled":
            luma = ycbcr_from_rgb(restored[0])[..., :1].clip(0, 1)
            return np.repeat(luma, pixels.shape[2], axis=2)
        case "gray" | "color":
            return restored[0]
