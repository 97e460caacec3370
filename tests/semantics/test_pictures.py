"""Pictures squeezed for encoders."""

import numpy as np
import pytest
from PIL import Image

from restora.semantics.pictures import ROWS, resize


@pytest.mark.parametrize("height_px", [1, ROWS, 2 * ROWS + 3])
def test_the_whole_picture_is_rounded_and_squeezed(height_px):
    picture = np.random.default_rng(0).uniform(-0.2, 1.2, (height_px, 50, 3)).astype(np.float32)
    whole = Image.fromarray((np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8))
    expected = np.asarray(whole.resize((16, 16), Image.Resampling.BICUBIC))
    assert np.array_equal(resize(picture[None], 16)[0], expected)
