"""GIF, BMP and WebP where they are odd, and comments that are longer than a segment of a JPEG."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from restora.errors import InputError
from restora.images import Metadata, encode, read_bytes
from restora.jpeg.markers import COM, segments

ANIMATED = "The file is animated; its first frame was taken."


def gif(*, comment=b"", frames=1, between=b"", end=b";"):
    """Frames without a control block before them, as GIF87a has them."""
    out = io.BytesIO()
    Image.new("P", (9, 7), 1).save(out, "GIF")
    whole = out.getvalue()
    at = 13 + (3 << ((whole[10] & 7) + 1))
    blocks = b"".join(bytes([len(part)]) + part for part in re.findall(rb"(?s).{1,255}", comment))
    note = b"\x21\xfe" + blocks + b"\0" if comment else b""
    frame = whole[whole.index(b",", at) : -1]
    return whole[:at] + note + between.join([frame] * frames) + end


def test_frames_without_a_control_block():
    found = read_bytes(gif(frames=2), name="a.gif")
    assert (found.notes, found.left_out) == ((ANIMATED,), "more frames")
    found = read_bytes(gif(frames=2, between=b"\x21\xfe\1,\0junk"), name="a.gif")
    assert (found.notes, found.left_out) == ((ANIMATED,), "more frames")


@pytest.mark.parametrize(
    "data",
    [
        gif(comment=b"a\x21\xf9\x04\x21\xf9\x04b"),
        gif(end=b";,,"),
        gif(end=b""),
        gif(end=b"\x21\xfe\1,"),
        gif(end=b"\x21\xfe\0" * 10_001 + b",;"),  # nobody looks for frames behind so much
    ],
    ids=["a control block in a comment", "behind the end", "no end", "cut", "far behind"],
)
def test_a_still_gif(data):
    found = read_bytes(data, name="a.gif")
    assert (found.notes, found.left_out) == ((), None)
    assert found.pixels.shape == (7, 9, 3)


@pytest.mark.parametrize("size", [1, 65_533, 65_534, 2 * 65_533, 150_000])
def test_a_long_comment_goes_into_as_many_segments_as_it_takes(size):
    comment = (b"0123456789\n" * (size // 11 + 1))[:size]
    found = read_bytes(gif(comment=comment), name="a.gif")
    jpeg = encode(found, format="JPEG")
    parts = [bytes(part.payload) for part in segments(jpeg) if part.marker == COM]
    assert b"".join(parts) == comment
    assert len(parts) == -(-size // 65_533)
    assert read_bytes(jpeg, name="a.jpg").metadata.comment == comment


def test_all_comments_of_a_jpeg_are_kept(picture):
    comments = [b"one", b"", b"three"]
    written = [
        encode(replace(picture(), metadata=Metadata(comment=text)), format="JPEG")
        for text in comments
    ]
    first, third = (data.index(b"\xff\xfe") for data in (written[0], written[2]))
    middle = b"\xff\xfe\0\2"
    data = written[2][:third] + written[0][first : first + 7] + middle + written[2][third:]
    assert read_bytes(data, name="a.jpg").metadata.comment == b"one\n\nthree"


@pytest.mark.parametrize("upwards", [True, False])
def test_a_cut_bmp_says_how_much_there_is(upwards, smooth):
    image = Image.fromarray(np.maximum(smooth(100, 40), 1))
    out = io.BytesIO()
    (image if upwards else image.transpose(Image.Transpose.FLIP_TOP_BOTTOM)).save(out, "BMP")
    data = bytearray(out.getvalue())
    if not upwards:  # a height below 0 says that the first row comes first
        data[22:26] = (-100).to_bytes(4, "little", signed=True)
    found = read_bytes(bytes(data[: 54 + 120 * 30]), name="a.bmp", salvage=True)
    assert found.notes == ("The file is damaged: about 30 of 100 rows (30 %) could be decoded.",)
    there = found.pixels.any(axis=(1, 2))
    assert there.tolist() == ([False] * 70 + [True] * 30)[:: 1 if upwards else -1]


@pytest.mark.parametrize("salvage", [False, True])
@pytest.mark.parametrize("share", [0.02, 0.5])
def test_of_a_cut_webp_nothing_can_be_salvaged(share, salvage, picture):
    data = encode(replace(picture(40, 40), metadata=Metadata()), format="WebP")
    with pytest.raises(InputError) as caught:
        read_bytes(data[: int(len(data) * share)], name="a.webp", salvage=salvage)
    assert str(caught.value) == "a.webp is cut off, and of a cut WebP nothing decodes."
