"""The server: the page, the API, and who may use them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from importlib.resources import files
from mimetypes import MimeTypes
from typing import Any

from fastapi import FastAPI, Response
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException

from restora import __version__
from restora.apps.web.about import EXAMPLES
from restora.apps.web.body import BodyLimit
from restora.apps.web.guard import Guard, Login
from restora.apps.web.limits import Limits
from restora.apps.web.problems import add_handlers, documented
from restora.apps.web.routes import FILES, api
from restora.apps.web.studio import Studio
from restora.apps.web.wire import Problem
from restora.engine.restorer import Restorer

TITLE = "Restora"
EXPIRE_S = 20
DESCRIPTION = """Repairs pictures: bytes in, bytes out, the report as JSON.

`POST /api/restore` does one picture in one go. To try settings on one, keep it with
`POST /api/pictures`: then a further quality costs a fraction of the first."""


def make_app(
    *,
    limits: Limits | None = None,
    restorer: Restorer | None = None,
    hosts: Collection[str] = (),
    login: Login | None = None,
    ready: Callable[[], None] = lambda: None,
) -> FastAPI:
    """The server as an ASGI app.

    Args:
        limits: How much it takes; None: the usual.
        restorer: Who does the work; None: a new one on the CPU.
        hosts: Names it answers for, besides addresses and the loopback's names.
        login: What everybody has to know; None: nobody is asked.
        ready: Called when it can answer.
    """
    studio = Studio(restorer or Restorer(), limits or Limits())

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        studio.warm_up()
        watch = asyncio.create_task(_expire(studio))
        ready()
        yield
        watch.cancel()
        studio.close()

    # The pages that FastAPI has for these are drawn by scripts of other hosts.
    app = FastAPI(
        title=TITLE,
        description=DESCRIPTION,
        version=__version__,
        lifespan=life,
        docs_url=None,
        redoc_url=None,
        separate_input_output_schemas=False,
    )
    app.state.studio = studio
    app.include_router(api)
    _add_pages(app)
    add_handlers(app)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    app.add_middleware(
        BodyLimit,
        files=FILES,
        most_bytes=studio.limits.upload_bytes,
        held_bytes=studio.limits.held_bytes,
        retry_s=studio.slow.retry_s,
    )
    app.add_middleware(Guard, hosts=hosts, login=login)
    return app


async def _expire(studio: Studio) -> None:
    """Delete pictures in time, also while nobody asks for anything."""
    while True:
        await asyncio.sleep(EXPIRE_S)
        await asyncio.to_thread(studio.store.expire)  # a file may be in use


def _openapi(app: FastAPI) -> dict[str, Any]:
    """OpenAPI, in which errors are what they are here."""
    if app.openapi_schema is None:
        schema = get_openapi(
            title=app.title,
            version=app.version,
            description=app.description,
            routes=app.routes,
        )
        shapes = schema["components"]["schemas"]
        shapes["Problem"] = Problem.model_json_schema()
        for path in schema["paths"].values():
            for operation in path.values():
                answers = operation["responses"]
                if "422" in answers:
                    answers["422"] = documented(422)[422]
        shapes.pop("HTTPValidationError", None)
        shapes.pop("ValidationError", None)
        app.openapi_schema = schema
    return app.openapi_schema


def _add_pages(app: FastAPI) -> None:
    """The page and its parts. All are read now: no request ever names a file on the disk."""
    here = files("restora.apps.web")
    page = {part.name: part.read_bytes() for part in (here / "page").iterdir() if part.is_file()}
    shown = {each.name: (here / "examples" / each.name).read_bytes() for each in EXAMPLES}

    kinds = MimeTypes()  # what this system believes of files may be anything

    def answer(parts: dict[str, bytes], name: str) -> Response:
        if name not in parts:
            raise HTTPException(404, f"There is nothing called {name} here.")
        kind = kinds.guess_type(name)[0] or "application/octet-stream"
        return Response(parts[name], media_type=kind, headers={"Cache-Control": "no-cache"})

    @app.get("/", include_in_schema=False)
    async def index() -> Response:
        return answer(page, "index.html")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return answer(page, "api.html")

    @app.get("/static/{name}", include_in_schema=False)
    async def static(name: str) -> Response:
        return answer(page, name)

    @app.get("/examples/{name}", include_in_schema=False)
    async def example(name: str) -> Response:
        return answer(shown, name)
