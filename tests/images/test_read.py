"""Reading: every kind of file, against independent readers, and every kind of note."""

from __future__ import annotations

import io
import struct
import threading
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image

from restora.images import encode, read, read_bytes
from restora.images.tiff_exif import EMBEDDED_TAG


def saved(image, name, **options):
    out = io.BytesIO()
    image.save(out, name, **options)
    return out.getvalue()


def reread(data, **options):
    return read_bytes(data, name="x", **options)


def as_bytes(pixels):
    return np.rint(pixels * 255).astype(np.uint8)


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0", "4:1:1"])
@pytest.mark.parametrize("size", [(64, 48), (1, 1), (17, 9), (7, 33)])
def test_jpeg_of_every_sampling(subsampling, progressive, size, smooth):
    image = Image.fromarray(smooth(size[1], size[0]))
    data = saved(image, "JPEG", subsampling=subsampling, progressive=progressive, quality=80)
    found = reread(data)
    assert (found.space, found.bits, found.format, found.notes) == ("rgb", 8, "JPEG", ())
    assert np.array_equal(as_bytes(found.pixels), np.asarray(Image.open(io.BytesIO(data))))


def test_jpeg_with_a_true_4_1_1(tmp_path, smooth):
    # Pillow takes "4:1:1" for 4:2:0, so the real one is made by another library.
    import jpeglib

    path = tmp_path / "a.jpg"
    jpeg = jpeglib.from_spatial(smooth(48, 64))
    jpeg.samp_factor = ((1, 4), (1, 1), (1, 1))
    jpeg.write_spatial(str(path))
    image = Image.open(path)
    assert sorted(image.layer[0][1:3]) == [1, 4]
    assert np.array_equal(as_bytes(read(path).pixels), np.asarray(image))


@pytest.mark.parametrize("progressive", [False, True])
def test_jpeg_gray(progressive, smooth):
    data = saved(Image.fromarray(smooth()[..., 0]), "JPEG", progressive=progressive)
    found = reread(data)
    assert found.space == "gray"
    assert found.pixels.shape == (48, 64, 1)
    assert found.is_neutral


def test_jpeg_cmyk_counts_ink_upwards(smooth):
    inks = np.concatenate([smooth(), np.full((48, 64, 1), 30, np.uint8)], axis=2)
    data = saved(Image.frombytes("CMYK", (64, 48), inks.tobytes()), "JPEG", quality=95)
    assert b"Adobe" in data
    found = reread(data)
    assert found.space == "cmyk"
    assert np.abs(as_bytes(found.pixels).astype(int) - inks).mean() < 4


def test_jpeg_ycck_is_cmyk_with_its_first_three_inks_coded_as_ycc(smooth):
    # libjpeg takes 255 - R, 255 - G, 255 - B for the upside-down C, M, Y: R, G, B are the inks.
    # K lies upside down as it is. Adobe's transform 2 says so.
    plain = np.full((16, 16, 3), (200, 120, 40), np.uint8)
    ycc = np.asarray(Image.fromarray(plain).convert("YCbCr"))
    stored = np.concatenate([ycc, np.full((16, 16, 1), 255 - 30, np.uint8)], axis=2)
    data = saved(Image.frombytes("CMYK", (16, 16), (255 - stored).tobytes()), "JPEG", quality=100)
    at = data.index(b"Adobe") + 11
    data = data[:at] + b"\x02" + data[at + 1 :]
    inks = as_bytes(reread(data).pixels).astype(int)
    assert np.abs(inks - [200, 120, 40, 30]).max() <= 4


def test_jpeg_without_its_end_marker_is_whole(smooth):
    data = saved(Image.fromarray(smooth()), "JPEG", quality=60)
    found = reread(data[:-2])
    assert np.array_equal(found.pixels, reread(data).pixels)
    assert found.notes == ("The end marker is missing; the picture itself is complete.",)


@pytest.mark.parametrize("progressive", [False, True])
def test_cut_jpeg_gives_the_part_that_decodes(progressive, samples):
    noise = samples(96, 64, 3)
    data = saved(Image.fromarray(noise), "JPEG", quality=90, progressive=progressive)
    whole, part = reread(data), reread(data[: len(data) * 6 // 10], salvage=True)
    assert part.pixels.shape == whole.pixels.shape
    (note,) = part.notes
    if progressive:
        assert note == "The file is cut off: of this progressive JPEG the finer detail is missing."
    else:
        rows = int(note.split("about ")[1].split(" of")[0])
        assert 40 <= rows <= 64
        good = rows - 8
        assert np.array_equal(part.pixels[:good], whole.pixels[:good])


def test_mpo_gives_its_first_picture(smooth):
    first, second = Image.fromarray(smooth()), Image.fromarray(255 - smooth())
    data = saved(first, "MPO", save_all=True, append_images=[second])
    found = reread(data)
    assert found.format == "MPO"
    assert found.notes == ("The file holds 2 pictures; the first was taken.",)
    assert found.left_out == "1 more picture"
    assert np.abs(as_bytes(found.pixels).astype(int) - smooth()).mean() < 12
    alone = reread(data[: data.index(b"\xff\xd9") + 2])  # its index still counts two
    assert (alone.format, alone.notes, alone.left_out) == ("JPEG", (), None)


@pytest.mark.parametrize("name", ["JPEG", "PNG"])
def test_bytes_behind_the_picture_are_told(name, smooth):
    data = saved(Image.fromarray(smooth()), name)
    film = b"\0\0\0\x18ftypmp42" + bytes(range(1, 251)) * 100
    found = reread(data + bytes(9000) + film)
    assert found.left_out == "25,009 bytes behind the picture"
    assert found.notes[0].startswith("The file holds 25,009 bytes behind the picture")
    for unimportant in (bytes(90_000), b"\xff" * 90_000, film[:4000]):
        found = reread(data + unimportant)
        assert (found.notes, found.left_out) == ((), None)


NOT_OF_THIS_WORLD = {(n, m) for n in ("BMP", "PPM") for m in ("LA", "RGBA")} | {
    ("PPM", "P"),
    ("AVIF", "P"),
}


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        (name, mode)
        for name in ("PNG", "TIFF", "BMP", "GIF", "WEBP", "AVIF", "PPM")
        for mode in ("1", "L", "P", "LA", "RGB", "RGBA")
        if (name, mode) not in NOT_OF_THIS_WORLD
    ],
)
def test_every_format_against_pillow(name, mode, smooth):
    image = Image.fromarray(smooth(10, 12)).convert(mode)
    if mode in {"LA", "RGBA"}:
        image.putalpha(Image.fromarray(smooth(10, 12)[..., 0]))
    data = saved(image, name)
    found = reread(data)
    seen = Image.open(io.BytesIO(data))
    if found.alpha is not None:
        assert np.array_equal(found.alpha, np.asarray(seen.convert("RGBA"))[..., 3])
    if found.space == "gray":
        assert np.array_equal(as_bytes(found.pixels)[..., 0], np.asarray(seen.convert("L")))
    else:
        rgb = np.asarray(seen.convert("RGBA"))[..., :3]
        assert np.array_equal(as_bytes(found.pixels), rgb)
    if mode in {"LA", "RGBA"} and name != "GIF":
        assert found.alpha is not None


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_png_gray_of_every_depth_with_one_see_through_level(depth):
    width, height = 8, 3
    levels = np.arange(width * height).reshape(height, width) % (1 << depth)
    bits = np.array([[f"{v:0{depth}b}" for v in row] for row in levels])
    lines = [b"\0" + int("".join(row), 2).to_bytes(width * depth // 8, "big") for row in bits]
    data = png(width, height, depth, 0, b"".join(lines), trns=struct.pack(">H", 1))
    found = reread(data)
    assert np.allclose(found.pixels[..., 0], levels / ((1 << depth) - 1), atol=1e-6)
    assert found.bits == (16 if depth == 16 else 8)
    full = 65535 if depth == 16 else 255
    assert np.array_equal(found.alpha, np.where(levels == 1, 0, full))


@pytest.mark.parametrize("depth", [8, 16])
def test_png_colour_with_one_see_through_colour(depth, samples):
    colours = samples(3, 4, 3, depth)
    kind = ">u2" if depth == 16 else "u1"
    lines = b"".join(b"\0" + row.astype(kind).tobytes() for row in colours)
    key = struct.pack(">HHH", *colours[1, 2])
    found = reread(png(4, 3, depth, 2, lines, trns=key))
    assert found.alpha[1, 2] == 0
    assert (found.alpha == 0).sum() == 1


def test_png_palette_with_a_table_of_alphas():
    palette = bytes([255, 0, 0, 0, 255, 0, 0, 0, 255])
    data = png(3, 1, 8, 3, b"\0\0\1\2", trns=bytes([0, 128]), plte=palette)
    found = reread(data)
    assert as_bytes(found.pixels).tolist() == [[[255, 0, 0], [0, 255, 0], [0, 0, 255]]]
    assert found.alpha.tolist() == [[0, 128, 255]]


def png(width, height, depth, colour_type, lines, *, trns=b"", plte=b"", more=b""):
    from restora.images.png_chunks import SIGNATURE, chunk

    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    out = SIGNATURE + chunk(b"IHDR", header) + more
    out += chunk(b"PLTE", plte) if plte else b""
    out += chunk(b"tRNS", trns) if trns else b""
    return out + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("cut", [0.5, 0.8])
@pytest.mark.parametrize("bits", [8, 16])
def test_cut_png_gives_the_part_that_decodes(bits, cut, picture):
    original = picture(120, 40, bits=bits)
    data = encode(original, format="PNG")
    part = reread(data[: int(len(data) * cut)], salvage=True)
    rows = int(part.notes[0].split("about ")[1].split(" of")[0])
    assert 10 < rows < 120
    assert np.allclose(part.pixels[: rows - 1], original.pixels[: rows - 1], atol=1e-6)


def test_damaged_png_metadata_is_a_note():
    from restora.images.png_chunks import chunk

    bad = chunk(b"iCCP", b"name\0\0not zlib") + chunk(b"eXIf", b"rubbish")
    found = reread(png(1, 1, 8, 0, b"\0\x80", more=bad))
    assert found.notes == (
        "The iCCP chunk is damaged and was left out.",
        "The EXIF could not be read and was left out.",
    )


def test_profile_bomb_is_left_out():
    from restora.images.png_chunks import chunk

    bomb = chunk(b"iCCP", b"n\0\0" + zlib.compress(bytes(70 << 20), 9))
    found = reread(png(1, 1, 8, 0, b"\0\x80", more=bomb))
    assert found.metadata.icc is None
    assert found.notes == ("The iCCP chunk is damaged and was left out.",)


def test_old_png_profiles_of_imagemagick(exif):
    from restora.images.png_chunks import chunk

    payload = b"Exif\0\0" + exif(3)
    text = b"\nexif\n%8d\n" % len(payload) + payload.hex().encode() + b"\n"
    body = b"Raw profile type exif\0\0" + zlib.compress(text)
    found = reread(png(1, 1, 8, 0, b"\0\x80", more=chunk(b"zTXt", body)))
    assert found.metadata.exif == exif(3)
    assert found.metadata.orientation == 3


@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("bits", [8, 16])
def test_tiff_gray_both_ways_round(bits, order, compression, photometric, samples):
    gray = samples(9, 11, 1, bits)[..., 0]
    out = io.BytesIO()
    tifffile.imwrite(out, gray, byteorder=order, compression=compression, photometric=photometric)
    found = reread(out.getvalue())
    peak = (1 << bits) - 1
    wanted = peak - gray if photometric == "miniswhite" else gray
    assert found.bits == bits
    assert np.array_equal(np.rint(found.pixels[..., 0] * peak), wanted)


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("bits", "channels"), [(8, 3), (8, 4), (16, 3), (16, 4)])
def test_tiff_colour(bits, channels, *, order, compression, planar, samples):
    colours = samples(9, 11, channels, bits)
    stored = np.ascontiguousarray(np.moveaxis(colours, 2, 0)) if planar == "separate" else colours
    out = io.BytesIO()
    tifffile.imwrite(
        out, stored, byteorder=order, compression=compression, planarconfig=planar,
        photometric="rgb", extrasamples=["unassalpha"] if channels == 4 else None,
    )  # fmt: skip
    found = reread(out.getvalue())
    assert found.bits == bits
    assert np.array_equal(np.rint(found.pixels * ((1 << bits) - 1)), colours[..., :3])
    if channels == 4:
        assert np.array_equal(found.alpha, colours[..., 3])


def test_tiff_packed_with_lzw_needs_no_extra(samples):
    data = saved(Image.fromarray(samples(9, 11, 3)), "TIFF", compression="tiff_lzw")
    assert np.array_equal(as_bytes(reread(data).pixels), samples(9, 11, 3))


@pytest.mark.parametrize("bits", [8, 16])
def test_tiff_premultiplied_alpha_is_divided_out(bits):
    peak = (1 << bits) - 1
    half = peak // 2
    stored = np.array([[[half // 2, half, 0, half], [0, 0, 0, 0]]])
    out = io.BytesIO()
    tifffile.imwrite(
        out, stored.astype(f"u{bits // 8}"), photometric="rgb", extrasamples=["assocalpha"]
    )
    found = reread(out.getvalue())
    assert found.pixels[0, 0].tolist() == pytest.approx([0.5, 1, 0], abs=0.01)
    assert found.alpha.tolist() == [[half, 0]]


def test_tiff_of_several_pages_from_elsewhere(smooth):
    page = Image.fromarray(smooth(8, 8))
    exif = Image.Exif()
    exif[0x010F] = "Other"
    exif[0x0112] = 6
    data = saved(page, "TIFF", save_all=True, append_images=[page], exif=exif, dpi=(150, 150))
    found = reread(data)
    assert found.notes == ("The file holds 2 pictures; the first was taken.",)
    assert found.metadata.orientation == 6
    assert found.metadata.dpi == (150, 150)
    assert np.array_equal(as_bytes(found.pixels), smooth(8, 8))  # stored, not turned
    collected = Image.Exif()
    collected.load(found.metadata.exif)
    assert collected[0x010F] == "Other"


@pytest.mark.parametrize("order", ["<", ">"])
def test_tiff_exif_is_collected_where_our_mark_is_missing(order, picture):
    data = encode(picture(order=order), format="TIFF")
    mark, other = (struct.pack(order + "H", tag) for tag in (EMBEDDED_TAG, EMBEDDED_TAG + 1))
    at = data.rindex(mark)
    found = reread(data[:at] + other + data[at + 2 :])
    collected = Image.Exif()
    collected.load(found.metadata.exif)
    assert collected[0x010F] == "Camera & Co"
    assert collected.get_ifd(0x8769)[0x927C].startswith(b"MAKER")


def test_tiff_edited_by_another_program_does_not_give_old_exif(picture):
    data = encode(picture(), format="TIFF")
    at = data.rindex(struct.pack("<HH", 0x010F, 2))  # the live entry of the camera's name
    edited = data[: at + 4] + struct.pack("<I4s", 4, b"New\0") + data[at + 12 :]
    collected = Image.Exif()
    collected.load(reread(edited).metadata.exif)
    assert collected[0x010F] == "New"


def test_bigtiff_gives_its_pixels(samples):
    out = io.BytesIO()
    tifffile.imwrite(out, samples(5, 6, 3, 16), bigtiff=True, photometric="rgb")
    found = reread(out.getvalue())
    assert np.array_equal(np.rint(found.pixels * 65535), samples(5, 6, 3, 16))
    assert found.notes == ()
    assert found.left_out is None


@pytest.mark.parametrize("big", [False, True])
def test_tiff_counts_its_pictures(big, samples):
    out = io.BytesIO()
    with tifffile.TiffWriter(out, bigtiff=big) as file:
        for _ in range(3):
            file.write(samples(5, 6, 3), photometric="rgb")
    found = reread(out.getvalue())
    assert "The file holds 3 pictures; the first was taken." in found.notes
    assert found.left_out == "2 more pictures"


def test_tiff_counts_the_pictures_below_the_first(samples):
    out = io.BytesIO()
    with tifffile.TiffWriter(out) as file:
        file.write(samples(8, 8, 3), photometric="rgb", subifds=1)
        file.write(samples(4, 4, 3), photometric="rgb")
    assert reread(out.getvalue()).left_out == "1 more picture"


def test_16_bit_pgm(samples):
    gray = samples(3, 4, 1, 16)[..., 0]
    found = reread(b"P5 4 3 65535\n" + gray.astype(">u2").tobytes())
    assert found.bits == 16
    assert np.array_equal(np.rint(found.pixels[..., 0] * 65535), gray)


@pytest.mark.parametrize("name", ["GIF", "WEBP", "PNG"])
def test_animations_give_their_first_frame(name, smooth):
    first, second = Image.fromarray(smooth(9, 9)), Image.fromarray(255 - smooth(9, 9))
    data = saved(first, name, save_all=True, append_images=[second], duration=50)
    found = reread(data)
    assert len(found.notes) == 1
    assert found.notes[0].startswith("The file is animated")
    assert found.left_out == ("more frames" if name == "GIF" else "1 more frame")
    assert found.pixels.shape == (9, 9, 3)


def test_wrong_suffix_is_a_note(tmp_path, smooth):
    path = tmp_path / "photo.jpg"
    path.write_bytes(saved(Image.fromarray(smooth()), "PNG"))
    found = read(path)
    assert found.format == "PNG"
    note = "The name says JPEG, the content is PNG; the content was believed."
    assert found.notes == (note,)


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_damaged_exif_is_a_note_and_no_warning(name, smooth, exif):
    bad = exif(3)[:20] + b"\xff" * 20 + exif(3)[40:]  # entries that point nowhere
    data = saved(Image.fromarray(smooth()), name, exif=b"II*\0" + b"\x08\0\0\0" + bytes(200))
    found = reread(data.replace(bytes(200), bad.ljust(200, b"\xff")))
    assert found.pixels.shape == (48, 64, 3)


def test_exif_that_makes_no_sense_is_left_out(smooth):
    data = saved(Image.fromarray(smooth()), "JPEG", exif=b"Exif\0\0" + b"not a directory")
    found = reread(data)
    assert found.metadata.exif is None
    assert found.notes == ("The EXIF could not be read and was left out.",)


def test_incomplete_profile_is_left_out(smooth, icc):
    data = saved(Image.fromarray(smooth()), "JPEG", icc_profile=icc(length=150_000))
    at = data.index(b"ICC_PROFILE\0\x02")
    found = reread(data[:at] + b"XXX" + data[at + 3 :])
    assert found.metadata.icc is None
    assert found.notes == ("The colour profile is incomplete and was left out.",)


def test_threads_do_not_disturb_each_other(samples):
    whole = saved(Image.fromarray(samples(64, 64, 3)), "JPEG")
    cut = whole[: len(whole) * 6 // 10]
    wrong = []

    def work(data, salvage, should_read):
        for _ in range(20):
            try:
                read_bytes(data, name="x", salvage=salvage)
                good = True
            except Exception:
                good = False
            if good != should_read:
                wrong.append((salvage, should_read))

    jobs = [(whole, False, True), (cut, True, True), (cut, False, False), (whole, True, True)]
    threads = [threading.Thread(target=work, args=job) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
