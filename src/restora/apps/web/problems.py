"""Errors as answers: a status, and the sentence that the command would print (RFC 9457)."""

from __future__ import annotations

import errno
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from restora.apps.web.later import SOONEST_S, Later
from restora.apps.web.sentences import BROKEN, sentence
from restora.apps.web.store import TooMany, Unknown
from restora.apps.web.studio import NotYet, TooLong
from restora.apps.web.wire import Problem
from restora.apps.web.work import Stopped
from restora.errors import (
    InputError,
    MemoryLimit,
    MissingExtra,
    OutputError,
    RestoraError,
    UsageError,
)
from restora.images.decode import MORE_PIXELS, SALVAGE

MEDIA = "application/problem+json"

_STATUS: tuple[tuple[type[RestoraError], HTTPStatus], ...] = (
    (Unknown, HTTPStatus.NOT_FOUND),
    (NotYet, HTTPStatus.CONFLICT),
    (TooMany, HTTPStatus.TOO_MANY_REQUESTS),
    (Later, HTTPStatus.SERVICE_UNAVAILABLE),
    (TooLong, HTTPStatus.UNPROCESSABLE_ENTITY),
    (MemoryLimit, HTTPStatus.UNPROCESSABLE_ENTITY),
    (MissingExtra, HTTPStatus.UNPROCESSABLE_ENTITY),
    (InputError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (OutputError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (UsageError, HTTPStatus.UNPROCESSABLE_ENTITY),
)


def problem(
    status: int, detail: str, *, salvage: bool = False, retry_s: int = SOONEST_S
) -> JSONResponse:
    """An answer that says what went wrong.

    Args:
        status: Of HTTP.
        detail: A sentence for people.
        salvage: A part of a damaged file decodes.
        retry_s: When it is worth asking again, where that could help.
    """
    known = HTTPStatus(status)
    told = Problem(title=known.phrase, status=status, detail=detail, salvage=salvage)
    wait = (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS)
    headers = {"Retry-After": str(retry_s)} if known in wait else {}
    return JSONResponse(told.model_dump(), status, headers, media_type=MEDIA)


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What OpenAPI says of answers that tell what went wrong."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA: {"schema": schema}},
        }
        for status in statuses
    }


def add_handlers(app: FastAPI) -> None:
    """Turn every error into such an answer."""

    @app.exception_handler(RestoraError)
    async def _restora(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RestoraError)
        statuses = (status for kind, status in _STATUS if isinstance(error, kind))
        status = next(statuses, HTTPStatus.INTERNAL_SERVER_ERROR)
        if error.remedy == MORE_PIXELS:
            status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        retry_s = error.retry_s if isinstance(error, Later) else SOONEST_S
        return problem(status, sentence(error), salvage=error.remedy == SALVAGE, retry_s=retry_s)

    @app.exception_handler(RequestValidationError)
    async def _request(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        found = [
            f"{'.'.join(str(part) for part in each['loc'][1:]) or 'the body'}: {each['msg']}."
            for each in error.errors()
        ]
        return problem(HTTPStatus.UNPROCESSABLE_ENTITY, " ".join(found))

    @app.exception_handler(HTTPException)
    async def _http(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        answer = problem(error.status_code, str(error.detail))
        answer.headers.update(error.headers or {})
        return answer

    @app.exception_handler(Stopped)
    async def _stopped(_: Request, error: Exception) -> JSONResponse:  # noqa: ARG001
        return problem(HTTPStatus.SERVICE_UNAVAILABLE, "The server is ending.")

    @app.exception_handler(ClientDisconnect)
    async def _left(_: Request, error: Exception) -> JSONResponse:  # noqa: ARG001
        # Nobody hears it; without it the log would tell of an error of the server's.
        return problem(HTTPStatus.BAD_REQUEST, "The connection ended before the file did.")

    @app.exception_handler(OSError)
    async def _disk(_: Request, error: Exception) -> JSONResponse:
        told = sentence(error)
        if told == BROKEN:
            raise error
        number = getattr(error, "errno", None)
        if number in (errno.EMFILE, errno.ENFILE):
            return problem(HTTPStatus.SERVICE_UNAVAILABLE, told)
        return problem(HTTPStatus.INSUFFICIENT_STORAGE, told)

    @app.exception_handler(MemoryError)
    async def _memory(_: Request, error: Exception) -> JSONResponse:
        return problem(HTTPStatus.UNPROCESSABLE_ENTITY, sentence(error))
