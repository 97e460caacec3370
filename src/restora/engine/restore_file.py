"""One file in, one file out: what every engine does with each picture of a run."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from restora.engine.plan import Wishes
from restora.engine.plan_tasks import model_of
from restora.engine.render import Progress
from restora.engine.restorer import Restorer
from restora.errors import InputError, OutputError
from restora.images import MAX_BYTES, MAX_PIXELS, Picture, check_writable, encode, read_file
from restora.images.atomic import sweep, write_atomically
from restora.images.formats import format_of_suffix
from restora.weights.registry import is_card_path, load_card


@dataclass(frozen=True)
class Settings:
    """How each picture of a run is restored and written.

    Attributes:
        wishes: What to do to it.
        format: As in :func:`restora.engine.jobs.find_jobs`.
        bits: 8 or 16 bits a channel; None: the input's.
        jpeg_quality: Quality of a JPEG result, 1-100.
        salvage: Restore what decodes of a truncated file.
        max_pixels: Larger pictures are refused, enlarged ones too.
        max_bytes: Larger files are refused.
        max_seconds: A picture that takes longer is given up; None: none is.
    """

    wishes: Wishes = field(default_factory=Wishes)
    format: str | None = None
    bits: int | None = None
    jpeg_quality: int = 95
    salvage: bool = False
    max_pixels: int = MAX_PIXELS
    max_bytes: int = MAX_BYTES
    max_seconds: float | None = None

    def plain(self) -> dict[str, Any]:
        """What the results depend on, ready for JSON: limits only say whether there is one."""
        kept = {name: getattr(self, name) for name in ("format", "bits", "jpeg_quality", "salvage")}
        return kept | self.wishes.model_dump(mode="json")


class Files(Protocol):
    """Where files are read and results are written."""

    def read(self, source: str, *, max_bytes: int) -> bytes:
        """The bytes of a file.

        Raises:
            InputError: It cannot be read, or is larger.
        """

    def write(self, target: str, data: bytes) -> None:
        """Write a result, whole or not at all.

        Raises:
            DiskFull: There is no room.
            OutputError: It cannot be written.
        """


class LocalFiles:
    """Files of this machine, by path."""

    def __init__(self, *, tidy: bool = False) -> None:
        """
        Args:
            tidy: Remove what died while it wrote from every folder that is written to.
        """
        self._tidy = tidy
        self._tidied: set[Path] = set()

    def read(self, source: str, *, max_bytes: int) -> bytes:
        """See :class:`Files`."""
        return read_file(source, max_bytes=max_bytes)

    def write(self, target: str, data: bytes) -> None:
        """See :class:`Files`."""
        folder = Path(target).parent
        if self._tidy and folder not in self._tidied:
            sweep(folder)
            self._tidied.add(folder)
        write_atomically(target, data)


def restore_file(
    restorer: Restorer,
    source: str,
    target: str,
    settings: Settings,
    *,
    known: str | None = None,
    files: Files | None = None,
    progress: Progress = lambda *_: None,
) -> dict[str, object] | None:
    """Restore a file.

    Args:
        restorer: Does it.
        source: Path or URL of the input.
        target: That of the result; its suffix is the format.
        settings: How.
        known: SHA-256 of the file that the result there was made of.
        files: Where both are; None: on this machine.
        progress: Called between tiles with (tiles done, tiles in all); may raise.

    Returns:
        What was done, ready for JSON; None if the result there is made of this very file, and
        nothing was done.

    Raises:
        RestoraError: The input cannot be used, takes too long, or the result cannot be written.
    """
    files = files or LocalFiles()
    give_up = _deadline(source, settings.max_seconds)
    data = files.read(source, max_bytes=settings.max_bytes)
    input_sha256 = hashlib.sha256(data).hexdigest()
    if known == input_sha256:
        return None
    format = format_of_suffix(target) or ""

    def accept(picture: Picture) -> None:
        give_up()
        if target == source and picture.left_out is not None:
            raise OutputError(
                f"{source} holds {picture.left_out}, which --in-place would destroy; "
                "write the result elsewhere with -o."
            )
        check_writable(picture, format=format, bits=settings.bits)

    def advance(done: int, total: int) -> None:
        give_up()
        progress(done, total)

    result = restorer.restore(
        data,
        settings.wishes,
        name=source,
        salvage=settings.salvage,
        max_pixels=settings.max_pixels,
        accept=accept,
        progress=advance,
    )
    told = result.report() | {"input_sha256": input_sha256}
    # Nothing was done: written over itself, a lossy file would only lose.
    if result.plan.task == "none" and target == source:
        return told | {"output_sha256": input_sha256, "output_bytes": len(data)}
    quality = settings.jpeg_quality if format == "JPEG" else None
    out = encode(result.picture, format=format, bits=settings.bits, quality=quality)
    files.write(target, out)
    return told | {
        "output_sha256": hashlib.sha256(out).hexdigest(),
        "output_bytes": len(out),
    }


def _deadline(name: str, seconds: float | None) -> Callable[[], None]:
    """A check that raises once the time is over."""
    end = None if seconds is None else time.monotonic() + seconds

    def check() -> None:
        if end is not None and time.monotonic() > end:
            raise InputError(
                f"{name} was given up: it takes longer than {seconds:g} seconds.",
                remedy="--max-seconds allows more.",
            )

    return check


def weights_of(wishes: Wishes) -> dict[str, str]:
    """SHA-256 of what each weight of a model is made of, by name.

    Raises:
        UsageError, WeightsError: There is no such model, or a file of it is missing.
    """
    return {weight: _fingerprint(weight) for weight in model_of(wishes).weights}


def _fingerprint(weight: str) -> str:
    if not is_card_path(weight) and Path(weight).suffix:  # a checkpoint
        with Path(weight).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    files = load_card(weight).files
    told = "".join(f"{part} {files[part].sha256}\n" for part in sorted(files))
    return hashlib.sha256(told.encode()).hexdigest()
