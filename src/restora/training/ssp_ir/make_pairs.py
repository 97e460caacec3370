"""SSP-IR's folders made of clean photos: pairs, and captions of the clean pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from restora.degradations.by_task import REAL
from restora.engine.batch import make_folder
from restora.errors import RestoraError
from restora.images.atomic import write_atomically
from restora.semantics.protocols import Captioner
from restora.semantics.words import describe
from restora.training.sr_diff.make_pairs import (
    SETTINGS_NAME,
    Made,
    Place,
    Progress,
    open_rgb,
    pair_names,
    write_pairs,
)
from restora.training.ssp_ir.layout import CAPTIONS, RealLayout

__all__ = ["make_real_pairs", "write_captions"]


def make_real_pairs(
    photos: dict[str, Path],
    layout: RealLayout,
    *,
    seed: int = 0,
    variants: int = 1,
    force: bool = False,
    progress: Progress = lambda *_: None,
) -> Made:
    """Write ``gt`` and ``sr_bicubic`` of every photo, and ``params.jsonl`` with what was drawn.

    See :func:`restora.training.sr_diff.make_pairs.make_pairs`. Needs PyTorch.
    """
    place = Place(
        REAL,
        degraded=layout.degraded,
        clean=layout.clean,
        settings=layout.root / SETTINGS_NAME,
        captions=tuple(layout.root / name for name in CAPTIONS),
    )
    return write_pairs(
        photos, [place], seed=seed, variants=variants, force=force, progress=progress
    )


def write_captions(
    photos: dict[str, Path],
    layout: RealLayout,
    captioner: Captioner,
    *,
    variants: int = 1,
    force: bool = False,
    progress: Progress = lambda *_: None,
) -> Made:
    """Write what the clean pictures of photos show; a picture that is not there has no caption.

    Args:
        photos: Those the pairs were made of.
        layout: Where the pairs are.
        captioner: From :func:`restora.semantics.lookup.load_captioner`; it is shown whole pictures.
        variants: Pairs of a photo, which share a caption where they share the clean picture.
        force: Write captions that are there anew.
        progress: Told how many pairs of how many are done.

    Raises:
        InputError: Two pairs would be called alike.
        OutputError: The folder cannot be made.
    """
    result = Made()
    make_folder(layout.caption_path("").parent)
    names = pair_names(photos, variants)
    before, said = b"", ""
    for done, (called, (name, _)) in enumerate(names.items()):
        progress(done, len(names))
        picture, text = layout.clean / f"{called}.png", layout.caption_path(called)
        if not picture.exists():  # its pair failed, and that was told
            continue
        if text.exists() and not force:
            result.kept += 1
            continue
        try:
            pixels = open_rgb(picture)
            if pixels.tobytes() != before:
                shown = pixels.astype(np.float32) / np.float32(255)
                said = describe(shown, captioner, str(photos[name]))
                before = pixels.tobytes()
            write_atomically(text, f"{said}\n".encode())
        except RestoraError as error:
            result.failed.append(str(error))
        else:
            result.made += 1
    progress(len(names), len(names))
    return result
