"""Writing a file so that there is either the whole new one or still the old one."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import secrets
import socket
import stat
from functools import cache, partial
from pathlib import Path

from restora._processes import lives
from restora.errors import DiskFull, OutputError

__all__ = ["sweep", "write_atomically"]

_TEMPORARY = re.compile(r"\.restora-([0-9a-f]{8})-([0-9]+)-[0-9a-f]{16}\.part")

_REASONS = {
    errno.ENOENT: "its folder does not exist",
    errno.ENOTDIR: "a part of its path is a file, not a folder",
    errno.EISDIR: "it is a folder",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.EROFS: "the disk is read-only",
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.ENAMETOOLONG: "the name is too long",
}


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file, all or nothing.

    The bytes go to a temporary file beside the target, reach the disk, and then take the target's
    name in one step. Whatever interrupts this, even Ctrl-C, leaves the old file as it was and no
    temporary behind. A symbolic link keeps pointing where it did. An existing file keeps its
    permissions (``chmod``), which its new content never exceeds, not even while it is written; a
    new one gets those of any new file (umask). Devices and pipes, which cannot be replaced, are
    written to directly.

    Raises:
        DiskFull: There is no room for it.
        OutputError: The operating system refuses; the message says why.
    """
    try:
        target = Path(os.path.realpath(path))
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, "is a directory")
        if target.exists() and not target.is_file():
            target.write_bytes(data)
            return
        _replace(target, data)
    except (OSError, ValueError) as error:
        number = error.errno if isinstance(error, OSError) else None
        reason = _REASONS.get(number or 0) or getattr(error, "strerror", None) or str(error)
        full = number in (errno.ENOSPC, errno.EDQUOT)
        told = DiskFull if full else OutputError
        raise told(f"{os.fspath(path)} cannot be written: {reason}.") from error


def sweep(folder: Path) -> None:
    """Remove temporary files of processes of this machine that died while they wrote.

    Those of processes that live, and of other machines, are left alone.
    """
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            found = _TEMPORARY.fullmatch(entry.name)
            if found and found[1] == _machine() and not lives(int(found[2])):
                with contextlib.suppress(OSError):
                    Path(entry.path).unlink()


@cache
def _machine() -> str:
    """A name for this machine, of eight hexadecimal digits.

    Containers may share a host's name and yet number their processes each for themselves.
    """
    name = socket.gethostname()
    with contextlib.suppress(OSError):
        name += str(Path("/proc/self/ns/pid").readlink())
    return hashlib.sha256(name.encode()).hexdigest()[:8]


def _replace(target: Path, data: bytes) -> None:
    # A name of its own length, not the target's plus something: that could get too long.
    name = f".restora-{_machine()}-{os.getpid()}-{secrets.token_hex(8)}.part"
    temporary = target.with_name(name)
    mode = stat.S_IMODE(target.stat().st_mode) if target.exists() else None
    opener = partial(os.open, mode=0o666 if mode is None else mode)
    try:
        with open(temporary, "xb", opener=opener) as file:
            if mode is not None and hasattr(os, "fchmod"):
                with contextlib.suppress(OSError):  # some disks know no permissions
                    os.fchmod(file.fileno(), mode)  # what the umask took away
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
