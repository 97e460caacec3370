"""How much work a JPEG may ask a decoder for: the limits, and the file without what is not needed.

A scan of a progressive JPEG can say in 200 bytes that nothing changes in a hundred megapixels, and
the decoder walks over all of them. So a file of a megabyte can ask for hours.
"""

from __future__ import annotations

from typing import Final

from restora.errors import InputError
from restora.jpeg.markers import APP0, APP14, COM, Frame, Layout

__all__ = ["check_work", "decodable", "too_much_work"]

# libjpeg-turbo's authors advise this limit; a real file has about 10.
_SCANS_MAX: Final = 500
# Pixels of all scans: 20 scans of 250 megapixels. A core does a thousand million in 1 to 2 seconds.
_SCANNED_PIXELS_MAX: Final = 5_000_000_000
_APP_LAST = 0xEF


def too_much_work(*, width_px: int, height_px: int, scans: int) -> bool:
    """Whether a picture has more scans than any real one, or far too many for its size."""
    return scans > _SCANS_MAX or scans * width_px * height_px > _SCANNED_PIXELS_MAX


def check_work(layout: Layout, frame: Frame, *, name: str) -> None:
    """Refuse a file that would keep the decoder busy for minutes.

    Raises:
        InputError: It has too many scans for its size.
    """
    scans = len(layout.scans)
    if too_much_work(width_px=frame.width_px, height_px=frame.height_px, scans=scans):
        raise InputError(
            f"{name} is coded in {scans:,} passes over {frame.width_px}×{frame.height_px} pixels, "
            f"far more than any real picture; it is damaged or a trap."
        )


def decodable(data: bytes, layout: Layout) -> bytes:
    """The file without its metadata and without the junk between its first segments.

    Pillow looks at those byte by byte and joins EXIF piece by piece, which takes minutes where
    there is much of them. From the first scan on nothing changes.

    Args:
        data: The whole file.
        layout: Of its first picture.
    """
    scans = layout.scans
    if not scans:
        return data
    header = [
        data[segment.offset : segment.end]
        for segment in layout.segments
        if segment.offset < scans[0].offset and not _is_metadata(segment.marker)
    ]
    return b"".join([*header, memoryview(data)[scans[0].offset :]])


def _is_metadata(marker: int) -> bool:
    return marker == COM or (APP0 < marker <= _APP_LAST and marker != APP14)
