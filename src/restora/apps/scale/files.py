"""Reading pictures and writing results, on this machine and in stores."""

from __future__ import annotations

import errno
import hashlib
import posixpath
from contextlib import suppress
from pathlib import Path
from typing import Any

from restora.apps.scale.urls import Location, is_web, local_path, locate, told
from restora.engine.batch import make_folder
from restora.engine.restore_file import LocalFiles
from restora.errors import DiskFull, InputError, OutputError

# Stores where a file is put whole: it is there when the last byte is.
_WHOLE = {"abfs", "abfss", "az", "gcs", "gs", "memory", "oss", "s3", "s3a"}


class StoreFiles:
    """Files by path or URL; see :class:`restora.engine.restore_file.Files`."""

    def __init__(self) -> None:
        """Nothing is opened before it is needed."""
        self._local = LocalFiles(tidy=True)

    def read(self, source: str, *, max_bytes: int) -> bytes:
        """The bytes of a file, in one request.

        Raises:
            InputError: It cannot be read, or is larger.
        """
        path = local_path(source)
        if path is not None:
            return self._local.read(path, max_bytes=max_bytes)
        with told(InputError, source):
            where = locate(source)
            data = _get(where, max_bytes + 1)
        if len(data) > max_bytes:
            raise InputError(
                f"{source} has more bytes than the limit of {max_bytes:,}.",
                remedy="--max-megabytes allows more.",
            )
        return data

    def write(self, target: str, data: bytes) -> None:
        """Write a result, whole or not at all.

        Raises:
            DiskFull: There is no room.
            OutputError: It cannot be written.
        """
        path = local_path(target)
        if path is not None:
            make_folder(Path(path).parent)
            self._local.write(path, data)
            return
        with told(OutputError, target):
            where = locate(target)
            try:
                _put(where.files, where.path, data)
            except OSError as error:
                if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                    raise
                raise DiskFull(f"{target} cannot be written: the disk is full.") from error


def _get(where: Location, most: int) -> bytes:
    """The first bytes of a file, ``most`` of them."""
    if not is_web(where.path):
        return bytes(where.files.cat_file(where.path, start=0, end=most))
    # A server may send a whole file when it is asked for a part, so no more of it is read than
    # that. Without blocks it is read as it comes, and with a size nobody asks for one before.
    data = bytearray()
    with where.files.open(where.path, block_size=0, size=most) as file:
        while len(data) < most and (more := file.read(most - len(data))):
            data += more
    return bytes(data)


def _put(files: Any, path: str, data: bytes) -> None:
    protocol = files.protocol
    if not _WHOLE.isdisjoint({protocol} if isinstance(protocol, str) else protocol):
        files.pipe_file(path, data)
        return
    folder = posixpath.dirname(path)
    files.makedirs(folder, exist_ok=True)
    # Always the same for a result: who dies while writing has it written over the next time.
    name = hashlib.sha256(path.encode()).hexdigest()[:16]
    temporary = posixpath.join(folder, f".restora-{name}.part")
    try:
        files.pipe_file(temporary, data)
        try:
            files.mv(temporary, path)
        except Exception:
            if not files.exists(path):
                raise
            _swap(files, temporary, path, aside=posixpath.join(folder, f".restora-{name}.old"))
    except BaseException:
        with suppress(Exception):
            files.rm_file(temporary)
        raise


def _swap(files: Any, new: str, path: str, *, aside: str) -> None:
    """Give a file the name of another: not everywhere does a new name replace an old file."""
    with suppress(Exception):  # of one who died; the file itself is there, so nobody needs it
        files.rm_file(aside)
    files.mv(path, aside)
    try:
        files.mv(new, path)
    except BaseException:
        files.mv(aside, path)
        raise
    files.rm_file(aside)
