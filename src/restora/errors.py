"""What can go wrong, as one small tree.

RestoraError
├── InputError      a file or picture that cannot be used
├── OutputError     a result that cannot be written
│   └── DiskFull    there is no room for it, nor for others
├── UsageError      an option or name that makes no sense
│   └── RecipeError a training recipe with mistakes in it
├── MissingExtra    a part of Restora that is not installed
├── WeightsError    a model file that is missing, damaged or of the wrong kind
└── MemoryLimit     a tile that does not fit into memory

A message is one or two sentences a user can act on: what, where, what to do.
"""

from __future__ import annotations

__all__ = [
    "DiskFull",
    "InputError",
    "MemoryLimit",
    "MissingExtra",
    "OutputError",
    "RecipeError",
    "RestoraError",
    "UsageError",
    "WeightsError",
]


class RestoraError(Exception):
    """Base of every error Restora raises on purpose.

    Attributes:
        message: What went wrong.
        remedy: What to do about it on the command line; empty where the message says it, or nothing
            helps. Printed, the error is both.
    """

    def __init__(self, message: str = "", *, remedy: str = "") -> None:
        """Say what went wrong."""
        super().__init__(f"{message} {remedy}" if remedy else message)
        self.message = message
        self.remedy = remedy


class InputError(RestoraError):
    """A file or picture that cannot be used."""


class OutputError(RestoraError):
    """A result that cannot be written; whatever stood there before is untouched."""


class DiskFull(OutputError):
    """A result for which there is no room; others will not fit either."""


class UsageError(RestoraError):
    """An option or name that makes no sense."""


class RecipeError(UsageError):
    """A training recipe with mistakes in it; the message lists all of them."""


class MissingExtra(RestoraError):
    """A part of Restora that is not installed; the message holds the install line."""


class WeightsError(RestoraError):
    """A model file that is missing, damaged or of the wrong kind."""


class MemoryLimit(RestoraError):
    """A tile that does not fit into memory; the message names a smaller size where there is one."""
