"""Writes docs/rest-api.md from what the server itself says of its API (OpenAPI).

    python docs/make_rest_api.py             # the page
    python docs/make_rest_api.py --out FILE  # elsewhere

Needs ``restora[web]``. The examples stand here; tests run them against a server.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from restora.apps.web.app import make_app

PAGE = Path(__file__).parent / "rest-api.md"
INTRO = """# REST API

<!-- written by make_rest_api.py -->

What the page in the browser does, any program can do. Start the server; it answers on this computer
alone unless you say otherwise ([the page](serve.md) tells how):

    pip install '.[web]'
    restora serve

`http://127.0.0.1:7860/openapi.json` describes the same for programs, `/docs` for people. Bodies
that are pictures are the plain bytes of the file; all else is JSON. With a password each request
carries it: `curl -u restora:PASSWORD`.

For one picture in one go there is [`POST /api/restore`](#post-apirestore). To try settings, keep
the picture first, with [`POST /api/pictures`](#post-apipictures): then a further quality or
strength costs a fraction of the first.

The examples in Python need nothing but Python:

```python
import json
from pathlib import Path
from urllib.request import Request, urlopen

SERVER = "http://127.0.0.1:7860"


def call(method, path, body=None, kind="application/octet-stream"):
    with urlopen(Request(SERVER + path, body, {"Content-Type": kind}, method=method)) as answer:
        return answer.read()


def send(method, path, value):
    return call(method, path, json.dumps(value).encode(), "application/json")


photo = Path("photo.jpg").read_bytes()
```
"""
PROBLEMS = """## When something is wrong

The answer is `application/problem+json` ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457));
`detail` is the sentence that the command would print:

```json
{"type": "about:blank", "title": "Not Found", "status": 404, "detail": "..."}
```

| status | means |
|---:|---|
"""
MEANS = {
    400: "the body is no JSON",
    401: "there is a password, and it was not told",
    403: "a page of another origin asked",
    404: "there is no such picture, or not any more",
    408: "the body came too slowly",
    409: "there is no result yet",
    413: "the file has more bytes, or the picture more pixels, than the server takes",
    421: "asked under a name that is not this server's (`restora serve --allow-host NAME`)",
    422: "no picture, or settings that make no sense or take too long",
    429: "too many pictures are kept, or wrong passwords were told; try again after `Retry-After` "
    "seconds",
    503: "too much waits already, or the server is ending; try again after `Retry-After` seconds",
}
DONE = {200: "done", 201: "kept", 202: "accepted", 204: "deleted; no body"}

# By operation: the same in the shell and in Python. They follow one another down the page.
SEND = "curl --data-binary @photo.jpg -H 'Content-Type: application/octet-stream'"
EXAMPLES: dict[str, tuple[str, str]] = {
    "GET /api/about": (
        "curl http://127.0.0.1:7860/api/about",
        'about = json.loads(call("GET", "/api/about"))\n'
        'print(about["version"], [model["name"] for model in about["models"]])',
    ),
    "POST /api/inspect": (
        f"{SEND} \\\n    'http://127.0.0.1:7860/api/inspect?name=photo.jpg'",
        'found = json.loads(call("POST", "/api/inspect?name=photo.jpg", photo))\n'
        'print(found["headline"])',
    ),
    "POST /api/restore": (
        f"{SEND} -o photo.png \\\n"
        "    'http://127.0.0.1:7860/api/restore?name=photo.jpg&quality=20&format=png'",
        'restored = call("POST", "/api/restore?name=photo.jpg&quality=20&format=png", photo)\n'
        'Path("photo.png").write_bytes(restored)',
    ),
    "POST /api/pictures": (
        f"{SEND} -o kept.json \\\n"
        "    'http://127.0.0.1:7860/api/pictures?name=photo.jpg'\n"
        "ID=$(python3 -c \"import json; print(json.load(open('kept.json'))['id'])\")",
        'picture = json.loads(call("POST", "/api/pictures?name=photo.jpg", photo))\n'
        "kept = f\"/api/pictures/{picture['id']}\"",
    ),
    "GET /api/pictures/{id}": (
        "curl http://127.0.0.1:7860/api/pictures/$ID",
        'picture = json.loads(call("GET", kept))\n'
        'print(picture["width_px"], picture["height_px"], picture["work"]["state"])',
    ),
    "POST /api/pictures/{id}/restore": (
        'curl --json \'{"quality": 10, "strength": 80}\' \\\n'
        "    http://127.0.0.1:7860/api/pictures/$ID/restore",
        'send("POST", f"{kept}/restore", {"quality": 10, "strength": 80})',
    ),
    "GET /api/pictures/{id}/events": (
        "curl --no-buffer http://127.0.0.1:7860/api/pictures/$ID/events",
        'with urlopen(f"{SERVER}{kept}/events") as events:\n'
        "    for line in events:\n"
        '        if line.startswith(b"data:"):\n'
        '            work = json.loads(line.removeprefix(b"data:"))\n'
        'print(work["state"])  # the last one: done, failed or stopped',
    ),
    "GET /api/pictures/{id}/before": (
        "curl -o before.png http://127.0.0.1:7860/api/pictures/$ID/before",
        'Path("before.png").write_bytes(call("GET", f"{kept}/before"))',
    ),
    "GET /api/pictures/{id}/after": (
        "curl -o after.png http://127.0.0.1:7860/api/pictures/$ID/after",
        'Path("after.png").write_bytes(call("GET", f"{kept}/after"))',
    ),
    "GET /api/pictures/{id}/file": (
        "curl -o restored.avif \\\n"
        "    'http://127.0.0.1:7860/api/pictures/'$ID'/file?format=avif&jpeg_quality=90'",
        'Path("restored.avif").write_bytes(call("GET", f"{kept}/file?format=avif"))',
    ),
    "POST /api/zip": (
        'curl --json "{\\"pictures\\": [\\"$ID\\"], \\"format\\": \\"png\\"}" -o restored.zip \\\n'
        "    http://127.0.0.1:7860/api/zip",
        'results = send("POST", "/api/zip", {"pictures": [picture["id"]], "format": "png"})\n'
        'Path("restored.zip").write_bytes(results)',
    ),
    "DELETE /api/pictures/{id}": (
        "curl -X DELETE http://127.0.0.1:7860/api/pictures/$ID",
        'call("DELETE", kept)',
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the page of the REST API.")
    parser.add_argument("--out", type=Path, default=PAGE, help="the page")
    parser.parse_args().out.write_text(page(), encoding="utf-8")


def page() -> str:
    """The page, of the server as it is.

    Raises:
        LookupError: The server has an operation without an example, or an example has none.
    """
    described = make_app().openapi()
    operations = {
        f"{method.upper()} {path}": operation
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
    }
    if operations.keys() != EXAMPLES.keys():
        odd = sorted(operations.keys() ^ EXAMPLES.keys())
        raise LookupError(f"examples and operations do not agree: {', '.join(odd)}")
    shapes = described["components"]["schemas"]
    parts = [INTRO]
    parts += [_operation(name, operations[name], shapes) for name in EXAMPLES]
    parts += [PROBLEMS + "\n".join(f"| {status} | {said} |" for status, said in MEANS.items())]
    parts += ["", "## Shapes", "", "What the JSON of bodies and answers holds.", ""]
    sent = str([operation.get("requestBody") for operation in operations.values()])
    for name, shape in shapes.items():
        if name != "Problem":
            parts.append(_shape(name, shape, sent=f"schemas/{name}'" in sent))
    return "\n".join(parts).rstrip() + "\n"


def _operation(name: str, operation: dict[str, Any], shapes: dict[str, Any]) -> str:
    lines = [f"## {name}", "", operation["description"].replace("``", "`"), ""]
    parameters = operation.get("parameters", [])
    if parameters:
        lines += ["| parameter | in | values | left out | |", "|---|---|---|---|---|"]
        lines += [
            f"| `{each['name']}` | {each['in']} | {_values(each['schema'])} "
            f"| {_default(each['schema'], required=each.get('required', False))} "
            f"| {_told(each['schema'])} |"
            for each in parameters
        ]
        lines += [""]
    if "requestBody" in operation:
        lines += [f"Body: {_body(operation['requestBody'])}.", ""]
    lines += [f"Answers: {'; '.join(_answers(operation['responses'], shapes))}.", ""]
    shell, python = EXAMPLES[name]
    return "\n".join([*lines, "```sh", shell, "```", "", "```python", python, "```", ""])


def _body(body: dict[str, Any]) -> str:
    ((kind, content),) = body["content"].items()
    if kind == "application/json":
        return f"JSON, {_values(content['schema'])}"
    return f"the bytes of the picture's file, as `{kind}`"


def _answers(responses: dict[str, Any], shapes: dict[str, Any]) -> Iterator[str]:
    for status, answer in sorted(responses.items()):
        kinds = answer.get("content", {})
        if int(status) >= 400:
            yield f"[{status}](#when-something-is-wrong) {MEANS[int(status)].split(';')[0]}"
            continue
        told = [f"**{status}** {DONE[int(status)]}"]
        for kind, content in kinds.items():
            named = str(content.get("schema", {}).get("$ref", "")).rpartition("/")[2]
            link = f" ([{named}](#{named.lower()}))" if named in shapes else ""
            told.append(f"`{kind}`{link}")
        if "Restora-Report" in answer.get("headers", {}):
            told.append("the report as JSON in the header `Restora-Report`")
        yield ", ".join(told)


def _shape(name: str, shape: dict[str, Any], *, sent: bool) -> str:
    """A table of fields; of what is sent, also what they are where they are left out."""
    lines = [f"### {name}", "", shape.get("description", "").replace("``", "`"), ""]
    lines += ["| field | values | left out | |", "|---|---|---|---|"] if sent else []
    lines += [] if sent else ["| field | values | |", "|---|---|---|"]
    needed = shape.get("required", [])
    for field, schema in shape["properties"].items():
        default = f" {_default(schema, required=field in needed)} |" if sent else ""
        lines.append(f"| `{field}` | {_values(schema)} |{default} {_told(schema)} |")
    return "\n".join([*lines, ""])


def _values(schema: dict[str, Any]) -> str:
    """What a value may be, in a table cell."""
    if "anyOf" in schema:
        return " or ".join(_values(each) for each in schema["anyOf"])
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{each}`" for each in schema.get("enum", [schema.get("const")]))
    kind = schema.get("type", "anything")
    if kind == "array":
        return f"list of {_values(schema['items'])}"
    words = {"integer": "whole number", "string": "text", "boolean": "true or false"}
    told = words.get(kind, kind)
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        return f"{told} {low:g} to {high:,.0f}" if high > 1e6 else f"{told} {low:g} to {high:g}"
    most = schema.get("maxLength")
    return f"{told} of at most {most} letters" if most else told


def _default(schema: dict[str, Any], *, required: bool) -> str:
    if required:
        return "(needed)"
    default = schema.get("default")
    return "null" if default is None else f"`{default}`"


def _told(schema: dict[str, Any]) -> str:
    return str(schema.get("description", "")).replace("|", "\\|")


if __name__ == "__main__":
    main()
