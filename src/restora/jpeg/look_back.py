"""Looking in a file's luma for an earlier save."""

from __future__ import annotations

import io

import numpy as np

from restora.jpeg.facts import JpegFacts
from restora.jpeg.history import find_earlier_save
from restora.jpeg.markers import read_layout
from restora.jpeg.work import decodable, too_much_work

# A quarter of a gigabyte of luma, three times. `restora inspect` takes files of any size, bombs
# among them.
MOST_PIXELS = 250_000_000


def look_back(data: bytes, facts: JpegFacts) -> JpegFacts:
    """The facts with what is found of an earlier save.

    Files that are cut off, enormous, in very many scans or do not decode, and those whose first
    plane is no luma, are left unlooked at: their facts come back as they were.

    Args:
        data: The whole file.
        facts: What :func:`restora.jpeg.inspect` says of it.
    """
    if facts.truncated or facts.precision_bits != 8 or facts.colour_space not in ("gray", "YCbCr"):
        return facts
    if not facts.enough_data or facts.width_px * facts.height_px > MOST_PIXELS:
        return facts
    if too_much_work(width_px=facts.width_px, height_px=facts.height_px, scans=facts.scan_count):
        return facts
    table = facts.table(0)
    if table is None:
        return facts
    from restora.jpeg.decoder import JpegFile  # noqa: PLC0415 - the other facts need no decoder

    try:
        with JpegFile(io.BytesIO(decodable(data, read_layout(data, name="")))) as image:
            image.draft("L", image.size)  # the decoder's own luma, untouched by conversions
            luma = np.asarray(image if image.mode == "L" else image.convert("L"))
    except (OSError, SyntaxError, ValueError):
        return facts
    found = find_earlier_save(luma, table)
    return facts.model_copy(update={"looked_back": True, "earlier_save": found})
