from __future__ import annotations

import math

import jpeglib
import numpy as np
import pytest

from restora.jpeg.dct import dct_matrix, forward, from_blocks, inverse, to_blocks


def direct_formula(block):
    """T.81, A.3.3, written out."""
    found = np.zeros((8, 8))
    for v in range(8):
        for u in range(8):
            total = sum(
                block[y, x]
                * math.cos((2 * x + 1) * u * math.pi / 16)
                * math.cos((2 * y + 1) * v * math.pi / 16)
                for y in range(8)
                for x in range(8)
            )
            scale = (1 / math.sqrt(2) if u == 0 else 1) * (1 / math.sqrt(2) if v == 0 else 1)
            found[v, u] = scale * total / 4
    return found


def test_forward_is_the_standards_formula():
    block = np.random.default_rng(0).normal(0, 60, (8, 8))
    assert np.allclose(forward(block, dct_matrix()), direct_formula(block), atol=1e-10)


def test_the_matrix_is_orthonormal():
    matrix = dct_matrix()
    assert np.allclose(matrix @ matrix.T, np.eye(8), atol=1e-14)


def test_inverse_undoes_forward():
    blocks = np.random.default_rng(1).normal(0, 60, (2, 3, 4, 8, 8))
    matrix = dct_matrix()
    assert np.allclose(inverse(forward(blocks, matrix), matrix), blocks, atol=1e-10)


def test_a_flat_block_has_only_its_first_coefficient():
    coefficients = forward(np.full((8, 8), 10.0), dct_matrix())
    assert coefficients[0, 0] == pytest.approx(80)
    assert np.abs(coefficients).sum() == pytest.approx(80)


@pytest.mark.parametrize("shape", [(8, 8), (16, 24), (3, 8, 16), (2, 3, 24, 8)])
def test_blocks_go_back_where_they_were(shape):
    plane = np.arange(math.prod(shape)).reshape(shape)
    blocks = to_blocks(plane)
    assert blocks.shape == (*shape[:-2], shape[-2] // 8, shape[-1] // 8, 8, 8)
    assert np.array_equal(from_blocks(blocks), plane)


def test_blocks_are_squares_of_the_picture():
    plane = np.arange(16 * 24).reshape(16, 24)
    assert np.array_equal(to_blocks(plane)[1, 2], plane[8:16, 16:24])


def test_coefficients_are_those_jpeglib_reads(save, tmp_path):
    path = tmp_path / "gray.jpg"
    path.write_bytes(save("L", quality=95))
    coded = jpeglib.read_dct(str(path))
    pixels = jpeglib.read_spatial(str(path)).spatial[..., 0].astype(float) - 128
    found = forward(to_blocks(pixels), dct_matrix()) / coded.qt[0]
    inside = np.abs(pixels).max() < 127  # no pixel was clipped, so nothing was lost but rounding
    assert inside
    # Pixels are rounded to whole numbers, which moves a coefficient by at most 4, rarely above 1.
    assert np.abs(found - coded.Y).mean() < 0.2
