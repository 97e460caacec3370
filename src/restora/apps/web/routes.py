"""The REST API."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from http import HTTPStatus
from typing import IO, Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse
from fastapi.sse import EventSourceResponse

from restora.apps.web.about import about
from restora.apps.web.problems import documented
from restora.apps.web.store import Kept, State
from restora.apps.web.studio import Studio, file_name, inspected_shape, plain_name, written
from restora.apps.web.wire import (
    About,
    FormatName,
    InspectedShape,
    PictureShape,
    Settings,
    Work,
    ZipWish,
)
from restora.apps.web.work import Stopped
from restora.errors import UsageError
from restora.images.formats import writable_name

LEFT_S = 0.5  # how often it is looked whether a client has left
LOOK_S = 0.05  # how often progress is looked at for those who wait for it
_CHUNK_BYTES = 1 << 18
_MEDIA = {
    "PNG": "image/png",
    "JPEG": "image/jpeg",
    "TIFF": "image/tiff",
    "WEBP": "image/webp",
    "AVIF": "image/avif",
}
_BYTES_IN = {
    "requestBody": {
        "required": True,
        "description": "The bytes of a picture's file.",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}
_REPORT = {
    "Restora-Report": {
        "description": "What was done and why, as JSON.",
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


def _studio(request: Request) -> Studio:
    studio: Studio = request.app.state.studio
    return studio


def _kept(id: str, studio: Annotated[Studio, Depends(_studio)]) -> Kept:
    return studio.store.get(id)


async def _body(request: Request) -> bytes:
    """The bytes that came.

    Raises:
        UsageError: There are none.
    """
    data = await request.body()
    if not data:
        raise UsageError("The body is empty; send the bytes of a picture's file.")
    return data


TheStudio = Annotated[Studio, Depends(_studio)]
TheKept = Annotated[Kept, Depends(_kept)]
Body = Annotated[bytes, Depends(_body)]

api = APIRouter(prefix="/api", responses=documented(401, 403, 421))


@api.get("/about")
def read_about(studio: TheStudio) -> About:
    """What this server can do: models, tasks, formats, limits, examples."""
    return about(studio.limits)


@api.post("/inspect", openapi_extra=_BYTES_IN, responses=documented(413, 422, 503))
async def inspect(studio: TheStudio, data: Body, name: Name = "picture") -> InspectedShape:
    """Tell what a file knows and what its picture seems to need. Nothing is kept."""
    opened, found = await studio.quick.run(partial(studio.inspect, data, plain_name(name)))
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
    responses=_bytes_out(*_MEDIA.values(), headers=_REPORT) | documented(413, 422, 503),
)
async def restore(
    studio: TheStudio, request: Request, data: Body, wish: Annotated[OneGo, Query()]
) -> Response:
    """Restore a picture in one go: bytes in, bytes out. Nothing is kept."""
    settings = Settings.model_validate(wish.model_dump(include=set(Settings.model_fields)))
    studio.check(settings)  # told now, not in its turn
    left = threading.Event()
    work = studio.slow.put(partial(_in_one_go, studio, data, wish, settings, left.is_set))
    waiting = asyncio.ensure_future(asyncio.wrap_future(work))
    while not (await asyncio.wait({waiting}, timeout=LEFT_S))[0]:
        if await request.is_disconnected():  # nobody is there for the answer
            left.set()
            work.cancel()
    try:
        made, report = await waiting
    except asyncio.CancelledError:
        if left.is_set():
            raise Stopped from None
        raise
    told = {"Restora-Report": json.dumps(report)}
    return Response(
        made,
        headers=told | _attachment(file_name(plain_name(wish.name), wish.format)),
        media_type=_MEDIA[writable_name(wish.format)],
    )


def _in_one_go(
    studio: Studio, data: bytes, wish: OneGo, settings: Settings, left: Callable[[], bool]
) -> tuple[bytes, dict[str, Any]]:
    name = plain_name(wish.name)
    result = studio.once(
        data, settings, name=name, salvage=wish.salvage, format=wish.format, unwanted=left
    )
    return written(result.picture, settings, wish.format, wish.jpeg_quality), result.report()


@api.post(
    "/pictures",
    status_code=HTTPStatus.CREATED,
    openapi_extra=_BYTES_IN,
    responses=documented(413, 422, 429, 503),
)
async def take(
    studio: TheStudio,
    data: Body,
    response: Response,
    name: Name = "picture",
    salvage: Salvage = False,
) -> PictureShape:
    """Keep a picture for a while, to try settings on it, and tell what its file knows."""
    kept = await studio.quick.run(partial(studio.take, data, plain_name(name), salvage=salvage))
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
    responses=documented(400, 404, 413, 422, 503),
)
def ask(studio: TheStudio, kept: TheKept, settings: Settings) -> PictureShape:
    """Restore a picture. What was asked for it before and is not done is given up.

    A further quality, strength or constraint costs a fraction of the first.
    """
    studio.ask(kept, settings)
    return _shape(studio, kept)


@api.get("/pictures/{id}/events", response_class=EventSourceResponse, responses=documented(404))
async def events(studio: TheStudio, kept: TheKept) -> AsyncIterator[Work]:
    """How far a picture is, at each change, until it is done (server-sent events)."""
    told = None
    while True:
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
async def before(studio: TheStudio, kept: TheKept) -> Response:
    """The picture as it came, as a PNG that every browser shows."""
    made = await studio.quick.run(partial(studio.before, kept))
    return Response(made, media_type="image/png")


@api.get(
    "/pictures/{id}/after",
    response_class=Response,
    responses=_bytes_out("image/png") | documented(404, 409, 422, 503),
)
async def after(
    studio: TheStudio,
    kept: TheKept,
    version: Annotated[int | None, Query(description="only if it is this one")] = None,
) -> Response:
    """The result, as a PNG to look at, quickly made; for the file itself see ``file``."""
    made = await studio.quick.run(partial(studio.after, kept, version))
    return Response(made, media_type="image/png")


@api.get(
    "/pictures/{id}/file",
    response_class=Response,
    responses=_bytes_out(*_MEDIA.values()) | documented(404, 409, 422, 503),
)
async def file(
    studio: TheStudio,
    kept: TheKept,
    format: FormatName = "png",
    jpeg_quality: JpegQuality = 95,
) -> Response:
    """The result's file with all metadata: the bytes that the command writes."""
    made = await studio.files.run(partial(studio.file, kept, format, jpeg_quality))
    headers = _attachment(file_name(kept.facts.name, format))
    return Response(made, headers=headers, media_type=_MEDIA[writable_name(format)])


@api.post(
    "/zip",
    response_class=Response,
    responses=_bytes_out("application/zip") | documented(400, 404, 409, 413, 422, 503),
)
async def zip_results(studio: TheStudio, wish: ZipWish) -> StreamingResponse:
    """The results of many pictures in one zip, with their reports."""
    every = [studio.store.get(id) for id in dict.fromkeys(wish.pictures)]
    made = await studio.files.run(partial(studio.zip, every, wish.format, wish.jpeg_quality))
    headers = _attachment("restored.zip")
    return StreamingResponse(_chunks(made), headers=headers, media_type="application/zip")


def _chunks(made: IO[bytes]) -> Iterator[bytes]:
    with made:
        while chunk := made.read(_CHUNK_BYTES):
            yield chunk


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
