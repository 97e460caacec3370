"""Restora repairs pictures.

Example:
    >>> import restora
    >>> restora.restore("bad.jpg").save("good.png")  # doctest: +SKIP
    >>> restora.inspect("bad.jpg").quality.quality  # doctest: +SKIP
    12

Everything is loaded when it is first used: importing this package costs next to nothing.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from restora.engine.restorer import Restorer
    from restora.engine.result import Result
    from restora.images import Picture
    from restora.jpeg import JpegFacts

# ONNX Runtime would leave a file of its own behind, and may tell its makers what it runs. Read when
# it is loaded, so not yet.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__version__ = "0.1.0"
__all__ = ["Picture", "Restorer", "Result", "__version__", "inspect", "load", "restore"]


def restore(
    source: str | Path | bytes,
    *,
    quality: int | Literal["auto"] | None = None,
    strength: int = 100,
    model: str | None = None,
    task: str = "jpeg",
    constraint: str = "auto",
    ensemble: int = 1,
    seed: int | None = None,
    steps: int | None = None,
    samples: int = 1,
    prompt: str | None = None,
    caption_model: str | None = None,
    negative_prompt: str | None = None,
    sampler: str | None = None,
    temperature: float | None = None,
    text_guidance: float | None = None,
    image_guidance: float | None = None,
    color_fix: str | None = None,
    upscale: int = 1,
    salvage: bool = False,
) -> Result:
    """Restore one picture.

    Args:
        source: A path, or the bytes of a file.
        quality: The quality it was saved at, 1-100; None or ``"auto"`` reads or estimates it.
        strength: Share of the restoration that is applied, 0-100.
        model: What ``restora models`` lists, or the path of a card or a checkpoint; None takes
            the one that ships for the task.
        task: ``"jpeg"``, ``"dehaze"``, ``"derain"``, ``"deblur"`` or ``"lowlight"``: what is
            undone; ``"real"`` undoes blur, noise, lost pixels and JPEG together; ``"auto"`` lets a
            judge choose, and repairs a JPEG's artifacts first.
        constraint: ``"auto"``, ``"off"``, ``"soft"`` or ``"hard"``: how the result is held to the
            quantisation bins of the file.
        ensemble: 2, 4 or 8 takes the mean over so many views of the picture.
        seed: Draws the noise of a diffusion model, a whole number from 0. None is the same every
            time too: it takes the mean of a latent, or 0 where a model cannot do without noise.
        steps: Of a model that samples; None takes the number that is best for it.
        samples: Of a model that samples; their mean is the result.
        prompt: Task real, as all below to ``upscale``: the caption, empty for none; None has one
            written. ``result.plan.prompt`` holds what was used.
        caption_model: Who writes it: ``"tags"``, ``"file:FOLDER"``, ``"static:TEXT"``,
            ``"blip:PATH"``, ``"llava:PATH"`` or ``"empty"``; None is tags, where installed.
        negative_prompt: Words that guidance leads away from.
        sampler: ``"ddpm"`` or ``"dpm-solver++"``; None as the model has it.
        temperature: Share of the noise that is drawn, 0-1; None as the model has it.
        text_guidance: How far words count, 0-20; 1 is as it was taught, None as the model has it.
        image_guidance: How far what the picture shows counts, likewise.
        color_fix: ``"none"``, ``"adain"`` or ``"wavelet"``: what gives the colours of the input
            back; None as the model has it.
        upscale: 2, 3 or 4 enlarges the picture so many times before.
        salvage: Restore the part of a truncated file that decodes.

    Returns:
        The restored picture; ``result.save("out.png")`` writes it.

    Raises:
        InputError: The file cannot be used.
        MissingExtra: Words are asked for, and what reads or writes them is not installed.
        UsageError: A wish makes no sense.
    """
    from restora.engine.plan import Wishes
    from restora.engine.session import changed

    wishes = changed(
        Wishes(),
        model=model,
        task=task,
        quality=quality,
        strength=strength,
        constraint=constraint,
        ensemble=ensemble,
        seed=seed,
        steps=steps,
        samples=samples,
        prompt=prompt,
        caption_model=caption_model,
        negative_prompt=negative_prompt,
        sampler=sampler,
        text_guidance=text_guidance,
        image_guidance=image_guidance,
        temperature=temperature,
        color_fix=color_fix,
        upscale=upscale,
    )
    return load().restore(source, wishes, salvage=salvage)


def inspect(source: str | Path | bytes, *, history: bool = True) -> JpegFacts:
    """What a JPEG file itself knows.

    Args:
        source: A path, or the bytes of a file.
        history: Also decode it and look for an earlier save; without, no pixel is decoded.

    Raises:
        InputError: It cannot be read, or is not a JPEG.
    """
    from restora.images import read_file
    from restora.jpeg import inspect as inspect_bytes

    if isinstance(source, bytes):
        return inspect_bytes(source, name="picture", history=history)
    return inspect_bytes(read_file(Path(source)), name=str(source), history=history)


def load(*, device: str = "cpu", threads: int = 0) -> Restorer:
    """A :class:`Restorer`, kept for later calls with the same arguments."""
    from restora.engine.restorer import shared_restorer

    return shared_restorer(device, threads)


def __getattr__(name: str) -> Any:
    if name in ("Restorer", "Result"):
        from restora.engine import restorer

        return getattr(restorer, name)
    if name == "Picture":
        from restora.images import Picture

        return Picture
    raise AttributeError(f"module 'restora' has no attribute {name!r}")
