"""Words for what a file holds besides its first picture: writing over the file would lose it."""

from __future__ import annotations

__all__ = ["bytes_behind", "listed", "more"]

# Cameras leave a kilobyte of their own behind a picture; more than this is somebody's.
_NOBODYS_BYTES = 4096
_PADDING = b"\0\xff"


def more(count: int, noun: str) -> str | None:
    """``"2 more frames"``; None where there are none."""
    if count < 1:
        return None
    return f"{count:,} more {noun}{'' if count == 1 else 's'}"


def bytes_behind(data: bytes, end: int) -> str | None:
    """``"39,691 bytes behind the picture"``; None where there are but few, or only padding.

    Args:
        data: The whole file.
        end: Where its picture ends.
    """
    count = len(data[end:].strip(_PADDING))
    return f"{count:,} bytes behind the picture" if count > _NOBODYS_BYTES else None


def listed(*parts: str | None) -> str | None:
    """Those that are there, as one text; None where none is."""
    return " and ".join(part for part in parts if part) or None
