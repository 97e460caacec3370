"""Who may ask: every way in that a page elsewhere could try."""

import asyncio
import base64

import pytest

from restora.apps.web.guard import Guard, Login

ALWAYS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
        "connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
LOGIN = Login("ada", "pass:wörd")


def basic(text):
    return {"Authorization": "Basic " + base64.b64encode(text.encode()).decode()}


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:7860", "127.0.0.1", "127.0.0.1:80", "[::1]:7860", "[::1]",
     "192.168.1.5:7860", "10.0.0.1", "[fe80::1]:7860", "studio.example:443", "Studio.Example"],
)  # fmt: skip
def test_hosts_that_are_ours(serve, host):
    server = serve(hosts=["studio.example"])
    assert server.get("/api/about", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:7860", "127.0.0.1.evil.example", "localhost.evil.example",
     "localhost.", "evil.example:127.0.0.1", "[evil.example]:80", "studio.example.evil", "", "a b",
     "127.0.0.1@evil.example"],
)  # fmt: skip
def test_other_names_are_refused(serve, host):
    """Somebody's name may point here: what is asked in that name is none of ours."""
    server = serve(hosts=["studio.example"])
    for answer in (
        server.get("/api/about", headers={"Host": host}),
        server.get("/", headers={"Host": host}),
        server.post("/api/pictures", headers={"Host": host}, content=b"x"),
    ):
        assert answer.status_code == 421
        assert answer.json()["detail"] == (
            f"This server does not answer for {host!r}; --allow-host lets it."
        )


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "http://127.0.0.1:9999"},  # another program of this computer
        {"Origin": "http://127.0.0.1.evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "127.0.0.1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Origin": "http://127.0.0.1", "Sec-Fetch-Site": "cross-site"},
    ],
)
def test_other_origins_may_not_send(client, jpeg, headers):
    id = client.upload(jpeg())["id"]
    for answer in (
        client.post("/api/pictures", headers=headers, content=jpeg()),
        client.post(f"/api/pictures/{id}/restore", headers=headers, json={}),
        client.delete(f"/api/pictures/{id}", headers=headers),
        client.post("/api/zip", headers=headers, json={"pictures": [id]}),
        client.put("/", headers=headers),
    ):
        assert answer.status_code == 403
        assert answer.json()["detail"] == "Another page asked for this, which may not."
    assert client.get(f"/api/pictures/{id}").json()["work"]["state"] == "none"


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "http://127.0.0.1"}, {"Sec-Fetch-Site": "same-origin"},
     {"Sec-Fetch-Site": "none"}, {"Origin": "https://127.0.0.1"}, {}],
)  # fmt: skip
def test_our_own_origin_may_send(client, jpeg, headers):
    assert client.post("/api/pictures", headers=headers, content=jpeg()).status_code == 201


def test_nothing_is_shared_with_other_origins(client):
    answer = client.get("/api/about", headers={"Origin": "http://evil.example"})
    assert "access-control-allow-origin" not in answer.headers
    asked = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    assert client.options("/api/pictures", headers=asked).status_code == 405


@pytest.mark.parametrize("scheme", ["Basic", "basic", "BASIC"])
def test_the_right_password(serve, scheme):
    server = serve(login=LOGIN)
    told = basic("ada:pass:wörd")["Authorization"].replace("Basic", scheme)
    assert server.get("/", headers={"Authorization": told}).status_code == 200
    name = {"Authorization": told, "Host": "any.name.example"}  # strangers do not know the password
    assert server.get("/api/about", headers=name).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Basic"},
        {"Authorization": "Basic "},
        {"Authorization": "Basic ???"},
        {"Authorization": "Basic YQ"},
        {"Authorization": "Basic \xe9\xe9"},
        {"Authorization": "Bearer YWRhOnBhc3M6d8O2cmQ="},
        {"Authorization": "YWRhOnBhc3M6d8O2cmQ="},
        basic("ada:pass:word"),
        basic("ada:pass:wörd "),
        basic("ada:"),
        basic("ada"),
        basic(":"),
        basic("Ada:pass:wörd"),
        basic("ada:pass:wörd\0"),
    ],
)
def test_a_wrong_password(serve, headers):
    server = serve(login=LOGIN)
    raw = {name: value.encode("latin-1") for name, value in headers.items()}
    for path in ("/", "/api/about", "/static/main.js", "/openapi.json", "/no/such/place"):
        answer = server.get(path, headers=raw)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == 'Basic realm="Restora", charset="UTF-8"'
        assert answer.json()["detail"] == "This needs a user name and a password."


def test_a_password_does_not_let_other_origins_send(serve):
    """A browser that knows it sends it along, whoever asks."""
    headers = basic("ada:pass:wörd") | {"Origin": "http://evil.example"}
    assert serve(login=LOGIN).post("/api/pictures", headers=headers).status_code == 403


def test_headers_on_every_answer(serve, jpeg):
    server, locked = serve(), serve(login=LOGIN)
    id = server.restored(jpeg())["id"]
    answers = [
        server.get("/"),
        server.get("/static/style.css"),
        server.get("/examples/budgie.jpg"),
        server.get("/openapi.json"),
        server.get("/api/about"),
        server.get("/no/such/place"),
        server.put("/api/about"),
        server.get("/api/pictures/unknown"),
        server.post("/api/pictures", content=b"text"),
        server.post(f"/api/pictures/{id}/restore", json={"quality": 0}),
        server.get(f"/api/pictures/{id}/after"),
        server.get(f"/api/pictures/{id}/file"),
        server.get(f"/api/pictures/{id}/events"),
        server.post("/api/zip", json={"pictures": [id]}),
        server.get("/", headers={"Host": "evil.example"}),
        server.post("/", headers={"Origin": "http://evil.example"}),
        locked.get("/"),
        server.delete(f"/api/pictures/{id}"),
    ]
    for answer in answers:
        for name, value in ALWAYS.items():
            assert answer.headers[name] == value, answer.url
    for answer in answers:
        # What is of this program may be kept and asked after, what is of a person may not.
        ours = answer.is_success and not answer.url.path.startswith(("/api", "/openapi"))
        events = answer.url.path.endswith("/events")
        assert answer.headers["cache-control"] == ("no-cache" if ours or events else "no-store")


def test_what_is_no_request_passes():
    seen = []

    async def app(scope, receive, send):
        seen.append(scope["type"])

    asyncio.run(Guard(app, hosts=(), login=LOGIN)({"type": "lifespan"}, None, None))
    assert seen == ["lifespan"]
