"""The sRGB curve by table."""

import numpy as np

from restora.degradations.linear_light import from_linear, to_linear


def test_known_values():
    light = to_linear(np.array([0, 0.04045, 0.5, 1], np.float32))
    np.testing.assert_allclose(light, [0, 0.0031308, 0.21404, 1], atol=2e-5)


def test_every_8_bit_value_survives_the_way_there_and_back():
    levels = np.arange(256, dtype=np.float32) / 255
    np.testing.assert_array_equal((from_linear(to_linear(levels)) * 255).round(), np.arange(256))


def test_clips_outside_0_and_1():
    outside = np.array([-3, -0.01, 1.01, 70], np.float32)
    np.testing.assert_array_equal(to_linear(outside), [0, 0, 1, 1])
    np.testing.assert_array_equal(from_linear(outside), [0, 0, 1, 1])
