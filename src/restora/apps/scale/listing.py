"""Which pictures the URLs of a command name; see :mod:`restora.engine.listing` for paths."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import Any

from restora.apps.scale.urls import Location, is_absent, is_web, locate, reason, safe_place
from restora.engine.listing import Listed, Unusable, is_picture_name, is_text

Info = dict[str, Any]  # what fsspec tells of a file: its name, type and more

_MAGIC = "*?["
# What stores tell of a file that differs when its content does.
_TELLING = (
    "size", "ETag", "etag", "md5Hash", "content_md5", "Content-MD5", "Digest", "crc32c", "CRC",
    "generation", "LastModified", "last_modified", "Last-Modified", "updated", "modified", "mtime",
    "date_time", "created",
)  # fmt: skip


def list_url(url: str, root: str, unusable: Unusable) -> Iterator[Listed]:
    """List a picture, a folder with everything below it, or a pattern, one after the other.

    Args:
        url: One URL of fsspec.
        root: URL of a folder that is left out: results of an earlier run are no inputs.
        unusable: Takes what comes to nothing, while the list is read.
    """
    try:
        where = locate(url)
        yield from _list(where, url, root, unusable)
    except Exception as error:  # every store has its own
        _refuse(unusable, url, f" cannot be read ({reason(error)}).")


def _list(where: Location, url: str, root: str, unusable: Unusable) -> Iterator[Listed]:
    try:
        info = where.files.info(where.path)
    except FileNotFoundError as error:
        if not is_absent(error):
            raise
        info = None
    if info is None:
        matches = _matches(where) if any(sign in where.path for sign in _MAGIC) else []
        if not matches:
            _refuse(unusable, url, ": there is no such file, folder or pattern of files.")
        for match in matches:
            yield from _listed(where, match, _name(match["name"]), unusable)
    elif info["type"] == "directory" or info.get("mimetype") == "text/html":
        empty = True
        for each, place in _walk(where, root, unusable):
            empty = False
            yield from _listed(where, each, place, unusable)
        if empty:
            _refuse(unusable, url, ": the folder holds no pictures that can be read.")
    else:
        yield from _listed(where, info, _name(where.path), unusable)


def _matches(where: Location) -> list[Info]:
    found = where.files.glob(where.path, detail=True)
    return [found[path] for path in sorted(found) if found[path]["type"] == "file"]


def _walk(where: Location, root: str, unusable: Unusable) -> Iterator[tuple[Info, str]]:
    """The pictures in a folder and below, each with its place.

    One folder at a time: fsspec's own walk says nothing of folders below that it cannot read.
    """
    web = is_web(where.path)
    top = _straight(where.path) if web else where.path.rstrip("/")
    folders, met = [top], {top}
    while folders:
        folder = folders.pop()
        try:
            where.files.invalidate_cache()  # it would keep the folders before as well
            entries = where.files.ls(folder, detail=True)
        except Exception as error:
            said = where.url(folder)
            _refuse(unusable, said, f": the folder cannot be read ({reason(error)}).")
            continue
        if web:
            entries = _below(entries, top, met)
        below = []
        for entry in sorted(entries, key=lambda entry: str(entry["name"])):
            path = str(entry["name"]).rstrip("/")
            if path == folder:  # some stores hold a marker for the folder itself
                continue
            if entry["type"] == "directory":
                # Results of an earlier run are no inputs.
                if f"{where.url(path)}/" != root:
                    below.append(path)
            elif is_picture_name(_name(path)):
                yield entry, path.removeprefix(top).lstrip("/")
        folders += reversed(below)


def _below(links: list[Info], top: str, met: set[str]) -> list[Info]:
    """What a page's links lead to below the top, without the pages that were met before.

    Links may lead up, aside and back, so that one would never come to an end.
    """
    found: dict[str, Info] = {}
    for link in links:
        path = _straight(str(link["name"]))
        if link["type"] == "directory" and ("?" in path or "#" in path or path in met):
            continue
        if path.startswith(f"{top}/"):
            found[path] = link | {"name": path}
    met.update(path for path, link in found.items() if link["type"] == "directory")
    return list(found.values())


def _straight(url: str) -> str:
    """A URL without ``.`` and ``..`` in its path, nor a ``/`` behind it."""
    path = re.split("[?#]", url, maxsplit=1)[0]
    protocol, _, plain = path.partition("://")
    return f"{protocol}://{posixpath.normpath(plain)}{url[len(path) :]}"


def _listed(where: Location, info: Info, place: str, unusable: Unusable) -> Iterator[Listed]:
    """The picture, or nothing and a sentence why."""
    path = str(info["name"])
    url = where.url(path)
    safe = safe_place(place or "picture", url=url)
    if not is_text(url):
        _refuse(unusable, url, ": its name is not in UTF-8, as a manifest's must be.")
        return
    if safe is None:
        _refuse(unusable, url, ": a name such as this cannot be that of a result.")
        return
    if info.get("size") is None:  # pages with links tell no more than names
        try:
            info = where.files.info(path)
        except Exception as error:
            _refuse(unusable, url, f" cannot be read ({reason(error)}).")
            return
    yield Listed(url, safe, " ".join(str(info[key]) for key in _TELLING if info.get(key)))


def _refuse(unusable: Unusable, url: str, why: str) -> None:
    told = url.encode(errors="replace").decode()  # archives hold names of any bytes
    unusable.append((told, told + why))


def _name(path: str) -> str:
    """The last part of a path; that of a page has no question behind it."""
    if is_web(path):
        path = path.split("?", 1)[0].split("#", 1)[0]
    return path.rstrip("/").rsplit("/", 1)[-1]
