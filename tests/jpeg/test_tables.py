from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from restora.jpeg.tables import STANDARD_CHROMA, STANDARD_LUMA, scale_table


@pytest.mark.parametrize("quality", [1, 2, 24, 25, 49, 50, 51, 75, 99, 100])
def test_scaling_is_libjpegs(quality, save):
    with Image.open(io.BytesIO(save(quality=quality))) as picture:
        written = picture.quantization
    for slot, base in enumerate((STANDARD_LUMA, STANDARD_CHROMA)):
        assert scale_table(base, quality).ravel().tolist() == written[slot]


def test_quality_50_is_the_standard_table():
    assert np.array_equal(scale_table(STANDARD_LUMA, 50), STANDARD_LUMA)


@pytest.mark.parametrize("quality", [-1, 0, 101])
def test_a_quality_outside_1_to_100_is_refused(quality):
    with pytest.raises(ValueError, match=f"quality {quality} is outside 1-100"):
        scale_table(STANDARD_LUMA, quality)
