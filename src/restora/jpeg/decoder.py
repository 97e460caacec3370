"""Pillow's JPEG reader, opened by itself.

``Image.open`` warns about large pictures and refuses still larger ones by settings of the whole
process; here the caller knows the size, from the header, before anything is decoded.
"""

from __future__ import annotations

from PIL import JpegImagePlugin

__all__ = ["JpegFile"]


class JpegFile(JpegImagePlugin.JpegImageFile):
    """Pillow's reader without its two habits that are not per call.

    It warns about damaged EXIF (which is read elsewhere, more patiently), and it forgives a missing
    end only through a setting that holds for the whole process.

    Attributes:
        ending: What to pretend the file ends with; None pretends nothing.
        ran_out: Whether the decoder asked for more than the file holds, and got ``ending``.
    """

    ending: bytes | None = None
    ran_out = False

    def _read_dpi_from_exif(self) -> None:
        pass

    def load_read(self, read_bytes: int) -> bytes:
        """The next bytes for the decoder; Pillow calls this."""
        assert self.fp is not None
        data = self.fp.read(read_bytes)
        if data or self.ran_out or self.ending is None:
            return data
        self.ran_out = True
        return self.ending
