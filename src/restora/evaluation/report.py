"""What a measurement says: the record, the gains that follow from it, its JSON file."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Self

import numpy as np
import PIL
from PIL import features
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from restora.errors import InputError, OutputError
from restora.evaluation.published import ProtocolName, SetName
from restora.evaluation.settings import Setting

__all__ = [
    "PLAIN_JPEG",
    "Environment",
    "Gain",
    "QualityError",
    "Report",
    "Row",
    "gains",
    "read_report",
    "write_json",
    "write_report",
]

PLAIN_JPEG = "JPEG"
"""The method name of the row that holds the plain, unrestored files."""


class _Record(BaseModel):
    # A perfect restoration has an infinite PSNR, which plain JSON cannot hold as a number.
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


class Row(_Record):
    """One method at one setting: means over the pictures.

    Attributes:
        method: ``"JPEG"`` for the plain files, else the restorer's name.
        quality: JPEG quality of the last save, 1-100.
        earlier: JPEG quality of the save before it, if there was one.
        shift_px: Rows and columns dropped between the two saves, 0-7.
        psnr: In dB; infinite if a picture came back perfect.
        ssim: -1 to 1.
        psnr_b: In dB.
        n: How many pictures.
        seconds_per_megapixel: Seconds of all pictures over megapixels of all; ``None`` for JPEG.
    """

    method: str
    quality: int = Field(ge=1, le=100)
    earlier: int | None = Field(None, ge=1, le=100)
    shift_px: tuple[int, int] = (0, 0)
    psnr: float
    ssim: float
    psnr_b: float
    n: int = Field(ge=1)
    seconds_per_megapixel: float | None = None

    @property
    def setting(self) -> Setting:
        """How the pictures were made bad."""
        return Setting(self.quality, self.earlier, self.shift_px)


class QualityError(_Record):
    """How far the estimated quality was off at one JPEG quality, in points of quality.

    ``bias`` is the mean of estimate less truth: above 0 the files look better than they are.
    """

    quality: int = Field(ge=1, le=100)
    mean_absolute_error: float
    bias: float
    n: int = Field(ge=1)


class Environment(_Record):
    """The machine and the libraries a report was made with."""

    python: str
    numpy: str
    pillow: str
    jpeg_library: str
    machine: str
    cpu_count: int

    @classmethod
    def here(cls) -> Self:
        """This process: its versions, its processor kind, the cores it may use."""
        turbo = features.version_feature("libjpeg_turbo")
        affinity = getattr(os, "sched_getaffinity", None)  # Linux only; other systems count all
        return cls(
            python=platform.python_version(),
            numpy=np.__version__,
            pillow=PIL.__version__,
            jpeg_library=f"libjpeg-turbo {turbo}"
            if turbo
            else f"libjpeg {features.version_codec('jpg')}",
            machine=platform.machine(),
            cpu_count=len(affinity(0)) if affinity else os.cpu_count() or 1,
        )


class Report(_Record):
    """The outcome of one protocol on one test set; ``notes`` say what the methods did."""

    protocol: ProtocolName
    set: SetName
    rows: tuple[Row, ...]
    quality_errors: tuple[QualityError, ...] = ()
    notes: tuple[str, ...] = ()
    environment: Environment

    @property
    def settings(self) -> tuple[Setting, ...]:
        """The settings of the rows, in order of appearance."""
        return tuple(dict.fromkeys(row.setting for row in self.rows))

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods of the rows, in order of appearance; plain JPEG first."""
        return tuple(dict.fromkeys(row.method for row in self.rows))

    def row(self, method: str, setting: Setting) -> Row | None:
        """The row of one method at one setting."""
        return next((r for r in self.rows if (r.method, r.setting) == (method, setting)), None)


class Gain(_Record):
    """What a method adds to the plain JPEG: dB, SSIM, dB. NaN where both are infinite."""

    method: str
    setting: Setting
    psnr: float
    ssim: float
    psnr_b: float


def gains(report: Report) -> tuple[Gain, ...]:
    """The gain over the plain JPEG of every restored row, in the order of the rows."""
    found = []
    for row in report.rows:
        plain = report.row(PLAIN_JPEG, row.setting)
        if row.method == PLAIN_JPEG or plain is None:
            continue
        found.append(
            Gain(
                method=row.method,
                setting=row.setting,
                psnr=row.psnr - plain.psnr,
                ssim=row.ssim - plain.ssim,
                psnr_b=row.psnr_b - plain.psnr_b,
            )
        )
    return tuple(found)


def write_report(report: BaseModel, path: Path) -> None:
    """Write a report as JSON; a file that stood there is replaced whole or not at all.

    Infinite figures become the string ``"Infinity"``.

    Raises:
        OutputError: The file cannot be written.
    """
    write_json(report.model_dump_json(indent=2), path)


def write_json(text: str, path: Path) -> None:
    """Write JSON text, as :func:`write_report` does.

    Raises:
        OutputError: The file cannot be written.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        try:
            draft.write_text(text + "\n", encoding="utf-8")
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(f"The report could not be written to {path}: {reason}.") from error


def read_report(path: Path) -> Report:
    """Read back what :func:`write_report` wrote.

    Raises:
        InputError: The file is missing or no report.
    """
    try:
        return Report.model_validate_json(path.read_bytes())
    except OSError as error:
        raise InputError(f"The report {path} cannot be read: {error.strerror or error}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        raise InputError(f"{path} is no report of Restora: {place}: {first['msg']}.") from error
