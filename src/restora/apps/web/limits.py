"""How much a server takes before it says no."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """How much a server takes before it says no.

    Attributes:
        upload_bytes: Of one file.
        held_bytes: Of all files that are coming in, or wait in memory for their turn.
        answer_bytes: Of all files that are being sent; they lie on the disk meanwhile.
        pixels: Of one picture, enlarged if it shall be.
        waiting: Pieces of work that may wait for their turn, behind the one that runs.
        work_s: Seconds that the work for one picture may take; looked at between tiles.
        unwatched_s: Seconds after which work for a picture that nobody asks after is given up.
        kept_pictures: Pictures that are kept at the same time.
        kept_bytes: Bytes of files and results that lie on the disk for them.
        kept_s: Seconds after which a picture nobody asks for is deleted.
        dial_pixels: Pixels of all pictures whose encodings stay in memory, so that a turn of the
            dial costs the decoder alone; about 110 bytes each.
    """

    upload_bytes: int = 64_000_000
    held_bytes: int = 1_000_000_000
    answer_bytes: int = 2_000_000_000
    pixels: int = 50_000_000
    waiting: int = 32
    work_s: float = 300
    unwatched_s: float = 120
    kept_pictures: int = 500
    kept_bytes: int = 8_000_000_000
    kept_s: float = 1800
    dial_pixels: int = 16_000_000
