"""Earlier saves: made by code, found by their offset and quality."""

import io

import numpy as np
import pytest
from PIL import Image

from restora.jpeg.history import TRUSTED, EarlierSave, find_earlier_save


@pytest.fixture(scope="module")
def picture():
    """Gray levels between flat and noisy, with edges: ``(264, 296)``, unclipped."""
    rng = np.random.default_rng(5)
    spectrum = rng.normal(size=(264, 296)) + 1j * rng.normal(size=(264, 296))
    down, across = np.meshgrid(np.fft.fftfreq(264), np.fft.fftfreq(296), indexing="ij")
    clouds = np.fft.ifft2(spectrum / (np.hypot(down, across) + 0.004) ** 1.2).real
    edges = np.sign(np.roll(clouds, 40, axis=1)) * 14
    levels = 128 + 30 * clouds / clouds.std() + edges
    return np.clip(levels, 6, 249).astype(np.uint8)


def saved(pixels, quality, **options):
    """The luma and its table after a save."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "JPEG", quality=quality, **options)
    image = Image.open(buffer)
    table = np.array(image.quantization[0]).reshape(8, 8)
    image.draft("L", image.size)
    return np.asarray(image), table


def saved_twice(pixels, first, second, row_px, column_px):
    """As :func:`saved`, with a crop between the saves that puts the first grid at the offset."""
    once, _ = saved(pixels, first)
    return saved(once[-row_px % 8 :, -column_px % 8 :], second)


@pytest.mark.parametrize(
    ("first", "second", "row_px", "column_px"),
    [
        (10, 30, 4, 4),
        (30, 50, 4, 4),
        (10, 50, 1, 7),
        (30, 90, 3, 0),
        (50, 75, 0, 5),
        (70, 90, 6, 2),
    ],
)
def test_a_harder_save_on_another_grid_is_found(picture, first, second, row_px, column_px):
    found = find_earlier_save(*saved_twice(picture, first, second, row_px, column_px))
    assert found is not None
    assert (found.row_px, found.column_px) == (row_px, column_px)
    assert abs(found.quality - first) <= 1
    assert found.confidence >= TRUSTED


@pytest.mark.parametrize(("first", "second"), [(10, 30), (30, 50), (50, 90), (20, 70)])
def test_a_harder_save_on_the_same_grid_is_found(picture, first, second):
    found = find_earlier_save(*saved_twice(picture, first, second, 0, 0))
    assert found is not None
    assert (found.row_px, found.column_px) == (0, 0)
    assert abs(found.quality - first) <= 1
    assert found.confidence >= TRUSTED


@pytest.mark.parametrize("quality", [8, 20, 30, 50, 75, 90, 95, 100])
def test_one_save_is_one_save(picture, quality):
    found = find_earlier_save(*saved(picture, quality))
    assert found is None or found.confidence < TRUSTED


@pytest.mark.parametrize(("row_px", "column_px"), [(0, 0), (4, 4)])
def test_a_milder_save_before_is_no_news(picture, row_px, column_px):
    found = find_earlier_save(*saved_twice(picture, 90, 60, row_px, column_px))
    assert found is None or found.confidence < TRUSTED


def test_one_save_with_tables_of_its_own(picture):
    table = np.add.outer(np.arange(8), np.arange(8)) * 3 + 5
    luma, read = saved(picture, 50, qtables=[table.ravel().tolist()])
    assert np.array_equal(read, table)
    found = find_earlier_save(luma, read)
    assert found is None or found.confidence < TRUSTED


def test_an_earlier_save_with_tables_of_its_own_is_named_by_its_likeness(picture):
    table = np.full((8, 8), 40)
    once, _ = saved(picture, 50, qtables=[table.ravel().tolist()])
    found = find_earlier_save(*saved(once[3:, 5:], 90))
    assert found is not None
    assert (found.row_px, found.column_px) == (5, 3)
    # In the low frequencies, where a step of 40 hurts, libjpeg has it between 12 and 25.
    assert 12 <= found.quality <= 25


def test_a_colour_save_is_found_in_the_luma(picture):
    colour = np.stack([picture, picture[::-1] // 2 + 60, 200 - picture // 3], axis=-1)
    buffer = io.BytesIO()
    Image.fromarray(colour).save(buffer, "JPEG", quality=20, subsampling="4:2:0")
    once = np.asarray(Image.open(buffer))
    found = find_earlier_save(*saved(once[3:, 2:], 60))
    assert found is not None
    assert (found.quality, found.row_px, found.column_px) == (20, 5, 6)


@pytest.mark.parametrize(("row_px", "column_px"), [(0, 0), (2, 5)])
def test_pixels_without_a_table(picture, row_px, column_px):
    """As from a PNG that was made of a JPEG: even the file's own offset is news."""
    luma, _ = saved(picture, 40)
    found = find_earlier_save(luma[-row_px % 8 :, -column_px % 8 :], None)
    assert found is not None
    assert (found.quality, found.row_px, found.column_px) == (40, row_px, column_px)
    assert find_earlier_save(picture, None) is None


def test_floats_say_the_same_as_bytes(picture):
    luma, table = saved_twice(picture, 20, 60, 4, 4)
    assert find_earlier_save(luma.astype(np.float32), table) == find_earlier_save(luma, table)


def test_pictures_with_nothing_to_see():
    table = np.full((8, 8), 3)
    assert find_earlier_save(np.zeros((0, 0), np.uint8), table) is None
    assert find_earlier_save(np.full((1, 300), 90, np.uint8), table) is None
    assert find_earlier_save(np.full((14, 200), 90, np.uint8), table) is None
    assert find_earlier_save(np.full((200, 200), 90, np.uint8), table) is None
    assert find_earlier_save(np.full((200, 200), 255, np.uint8), None) is None


def test_no_quality_is_worse_than_the_worst(picture):
    assert find_earlier_save(*saved(picture, 4)) is None
    assert find_earlier_save(picture, np.full((8, 8), 255)) is None


def test_a_table_with_a_zero_does_no_harm(picture):
    luma, table = saved(picture, 60)
    table[0, 1] = 0
    found = find_earlier_save(luma, table)
    assert found is None or found.confidence < TRUSTED


@pytest.mark.parametrize("shape", [(64,), (64, 64, 3)])
def test_the_luma_is_one_plane(shape):
    with pytest.raises(ValueError, match=r"luma is \(H, W\), not"):
        find_earlier_save(np.zeros(shape), None)


def test_the_table_is_eight_by_eight(picture):
    with pytest.raises(ValueError, match=r"table is \(8, 8\), not \(64,\)"):
        find_earlier_save(picture, np.ones(64, np.int64))


def test_a_large_picture_costs_a_small_one(picture):
    """The sample is bounded, and the same each time."""
    luma, table = saved_twice(np.tile(picture, (6, 6)), 30, 60, 4, 4)
    found = find_earlier_save(luma, table)
    assert found == find_earlier_save(luma, table)
    assert found is not None
    assert (found.quality, found.row_px, found.column_px) == (30, 4, 4)


def test_it_travels_as_json():
    save = EarlierSave(quality=30, row_px=4, column_px=0, confidence=0.97)
    assert EarlierSave.model_validate_json(save.model_dump_json()) == save
