"""The REST API."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from http import HTTPStatus
from types import MappingProxyType
from typing import Annotated, Any, TypeVar
from urllib.parse import quote

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.sse import EventSourceResponse

from restora.apps.web.about import about
from restora.apps.web.answers import Answer, FileResponse
from restora.apps.web.names import file_name, plain_name
from restora.apps.web.problems import documented
from restora.apps.web.report_header import report_header
from restora.apps.web.store import Kept, State
from restora.apps.web.studio import Studio, inspected_shape, written
from restora.apps.web.wire import (
    About,
    FormatName,
    InspectedShape,
    PictureShape,
    Settings,
    Work,
    ZipWish,
)
from restora.apps.web.work import Stopped, Worker
from restora.errors import UsageError
from restora.images.formats import writable_name

LEFT_S = 0.5  # how often it is looked whether a client has left
LOOK_S = 0.05  # how often progress is looked at for those who wait for it
_MEDIA = {
    "PNG": "image/png",
    "JPEG": "image/jpeg",
    "TIFF": "image/tiff",
    "WEBP": "image/webp",
    "AVIF": "image/avif",
}
# What takes the bytes of a picture's file; all else takes a little JSON, or nothing.
FILES = ("/api/inspect", "/api/restore", "/api/pictures")
T = TypeVar("T")
_BYTES_IN = {
    "requestBody": {
        "required": True,
        "description": "The bytes of a picture's file.",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}
_REPORT = {
    "Restora-Report": {
        "description": "What was done and why, as JSON; long texts are cut.",
        "schema": {"type": "string"},
    }
}


def _bytes_out(*media: str, headers: dict[str, Any] | None = None) -> dict[int | str, Any]:
    """What OpenAPI says of an answer that is a file."""
    binary = {"schema": {"type": "string", "format": "binary"}}
    told: dict[str, Any] = {"description": "A file.", "content": dict.fromkeys(media, binary)}
    return {200: told | ({"headers": headers} if headers else {})}


Name = Annotated[str, Query(max_length=1000, description="the file's name")]
Salvage = Annotated[bool, Query(description="take what decodes of a truncated file")]
JpegQuality = Annotated[int, Query(ge=1, le=100, description="where the format is JPEG")]


async def _studio(request: Request) -> Studio:
    studio: Studio = request.app.state.studio
    return studio


def _kept(id: str, studio: Annotated[Studio, Depends(_studio)]) -> Kept:
    return studio.store.get(id)


async def _body(request: Request) -> bytes:
    """The bytes that came.

    Raises:
        UsageError: There are none.
    """
    # The request itself would keep them until the last byte of the answer is read.
    data = b"".join([part async for part in request.stream()])
    if not data:
        raise UsageError("The body is empty; send the bytes of a picture's file.")
    return data


async def _in_turn(
    request: Request, worker: Worker, work: Callable[[], T], *, left: threading.Event | None = None
) -> T:
    """Do something in its turn and wait for it, unless the client leaves.

    Args:
        request: Whose client waits.
        worker: Does it.
        work: What is done.
        left: Set once the client has left, for work that looks at it.

    Raises:
        Full: Too much waits already.
        Stopped: The client left; what had not begun will not.
    """
    future = worker.put(work)
    waiting = asyncio.ensure_future(asyncio.wrap_future(future))
    gone = False
    while not (await asyncio.wait({waiting}, timeout=LEFT_S))[0]:
        if not gone and await request.is_disconnected():  # nobody is there for the answer
            gone = True
            future.cancel()
            if left is not None:
                left.set()
    try:
        return await waiting
    except asyncio.CancelledError:
        if gone:
            raise Stopped from None
        raise


TheStudio = Annotated[Studio, Depends(_studio)]
TheKept = Annotated[Kept, Depends(_kept)]
Body = Annotated[bytes, Depends(_body)]

api = APIRouter(prefix="/api", responses=documented(401, 403, 421, 429))


@api.get("/about")
def read_about(studio: TheStudio) -> About:
    """What this server can do: models, tasks, formats, limits, examples."""
    return about(studio.limits)


@api.post("/inspect", openapi_extra=_BYTES_IN, responses=documented(408, 413, 422, 503))
async def inspect(
    studio: TheStudio, request: Request, data: Body, name: Name = "picture"
) -> InspectedShape:
    """Tell what a file knows and what its picture seems to need. Nothing is kept."""
    look = partial(_inspected, studio, data, plain_name(name))
    return await _in_turn(request, studio.quick, look)


def _inspected(studio: Studio, data: bytes, name: str) -> InspectedShape:
    opened, found = studio.inspect(data, name)
    return inspected_shape(found, opened)


class OneGo(Settings):
    """Settings, and what comes out, for a restoration of which nothing is kept."""

    name: Name = "picture"
    salvage: Salvage = False
    format: FormatName = "png"
    jpeg_quality: JpegQuality = 95


@api.post(
    "/restore",
    response_class=Response,
    openapi_extra=_BYTES_IN,
    responses=_bytes_out(*_MEDIA.values(), headers=_REPORT) | documented(408, 413, 422, 503),
)
async def restore(
    studio: TheStudio, request: Request, data: Body, wish: Annotated[OneGo, Query()]
) -> Response:
    """Restore a picture in one go: bytes in, bytes out. Nothing is kept."""
    settings = Settings.model_validate(wish.model_dump(include=set(Settings.model_fields)))
    studio.check(settings)  # told now, not in its turn
    studio.answers.check()
    left = threading.Event()
    work = partial(_in_one_go, studio, data, wish, settings, left.is_set)
    made, report = await _in_turn(request, studio.slow, work, left=left)
    return FileResponse(
        made,
        headers={"Restora-Report": report_header(report)}
        | _attachment(file_name(plain_name(wish.name), wish.format)),
        media_type=_MEDIA[writable_name(wish.format)],
    )


def _in_one_go(
    studio: Studio, data: bytes, wish: OneGo, settings: Settings, left: Callable[[], bool]
) -> tuple[Answer, dict[str, Any]]:
    name = plain_name(wish.name)
    result = studio.once(
        data, settings, name=name, salvage=wish.salvage, format=wish.format, unwanted=left
    )
    made = written(result.picture, settings, wish.format, wish.jpeg_quality)
    return studio.answers.hold(made), result.report()


@api.post(
    "/pictures",
    status_code=HTTPStatus.CREATED,
    openapi_extra=_BYTES_IN,
    responses=documented(408, 413, 422, 503),
)
async def take(
    studio: TheStudio,
    request: Request,
    data: Body,
    response: Response,
    *,
    name: Name = "picture",
    salvage: Salvage = False,
) -> PictureShape:
    """Keep a picture for a while, to try settings on it, and tell what its file knows."""
    look = partial(studio.take, data, plain_name(name), salvage=salvage)
    kept = await _in_turn(request, studio.quick, look)
    if await request.is_disconnected():  # nobody will ever know its name
        studio.store.remove(kept.id)
        raise Stopped
    response.headers["Location"] = f"/api/pictures/{kept.id}"
    return _shape(studio, kept)


@api.get("/pictures/{id}", responses=documented(404))
def read_picture(studio: TheStudio, kept: TheKept) -> PictureShape:
    """What is known of a picture, how far it is, and what came of it."""
    return _shape(studio, kept)


@api.delete(
    "/pictures/{id}", status_code=HTTPStatus.NO_CONTENT, responses=documented(404)
)  # fmt: skip
def forget(studio: TheStudio, id: str) -> None:
    """Delete a picture and all that was made of it."""
    studio.store.remove(id)


@api.post(
    "/pictures/{id}/restore",
    status_code=HTTPStatus.ACCEPTED,
    responses=documented(400, 404, 408, 413, 422, 503),
)
def ask(studio: TheStudio, kept: TheKept, settings: Settings) -> PictureShape:
    """Restore a picture. What was asked for it before and is not done is given up.

    A further quality, strength or constraint costs a fraction of the first. Work for a picture that
    nobody asks after is given up; whoever reads its events does.
    """
    studio.ask(kept, settings)
    return _shape(studio, kept)


@api.get("/pictures/{id}/events", response_class=EventSourceResponse, responses=documented(404))
async def events(studio: TheStudio, kept: TheKept) -> AsyncIterator[Work]:
    """How far a picture is, at each change, until it is done (server-sent events)."""
    told = None
    while True:
        kept.touch()
        work = _work(studio, kept)
        if work != told:
            told = work
            yield work
        if work.state not in ("waiting", "working") or studio.slow.ending:
            return
        await asyncio.sleep(LOOK_S)


@api.get(
    "/pictures/{id}/before",
    response_class=Response,
    responses=_bytes_out("image/png") | documented(404, 503),
)
async def before(studio: TheStudio, request: Request, kept: TheKept) -> Response:
    """The picture as it came, as a PNG that every browser shows."""
    return await _file(request, studio.quick, partial(studio.before, kept), "image/png")


@api.get(
    "/pictures/{id}/after",
    response_class=Response,
    responses=_bytes_out("image/png") | documented(404, 409, 422, 503),
)
async def after(
    studio: TheStudio,
    request: Request,
    kept: TheKept,
    version: Annotated[int | None, Query(description="only if it is this one")] = None,
) -> Response:
    """The result, as a PNG to look at, quickly made; for the file itself see ``file``."""
    return await _file(request, studio.quick, partial(studio.after, kept, version), "image/png")


@api.get(
    "/pictures/{id}/file",
    response_class=Response,
    responses=_bytes_out(*_MEDIA.values()) | documented(404, 409, 422, 503),
)
async def file(
    studio: TheStudio,
    request: Request,
    kept: TheKept,
    format: FormatName = "png",
    jpeg_quality: JpegQuality = 95,
) -> Response:
    """The result's file with all metadata: the bytes that the command writes."""
    return await _file(
        request,
        studio.files,
        partial(studio.file, kept, format, jpeg_quality),
        _MEDIA[writable_name(format)],
        headers=_attachment(file_name(kept.facts.name, format)),
    )


@api.post(
    "/zip",
    response_class=Response,
    responses=_bytes_out("application/zip") | documented(400, 404, 408, 409, 413, 422, 503),
)
async def zip_results(studio: TheStudio, request: Request, wish: ZipWish) -> Response:
    """The results of many pictures in one zip, with their reports."""
    every = [studio.store.get(id) for id in dict.fromkeys(wish.pictures)]
    studio.answers.check()
    left = threading.Event()
    make = partial(studio.zip, every, wish.format, wish.jpeg_quality, unwanted=left.is_set)
    made = await _in_turn(request, studio.files, make, left=left)
    headers = _attachment("restored.zip")
    return FileResponse(made, headers=headers, media_type="application/zip")


async def _file(
    request: Request,
    worker: Worker,
    make: Callable[[], bytes],
    media: str,
    *,
    headers: Mapping[str, str] = MappingProxyType({}),
) -> Response:
    """A file that a worker makes, as an answer."""
    studio: Studio = request.app.state.studio
    studio.answers.check()
    made = await _in_turn(request, worker, lambda: studio.answers.hold(make()))
    return FileResponse(made, media_type=media, headers=headers)


def _attachment(name: str) -> dict[str, str]:
    """A header that says to save the answer under this name (RFC 6266)."""
    plain = name.encode("ascii", "replace").decode().replace("\\", "_").replace('"', "'")
    told = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
    return {"Content-Disposition": told}


def _shape(studio: Studio, kept: Kept) -> PictureShape:
    facts, made = kept.facts, kept.made
    return PictureShape(
        id=kept.id,
        name=facts.name,
        size_bytes=kept.upload.size,
        format=facts.format,
        width_px=facts.width_px,
        height_px=facts.height_px,
        browser_shows=facts.browser_shows,
        inspected=facts.inspected,
        work=_work(studio, kept),
        result=made.outcome if made else None,
        kept_s=studio.limits.kept_s,
    )


def _work(studio: Studio, kept: Kept) -> Work:
    asked = kept.asked
    if asked is None:
        return Work(state="none", version=0, ahead=0, done=0, total=0, error=None)
    state: State = asked.state
    ahead = 0
    if state == "waiting" and asked.future is not None:
        state = "stopped" if asked.future.cancelled() else state
        ahead = studio.slow.ahead(asked.future)
    return Work(
        state=state,
        version=asked.version,
        ahead=ahead,
        done=asked.done,
        total=asked.total,
        error=asked.error,
    )
