"""Writing: wishes that cannot be met, and files that are whole or untouched."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from restora.errors import OutputError, UsageError
from restora.images import Picture, atomic, check_writable, encode, read, read_bytes, write
from restora.images.atomic import write_atomically


def refusal(kind, picture, **options):
    """What encode says; check_writable says the same where it knows the options."""
    with pytest.raises(kind) as caught:
        encode(picture, **options)
    if options.keys() <= {"format", "bits"}:
        with pytest.raises(kind) as early:
            check_writable(picture, **options)
        assert str(early.value) == str(caught.value)
    return str(caught.value)


def test_wishes_that_make_no_sense(picture):
    assert refusal(UsageError, picture(), format="jpgg") == (
        "Restora does not write 'jpgg'. Did you mean JPEG? It writes JPEG, PNG, TIFF, WebP, AVIF."
    )
    assert refusal(UsageError, picture(), format="gif").startswith("Restora does not write 'gif'.")
    assert refusal(UsageError, picture(), format="JPEG", bits=16) == (
        "JPEG holds 8 bits a sample only; save as PNG or TIFF for 16."
    )
    assert refusal(UsageError, picture(), format="PNG", bits=12) == (
        "A picture is written with 8 or 16 bits a sample, not 12."
    )
    assert refusal(UsageError, picture(), format="JPEG", quality=0) == (
        "The quality is 1-100, not 0."
    )
    assert refusal(UsageError, picture(), format="JPEG", subsampling="4:1:1") == (
        "The subsampling is one of 4:4:4, 4:2:2, 4:2:0, not 4:1:1."
    )
    assert refusal(UsageError, picture(alpha=True), format="JPEG") == (
        "JPEG cannot hold transparency; save as PNG, TIFF, WebP or AVIF instead."
    )


def test_a_name_without_a_format(tmp_path, picture):
    with pytest.raises(UsageError) as caught:
        write(picture(), tmp_path / "a.xyz")
    assert str(caught.value).endswith(
        "a.xyz does not say which format to write; end it in .jpg, .png, .tif, .webp or .avif."
    )
    write(picture(), tmp_path / "a.xyz", format="png")
    assert read(tmp_path / "a.xyz").format == "PNG"


@pytest.mark.parametrize(("name", "side"), [("JPEG", 65500), ("WebP", 16383), ("AVIF", 32768)])
def test_the_longest_side(name, side):
    long = Picture(pixels=np.zeros((1, side + 1, 1), np.float32), space="gray")
    assert refusal(OutputError, long, format=name) == (
        f"{name} holds pictures of at most {side} pixels a side, and this one has {side + 1}; "
        f"save as PNG or TIFF instead."
    )
    fits = long.with_pixels(long.pixels[:, 1:])
    assert encode(fits, format=name)


def test_metadata_too_large_for_jpeg(picture):
    big = replace(picture(), metadata=replace(picture().metadata, xmp=b"x" * 70_000))
    assert refusal(OutputError, big, format="JPEG") == (
        "The XMP is 70029 bytes long and JPEG holds 65533; "
        "save as PNG or TIFF, or leave the metadata out."
    )


@pytest.mark.parametrize("name", ["JPEG", "PNG", "TIFF", "WebP", "AVIF"])
def test_what_can_be_written_passes_the_check(name, picture):
    for space in ("gray", "rgb", "cmyk"):
        for alpha in (False,) if name == "JPEG" or space == "cmyk" else (False, True):
            check_writable(picture(space=space, bits=16, alpha=alpha), format=name)
            check_writable(picture(space=space, alpha=alpha, orientation=6), format=name, bits=8)


def test_the_profile_that_is_left_out_anyway_is_no_reason_to_refuse(picture, icc):
    metadata = replace(picture().metadata, icc=icc(b"CMYK", 17 << 20))
    check_writable(replace(picture(), metadata=metadata), format="JPEG")
    metadata = replace(metadata, icc=icc(b"RGB ", 17 << 20))
    assert refusal(OutputError, replace(picture(), metadata=metadata), format="JPEG") == (
        "The colour profile is larger than JPEG can hold; save as PNG or TIFF."
    )


@pytest.mark.skipif(not hasattr(os, "fchmod"), reason="needs permissions as Unix has them")
@pytest.mark.parametrize("mode", [0o600, 0o664, 0o640, 0o444])
def test_an_overwritten_file_keeps_its_permissions(tmp_path, monkeypatch, mode):
    target = tmp_path / "a.png"
    target.write_bytes(b"old")
    target.chmod(mode)
    seen = []
    write_to_disk = os.fsync

    def look(number):
        seen.append(stat.S_IMODE(os.fstat(number).st_mode))
        write_to_disk(number)

    monkeypatch.setattr(os, "fsync", look)
    write_atomically(target, b"new")
    assert target.read_bytes() == b"new"
    assert stat.S_IMODE(target.stat().st_mode) == mode
    assert seen == [mode]  # before the name changed, too


def test_permissions_are_those_of_any_new_file(tmp_path, picture):
    plain = tmp_path / "plain"
    plain.touch()
    write(picture(), tmp_path / "a.png")
    assert stat.S_IMODE((tmp_path / "a.png").stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "plain"]


def test_a_link_stays_a_link(tmp_path, picture):
    (tmp_path / "real.png").write_bytes(b"old")
    try:
        (tmp_path / "link.png").symlink_to("real.png")
    except OSError:
        pytest.skip("no symbolic links here")
    write(picture(), tmp_path / "link.png")
    assert (tmp_path / "link.png").is_symlink()
    assert read(tmp_path / "real.png").format == "PNG"


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_an_interrupted_write_leaves_the_old_file(tmp_path, picture, monkeypatch, step, error):
    target = tmp_path / "a.png"
    target.write_bytes(b"the old file")

    def fail(*_):
        raise error

    if step == "fsync":
        monkeypatch.setattr(os, "fsync", fail)
    else:
        monkeypatch.setattr(Path, "replace", fail)
    expected = OutputError if isinstance(error, OSError) else KeyboardInterrupt
    with pytest.raises(expected) as caught:
        write(picture(), target)
    if expected is OutputError:
        assert str(caught.value) == f"{target} cannot be written: the disk is full."
    monkeypatch.undo()
    assert target.read_bytes() == b"the old file"
    assert list(tmp_path.iterdir()) == [target]


def test_places_that_cannot_be_written(tmp_path, picture):
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "folder.png").mkdir()
    for path, reason in [
        (tmp_path / "none" / "a.png", "its folder does not exist"),
        (tmp_path / "file" / "a.png", "a part of its path is a file, not a folder"),
        (tmp_path / "folder.png", "it is a folder"),
    ]:
        with pytest.raises(OutputError) as caught:
            write(picture(), path)
        assert str(caught.value) == f"{path} cannot be written: {reason}."


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is always full")
def test_a_full_disk(picture):
    with pytest.raises(OutputError) as caught:
        write(picture(), "/dev/full", format="png")
    assert str(caught.value) == "/dev/full cannot be written: the disk is full."


def test_a_name_that_no_file_can_have(tmp_path, picture):
    path = f"{tmp_path}/a\0.png"
    with pytest.raises(OutputError) as caught:
        write(picture(), path)
    assert str(caught.value).startswith(f"{path} cannot be written: ")
    assert "null" in str(caught.value)


@pytest.mark.skipif(not Path("/proc/self/ns/pid").exists(), reason="needs Linux's namespaces")
def test_half_files_of_a_container_of_the_same_name_are_left_alone(tmp_path, monkeypatch):
    """Each container numbers its processes for itself, so the number of a living one is no news."""
    paths = []
    for space in (1, 2):
        monkeypatch.setattr(Path, "readlink", lambda _, at=space: Path(f"pid:[{at}]"))
        atomic._machine.cache_clear()
        nobody = 2**22 + 1  # more than any process's number
        paths.append(tmp_path / f".restora-{atomic._machine()}-{nobody}-{'0' * 16}.part")
        paths[-1].touch()
    atomic.sweep(tmp_path)
    monkeypatch.undo()
    atomic._machine.cache_clear()
    assert list(tmp_path.iterdir()) == paths[:1]


def test_the_longest_name(tmp_path, picture):
    path = tmp_path / ("n" * 251 + ".png")  # no room for a suffix of ours
    write(picture(), path)
    assert read(path).format == "PNG"


def test_a_quick_png_shows_the_same(picture):
    original = picture()
    made = [encode(original, format="PNG", quick=quick) for quick in (False, True)]
    pixels = [read_bytes(data, name="a.png").pixels for data in made]
    assert np.array_equal(*pixels)
    assert made[0] != made[1]
