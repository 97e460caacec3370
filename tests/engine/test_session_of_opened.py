"""Sessions of a file that was opened already, and those that keep nothing."""

import numpy as np
import pytest

from restora.engine.plan import Wishes
from restora.engine.restorer import Restorer
from restora.errors import InputError


@pytest.fixture(scope="module")
def restorer():
    return Restorer(threads=1)


def test_an_opened_file_is_not_read_again(restorer, jpeg):
    data = jpeg(quality=20)
    opened = restorer.open(data)
    session = restorer.session(opened, Wishes(strength=60))
    assert session.picture is opened.picture
    expected = restorer.restore(data, Wishes(strength=60)).picture.pixels
    assert np.array_equal(session.restore().picture.pixels, expected)


def test_an_opened_file_is_enlarged_too(restorer, jpeg):
    opened = restorer.open(jpeg(quality=20))
    session = restorer.session(opened, Wishes(task="real", upscale=2))
    assert session.picture.width_px == 2 * opened.picture.width_px
    with pytest.raises(InputError, match="pixels"):
        restorer.session(opened, Wishes(task="real", upscale=4), max_pixels=20_000)


def test_what_keeps_nothing_gives_the_same(restorer, jpeg):
    opened = restorer.open(jpeg(quality=20))
    kept = restorer.session(opened)
    bare = restorer.session(opened, remember=False)
    for quality in ("auto", 10, 70):
        pixels = [each.restore(quality=quality).picture.pixels for each in (kept, bare)]
        assert np.array_equal(*pixels)


def test_an_encoding_is_used_again_unless_nothing_is_kept(restorer, jpeg, monkeypatch):
    from restora.engine.backend_ort import OrtBackend

    encoded = []
    encode = OrtBackend.encode

    def counted(self, *args, **options):
        encoded.append(1)
        return encode(self, *args, **options)

    monkeypatch.setattr(OrtBackend, "encode", counted)
    opened = restorer.open(jpeg(quality=20))
    for remember, times in ((True, 1), (False, 3)):
        session = restorer.session(opened, Wishes(quality=30), remember=remember)
        encoded.clear()
        for quality in (10, 30, 60):
            session.restore(quality=quality)
        assert len(encoded) == times
