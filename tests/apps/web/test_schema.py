"""The server keeps what its OpenAPI document promises, whatever is sent."""

import io

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from PIL import Image
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from restora.apps.web.app import make_app
from restora.apps.web.limits import Limits
from restora.apps.web.wire import Settings

EXAMPLES = 25  # of each operation
# What costs the most, as far as it may be asked for here.
DEAR = {"steps": 2, "samples": 1, "ensemble": 1, "upscale": 2}


def _file(kind, **options):
    out = io.BytesIO()
    Image.new("RGB", (24, 16), "teal").save(out, kind, **options)
    return out.getvalue()


BODIES = [_file("JPEG", quality=20), _file("PNG"), _file("JPEG")[:200], b"text", b""]
schemathesis.openapi.media_type("application/octet-stream", st.sampled_from(BODIES))


OPERATIONS = [
    (mode, path, method.upper())
    for path, operations in make_app().openapi()["paths"].items()
    for method, operation in operations.items()
    for mode in GenerationMode
    # Where only the name of a picture is asked for, there is nothing that could be wrong in form.
    if mode is GenerationMode.POSITIVE
    or "requestBody" in operation
    or any(each["in"] == "query" for each in operation.get("parameters", ()))
]


@pytest.fixture(scope="module")
def studio(restorer):
    made = make_app(restorer=restorer, limits=Limits(waiting=1000), hosts=["testserver"])
    yield made.state.studio, made
    made.state.studio.close()


@pytest.fixture(scope="module")
def api(studio):
    """The schema, with the server behind it; schemathesis would end that after each test."""
    _, app = studio

    async def endless(scope, receive, send):
        if scope["type"] != "lifespan":
            await app(scope, receive, send)
            return
        for _ in range(2):
            message = await receive()
            await send({"type": f"{message['type']}.complete"})

    return schemathesis.openapi.from_asgi("/openapi.json", endless, config=schemathesis.Config())


@pytest.fixture(scope="module")
def id(studio):
    """A picture that is kept, with a result."""
    kept = studio[0].take(BODIES[0], "a.jpg")
    studio[0].ask(kept, Settings()).future.result(60)
    return kept.id


def test_all_that_the_page_uses_is_documented():
    assert {(path, method) for _, path, method in OPERATIONS} == {
        ("/api/about", "GET"),
        ("/api/inspect", "POST"),
        ("/api/restore", "POST"),
        ("/api/pictures", "POST"),
        ("/api/pictures/{id}", "GET"),
        ("/api/pictures/{id}", "DELETE"),
        ("/api/pictures/{id}/restore", "POST"),
        ("/api/pictures/{id}/events", "GET"),
        ("/api/pictures/{id}/before", "GET"),
        ("/api/pictures/{id}/after", "GET"),
        ("/api/pictures/{id}/file", "GET"),
        ("/api/zip", "POST"),
    }


@pytest.mark.parametrize(("mode", "path", "method"), OPERATIONS)
def test_every_answer_is_as_documented(mode, path, method, api, id):
    operation = api[path][method]

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=EXAMPLES, derandomize=True, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    def check(case):
        if path.startswith("/api/pictures/{id}/"):
            case.path_parameters["id"] = id
        for wish in (case.query, case.body):
            if isinstance(wish, dict):
                for name, most in DEAR.items():
                    if isinstance(wish.get(name), int) and 1 <= wish[name] <= 100:
                        wish[name] = min(wish[name], most)
        # A picture's bytes are right in form and still may be none.
        case.call_and_validate(excluded_checks=[positive_data_acceptance])

    check()
