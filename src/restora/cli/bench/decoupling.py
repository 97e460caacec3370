"""``restora bench decoupling``: what the two codes of a DAGN weight tell of the compression."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from restora.cli.bench.options import (
    DATA,
    Data,
    Device,
    JsonFile,
    Limit,
    ModelName,
    Threads,
    check_json,
)

if TYPE_CHECKING:
    from restora.evaluation.decoupling import Weight


def decoupling(
    data: Data = DATA,
    folder: Annotated[
        str, typer.Option("--set", help="Folder of clean colour pictures, under the data folder.")
    ] = "live1_color",
    model: ModelName = "dagn",
    limit: Limit = None,
    device: Device = "cpu",
    threads: Threads = 0,
    json: JsonFile = None,
) -> None:
    """How much of the JPEG quality a linear function reads from DAGN's two codes."""
    from restora.cli.bench.output import keep, progress_bar
    from restora.engine.models import resolve_model
    from restora.evaluation.checks import find_pictures
    from restora.evaluation.decoupling import markdown, measure_decoupling

    check_json(json)
    names = resolve_model(model).weights
    # A path is long; its end tells it apart, for it names one weight alone.
    weights = {Path(name).name: _weight(name, device=device, threads=threads) for name in names}
    pictures = find_pictures(data / folder, limit=limit)
    with progress_bar("decoupling") as progress:
        report = measure_decoupling(pictures, weights, progress=progress)
    typer.echo(markdown(report))
    keep(json, "decoupling", report)


def _weight(name: str, *, device: str, threads: int) -> Weight:
    """A weight, loaded.

    Raises:
        UsageError: It has no codes.
    """
    import numpy as np
    from numpy.typing import NDArray

    from restora.engine.models import open_backend
    from restora.errors import UsageError
    from restora.evaluation.decoupling import Codes, Weight

    backend = open_backend(name, device=device, threads=threads, precision="float")
    side_px = 64
    blank = np.zeros((side_px, side_px, backend.channels), np.float32)
    if not hasattr(backend.survey(blank), "sensitive"):
        raise UsageError(
            f"{name} has no codes whose decoupling could be measured; a DAGN weight has."
        )

    def see(pixels: NDArray[np.float32]) -> Codes:
        guidance = backend.survey(pixels)
        assert guidance is not None  # as it was above
        return Codes(guidance.sensitive[0], guidance.insensitive[0])

    return Weight(backend.channels, see)
