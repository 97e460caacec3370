"""What ``restora bench real`` and ``restora bench priors`` share: their pictures and scores."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

if TYPE_CHECKING:
    from restora.evaluation.perceptual_scores import Scorer
    from restora.evaluation.real_world_sets import Damage

CleanSet = Annotated[
    str, typer.Option("--set", help="live1, cid22 or urban10: the clean pictures to damage.")
]
CleanFolder = Annotated[
    Optional[Path],  # noqa: UP045 - typer reads annotations at run time
    typer.Option(
        "--pictures", help="A folder of clean, lossless pictures in place of --set.", readable=False
    ),
]


def published_damage() -> Damage:
    """The chain of blur, resizing, noise and JPEG.

    Raises:
        MissingExtra: PyTorch, which it runs in, is not installed.
    """
    from restora._optional import require

    require("torch", extra="train")
    from restora.degradations.real_world import real_world_pixels

    return lambda clean, seed, setting: (
        real_world_pixels(clean, seed, strength=setting.strength, scale=setting.scale).pixels
    )


def light_scores() -> tuple[list[Scorer], tuple[str, ...]]:
    """What needs no PyTorch, and a sentence about what is not installed."""
    from restora.errors import MissingExtra
    from restora.evaluation.perceptual_scores import EmbeddingSimilarity, Ssimulacra2
    from restora.evaluation.real_world import RealFidelity
    from restora.semantics.lookup import load_image_encoder

    scorers: list[Scorer] = [RealFidelity()]
    notes: tuple[str, ...] = ()
    try:
        scorers.append(Ssimulacra2())
    except MissingExtra:
        notes = ("SSIMULACRA2 is not measured: pip install 'restora[metrics]'.",)
    lite0 = load_image_encoder("lite0")
    scorers.append(EmbeddingSimilarity(lite0, name="features_lite0", label="features (Lite0)"))
    return scorers, notes


def set_name(test_set: str, folder: Path | None) -> str:
    """What the clean pictures are called in a report."""
    return test_set if folder is None else folder.resolve().name
