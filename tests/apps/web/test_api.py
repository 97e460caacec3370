"""The REST API: what comes out is what the command writes, and nothing else ever does."""

import errno
import io
import json
import threading
import time
import zipfile
from importlib.resources import files as packaged
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote

import pytest
from PIL import Image
from typer.testing import CliRunner

from restora.apps.web.limits import Limits
from restora.apps.web.store import Kept, Unknown
from restora.apps.web.wire import Settings
from restora.apps.web.work import Stopped
from restora.cli.main import app
from restora.images.formats import SUFFIXES
from restora.weights.registry import MODELS

READS = "Restora reads JPEG, PNG, TIFF, WebP, AVIF, BMP, PPM and GIF."
SUFFIX = {"png": ".png", "jpeg": ".jpg", "tiff": ".tif"}
# Every kind in the first, a kind of its own in the second, a turned dial in the third.
RUNS = {
    "png": ["plain.jpg", "camera.jpg", "gray.jpg", "inks.jpg", "deep.tif", "clear.png"],
    "jpeg": ["camera.jpg", "gray.jpg", "inks.jpg"],
    "tiff": ["deep.tif", "inks.jpg"],
}
TURNED = {"quality": 40, "strength": 70, "constraint": "off"}


@pytest.fixture(scope="module")
def commanded(files, tmp_path_factory):
    """What ``restora restore`` writes, by format and name."""
    folder = tmp_path_factory.mktemp("command")
    for name, data in files.items():
        (folder / name).write_bytes(data)
    turned = [word for key, value in TURNED.items() for word in (f"--{key}", str(value))]
    runs = [(f"out-{format}", names, ["--format", format]) for format, names in RUNS.items()]
    for out, names, options in [*runs, ("out-turned", ["plain.jpg"], turned)]:
        paths = [str(folder / name) for name in names]
        done = CliRunner().invoke(app, ["restore", *paths, "-o", str(folder / out), *options])
        assert done.exit_code == 0, done.output

    def written(name, format, kind=None):
        stem = name.partition(".")[0]
        return (folder / f"out-{kind or format}" / (stem + SUFFIX[format])).read_bytes()

    return written


EACH = [(name, format) for format, names in RUNS.items() for name in names]


@pytest.mark.parametrize(("name", "format"), EACH)
def test_the_bytes_that_the_command_writes(name, format, client, files, commanded):
    id = client.restored(files[name], name)["id"]
    assert client.file(id, format=format) == commanded(name, format)


@pytest.mark.parametrize(("name", "format"), EACH)
def test_in_one_go_too(name, format, client, files, commanded):
    answer = client.post(
        "/api/restore", params={"name": name, "format": format}, content=files[name]
    )
    assert answer.status_code == 200, answer.text
    assert answer.content == commanded(name, format)
    assert answer.headers["content-type"] == f"image/{format}"
    report = json.loads(answer.headers["restora-report"])
    assert report["plan"]["task"] == "jpeg"
    assert not client.studio.store._kept


def test_a_camera_picture_keeps_what_it_carried(client, files):
    id = client.restored(files["camera.jpg"], "camera.jpg")["id"]
    with Image.open(io.BytesIO(client.file(id, format="jpeg"))) as image:
        assert image.size == (40, 72)  # upright
        exif = image.getexif()
        assert exif[0x0112] == 1
        assert exif.get_ifd(0x8825)[1] == "N"
        assert image.info["icc_profile"][36:40] == b"acsp"
        assert image.info["dpi"] == (300, 300)


def test_a_turned_dial(client, files, commanded):
    found = client.restored(files["plain.jpg"])
    assert found["result"]["quality_source"] != "asked"
    client.ask(found["id"], **TURNED)
    found = client.wait(found["id"])
    assert found["result"]["quality"] == 40
    assert found["result"]["settings"]["strength"] == 70
    assert client.file(found["id"]) == commanded("plain.jpg", "png", "turned")
    answer = client.post("/api/restore", params=TURNED, content=files["plain.jpg"])
    assert answer.content == commanded("plain.jpg", "png", "turned")


def test_what_is_told_of_a_picture(client, files):
    data = files["camera.jpg"]
    answer = client.post("/api/pictures", params={"name": "camera.jpg"}, content=data)
    assert answer.status_code == 201
    found = answer.json()
    assert answer.headers["location"] == f"/api/pictures/{found['id']}"
    assert (found["name"], found["format"], found["browser_shows"]) == ("camera.jpg", "JPEG", True)
    assert (found["width_px"], found["height_px"]) == (40, 72)  # upright
    assert found["size_bytes"] == len(data)
    assert found["inspected"]["headline"].startswith("Saved at quality 15")
    assert found["inspected"]["quality"] == 15
    assert found["work"] == {
        "state": "none", "version": 0, "ahead": 0, "done": 0, "total": 0, "error": None,
    }  # fmt: skip
    assert found["result"] is None
    assert client.get(f"/api/pictures/{found['id']}").json() == found
    inspected = client.post("/api/inspect", params={"name": "camera.jpg"}, content=data)
    assert inspected.json() == found["inspected"]


@pytest.mark.parametrize(
    ("name", "kind", "shown"),
    [("plain.jpg", "JPEG", True), ("clear.png", "PNG", True), ("inks.jpg", "JPEG", False),
     ("deep.tif", "TIFF", False)],
)  # fmt: skip
def test_what_a_browser_cannot_show_is_shown_as_png(name, kind, shown, client, files):
    found = client.restored(files[name], name)
    assert (found["format"], found["browser_shows"]) == (kind, shown)
    for part in ("before", "after"):
        answer = client.get(f"/api/pictures/{found['id']}/{part}")
        assert answer.headers["content-type"] == "image/png"
        with Image.open(io.BytesIO(answer.content)) as image:
            assert image.size == (found["width_px"], found["height_px"])
            assert image.mode in ("RGB", "RGBA")
            image.load()


def test_the_preview_is_the_file_to_the_eye(client, files):
    id = client.restored(files["camera.jpg"])["id"]
    shown = Image.open(io.BytesIO(client.get(f"/api/pictures/{id}/after").content))
    saved = Image.open(io.BytesIO(client.file(id)))
    with shown, saved:
        assert shown.tobytes() == saved.tobytes()


def test_the_outcome(client, files):
    result = client.restored(files["plain.jpg"])["result"]
    assert result["version"] == 1
    assert (result["width_px"], result["height_px"]) == (64, 48)
    assert result["quality"] == 15
    assert 0.9 < result["inside_bins"] <= 1
    assert result["seconds"] >= 0
    assert result["explain"]
    assert all(sentence.strip() for sentence in result["explain"])
    assert result["report"]["plan"]["quality"] == 15
    assert result["prompt"] is None


def events_of(client, id):
    with client.stream("GET", f"/api/pictures/{id}/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        return [json.loads(line[5:]) for line in answer.iter_lines() if line.startswith("data:")]


def test_events(client, jpeg):
    id = client.upload(jpeg(400, 640))["id"]
    assert [event["state"] for event in events_of(client, id)] == ["none"]
    client.ask(id)
    told = events_of(client, id)
    states = [event["state"] for event in told]
    assert states[-1] == "done"
    assert sorted(states, key=["waiting", "working", "done"].index) == states
    assert told[-1]["done"] == told[-1]["total"] > 0
    assert [event["done"] for event in told] == sorted(event["done"] for event in told)
    assert {event["version"] for event in told} == {1}
    assert [event["state"] for event in events_of(client, id)] == ["done"]


def test_the_place_in_the_line(client, jpeg):
    first, second = (client.upload(jpeg())["id"] for _ in range(2))
    with client.busy():
        assert client.ask(first)["work"] == {
            "state": "waiting", "version": 1, "ahead": 1, "done": 0, "total": 0, "error": None,
        }  # fmt: skip
        assert client.ask(second)["work"]["ahead"] == 2
    assert client.wait(first)["work"]["state"] == client.wait(second)["work"]["state"] == "done"


def test_the_latest_wish_wins(client, jpeg, restorer):
    """While it waits, and while it runs."""
    id = client.upload(jpeg())["id"]
    with client.busy():
        for quality in (10, 20, 30):
            told = client.ask(id, quality=quality)["work"]
            assert (told["state"], told["version"], told["ahead"]) == ("waiting", quality // 10, 1)
    found = client.wait(id)
    assert found["result"]["version"] == 3
    assert found["result"]["quality"] == 30

    wide = client.upload(jpeg(32, 1100))["id"]
    with client.paused() as wait:
        client.ask(wide)
        assert wait()
        running = client.studio.store.get(wide).asked
        assert running.state == "working"
        told = client.ask(wide, quality=44)["work"]
        assert (told["state"], told["version"]) == ("waiting", 2)
    found = client.wait(wide)
    assert found["result"]["version"] == 2
    assert found["result"]["quality"] == 44
    assert running.state == "stopped"
    assert running.done == 0


def test_a_version_that_is_not_there(client, jpeg):
    id = client.restored(jpeg())["id"]
    assert client.get(f"/api/pictures/{id}/after", params={"version": 1}).status_code == 200
    answer = client.get(f"/api/pictures/{id}/after", params={"version": 2})
    assert answer.status_code == 409
    assert answer.json()["detail"] == "Result 2 is not there; the last one is 1."


def test_a_full_line(serve, jpeg):
    server = serve(limits=Limits(waiting=1))
    ids = [server.upload(jpeg())["id"] for _ in range(2)]
    with server.busy():
        server.ask(ids[0])
        sentence = "2 others are before you, and more may not wait; try again in a moment."
        for answer in (
            server.post(f"/api/pictures/{ids[1]}/restore", json={}),
            server.post("/api/restore", content=jpeg()),
        ):
            assert answer.status_code == 503
            assert 2 <= int(answer.headers["retry-after"]) <= 120
            assert answer.json()["detail"] == sentence
        server.ask(ids[0], quality=9)  # whoever waits may change a wish
        assert server.get(f"/api/pictures/{ids[1]}").json()["work"]["state"] == "none"
    assert server.wait(ids[0])["result"]["quality"] == 9


@pytest.fixture
def small(serve):
    return serve(limits=Limits(upload_bytes=10_000, pixels=5000, kept_pictures=2))


@pytest.mark.parametrize("path", ["/api/pictures", "/api/inspect", "/api/restore"])
@pytest.mark.parametrize("chunks", [False, True])
def test_too_large_a_file(path, chunks, small):
    body = (bytes(6000) for _ in range(4)) if chunks else bytes(10_001)
    answer = small.post(path, content=body)
    assert answer.status_code == 413
    told = answer.json()
    assert (told["type"], told["status"], told["salvage"]) == ("about:blank", 413, False)
    assert told["detail"] == "The file is larger than the 0.01 MB that this server takes."


def test_too_large_wishes(small, jpeg):
    id = small.upload(jpeg())["id"]
    for path in (f"/api/pictures/{id}/restore", "/api/zip"):
        kind = {"Content-Type": "application/json"}
        answer = small.post(path, content=(b" " * 6000 for _ in range(4)), headers=kind)
        assert answer.status_code == 413


def test_the_largest_file(small):
    answer = small.post("/api/pictures", content=bytes(10_000))
    assert answer.status_code == 422


def test_too_many_pixels(small, jpeg):
    sentence = "a.jpg says it is 80×80 pixels in size, more than the limit of 5,000 pixels."
    for path in ("/api/pictures", "/api/inspect", "/api/restore"):
        answer = small.post(path, params={"name": "a.jpg"}, content=jpeg(80, 80))
        assert answer.status_code == 413
        assert answer.json()["detail"].replace("5000", "5,000") == sentence


def test_too_many_pixels_once_enlarged(small, jpeg):
    id = small.upload(jpeg())["id"]
    small.ask(id, task="real", upscale=2, prompt="")
    work = small.wait(id)["work"]
    assert work["state"] == "failed"
    assert "more than the limit of 5,000 pixels" in work["error"]


def test_too_many_pictures(small, jpeg):
    ids = [small.upload(jpeg())["id"] for _ in range(2)]
    answer = small.post("/api/pictures", content=jpeg())
    assert answer.status_code == 429
    assert "retry-after" in answer.headers
    assert answer.json()["detail"] == (
        "There is no room for more pictures (2 are kept); remove some, or come back later."
    )
    small.delete(f"/api/pictures/{ids[0]}")
    small.upload(jpeg())


def test_results_take_room_too(serve, jpeg, opened_files):
    data = jpeg()
    server = serve(limits=Limits(kept_bytes=len(data) + 64 * 48 * 3))
    id = server.restored(data)["id"]
    before, made = opened_files(), server.file(id)
    server.ask(id, bits=16)  # four times the room
    work = server.wait(id)["work"]
    assert (work["state"], work["error"]) == (
        "failed",
        "There is no room for more pictures (1 are kept); remove some, or come back later.",
    )
    assert opened_files() == before
    assert server.file(id) == made
    server.ask(id, strength=50)  # it takes the other's place
    assert server.wait(id)["work"]["state"] == "done"


def test_bodies_that_wait_take_room_too(serve, jpeg):
    server = serve(limits=Limits(upload_bytes=10_000, held_bytes=12_000))
    data, answers = jpeg() + bytes(7000), []
    with server.busy():
        waits = threading.Thread(
            target=lambda: answers.append(server.post("/api/restore", content=data))
        )
        waits.start()
        while len(server.studio.slow._line) < 2:
            time.sleep(0.01)
        for _ in range(2):  # what was refused takes none
            answer = server.post("/api/inspect", content=data)
            assert answer.status_code == 503
            assert 2 <= int(answer.headers["retry-after"]) <= 120
            assert answer.json()["detail"] == (
                "Too many files wait here already; try again in a moment."
            )
        assert server.post("/api/inspect", content=jpeg()).status_code == 200
    waits.join(60)
    assert answers[0].status_code == 200
    assert server.post("/api/inspect", content=data).status_code == 200


def test_who_leaves_while_sending_is_no_error(client):
    """An exception would be in the log, as if the server were at fault."""
    messages = iter(
        [
            {"type": "http.request", "body": b"half", "more_body": True},
            {"type": "http.disconnect"},
        ]
    )
    told = []

    async def receive():
        return next(messages)

    async def send(message):
        told.append(message)

    scope = {
        "type": "http", "method": "POST", "path": "/api/pictures", "query_string": b"",
        "headers": [(b"host", b"127.0.0.1")], "http_version": "1.1", "scheme": "http",
    }  # fmt: skip
    client.portal.call(client.app, scope, receive, send)
    assert told[0]["status"] == 400


def bad_files(jpeg):
    whole = jpeg(64, 48, quality=90)
    at = whole.index(b"\xff\xda") + 8
    return {
        "text": (b"hello", f"a.jpg is not a picture Restora knows; {READS}"),
        "pdf": (b"%PDF-1.7", f"a.jpg is a PDF file; {READS}"),
        "page": (b"<html>", "a.jpg is a web page, not a picture; the download may have failed."),
        "zeros": (bytes(500), "a.jpg is not a picture: it holds nothing but zeros."),
        "heic": (b"\0\0\0\x18ftypheic", f"a.jpg is a HEIC file; {READS}"),
        "cut": (whole[: len(whole) * 6 // 10], "a.jpg is cut off: about "),
        "head": (whole[:100], "a.jpg is cut off inside its header: there is no picture in it."),
        "broken": (whole[:at] + b"\x77" * 3 + whole[at + 3 :], "a.jpg is damaged and does not de"),
        "empty": (b"", "The body is empty; send the bytes of a picture's file."),
    }


@pytest.mark.parametrize(
    "kind", ["text", "pdf", "page", "zeros", "heic", "cut", "head", "broken", "empty"]
)
def test_bad_files(kind, client, jpeg):
    data, sentence = bad_files(jpeg)[kind]
    for path in ("/api/pictures", "/api/inspect", "/api/restore"):
        answer = client.post(path, params={"name": "a.jpg"}, content=data)
        assert answer.status_code == 422
        assert answer.headers["content-type"] == "application/problem+json"
        told = answer.json()
        assert set(told) == {"type", "title", "status", "detail", "salvage"}
        assert told["detail"].startswith(sentence)
        assert told["salvage"] == (kind in ("cut", "broken"))  # the page offers it
    assert not client.studio.store._kept


def test_what_decodes_of_a_truncated_file(client, jpeg):
    data = bad_files(jpeg)["cut"][0]
    answer = client.post("/api/pictures", params={"salvage": True}, content=data)
    assert answer.status_code == 201
    id = answer.json()["id"]
    client.ask(id)
    found = client.wait(id)
    assert "could be decoded" in found["result"]["notes"][0]
    one_go = client.post("/api/restore", params={"salvage": True}, content=data)
    assert one_go.content == client.file(id)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"quality": 0}, "quality: Input should be greater than or equal to 1."),
        ({"quality": 101}, "quality: Input should be less than or equal to 100."),
        ({"quality": "best"}, "quality: Input should be a valid integer"),
        ({"strength": -1}, "strength: Input should be greater than or equal to 0."),
        ({"task": "magic"}, "task: Input should be 'jpeg', 'dehaze'"),
        ({"task": "dehaze", "quality": 9}, "quality is for JPEG repair; task dehaze does not"),
        ({"prompt": "a cat"}, "prompt is for task real; task jpeg does not take it."),
        ({"upscale": 5}, "upscale: Input should be 1, 2, 3 or 4."),
        ({"upscale": 2}, "upscale is for task real; task jpeg does not take it."),
        ({"steps": 10_000}, "steps: Input should be less than or equal to 100."),
        ({"samples": 9}, "samples: Input should be less than or equal to 8."),
        ({"bits": 12}, "bits: Input should be 8 or 16."),
        ({"caption_model": "llava:/etc"}, "caption_model: Extra inputs are not permitted."),
        ({"tile_px": 16}, "tile_px: Extra inputs are not permitted."),
        ({"device": "cuda"}, "device: Extra inputs are not permitted."),
        ({"task": "real", "prompt": "x" * 1001}, "prompt: String should have at most 1000 char"),
    ],
)
def test_senseless_settings(settings, words, client, jpeg):
    id = client.upload(jpeg())["id"]
    answer = client.post(f"/api/pictures/{id}/restore", json=settings)
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(words)
    assert client.get(f"/api/pictures/{id}").json()["work"]["state"] == "none"
    answer = client.post("/api/restore", params=settings, content=jpeg())
    assert answer.status_code == 422


@pytest.mark.parametrize(
    "model", ["/etc/passwd", "../secret.json", "model.pth", "C:\\a.json", "", "FBCNN", "file:///a"]
)
def test_models_are_names_and_no_paths(model, client, jpeg, tmp_path):
    id = client.upload(jpeg())["id"]
    sentence = f"model: Value error, is one of {', '.join(each.name for each in MODELS)}."
    for answer in (
        client.post(f"/api/pictures/{id}/restore", json={"model": model}),
        client.post("/api/restore", params={"model": model}, content=jpeg()),
    ):
        assert answer.status_code == 422
        assert answer.json()["detail"] == sentence


def test_a_model_of_another_task_fails_with_a_sentence(client, jpeg):
    id = client.upload(jpeg())["id"]
    with client.busy():  # it is told at once
        for answer in (
            client.post(f"/api/pictures/{id}/restore", json={"model": "sr-diff"}),
            client.post("/api/restore", params={"model": "sr-diff"}, content=jpeg()),
        ):
            assert answer.status_code == 422
            assert answer.json()["detail"].startswith("sr-diff does not repair JPEG artifacts")


@pytest.mark.parametrize("options", [{"ensemble": 2}, {"bits": 16}, {"task": "auto"}])
def test_numbers_in_a_query(options, client, jpeg):
    answer = client.post("/api/restore", params=options, content=jpeg())
    assert answer.status_code == 200, answer.text
    id = client.restored(jpeg(), **options)["id"]
    assert answer.content == client.file(id)


def test_a_format_that_cannot_hold_it(client, files):
    id = client.restored(files["clear.png"], "clear.png")["id"]
    sentence = "JPEG cannot hold transparency; save as PNG, TIFF, WebP or AVIF instead."
    for answer in (
        client.get(f"/api/pictures/{id}/file", params={"format": "jpeg"}),
        client.post("/api/zip", json={"pictures": [id], "format": "jpeg"}),
        client.post("/api/restore", params={"format": "jpeg"}, content=files["clear.png"]),
    ):
        assert (answer.status_code, answer.json()["detail"]) == (422, sentence)
    deep = {"bits": 16, "format": "webp"}
    answer = client.post("/api/restore", params=deep, content=files["plain.jpg"])
    assert answer.json()["detail"].startswith("WebP holds 8 bits a sample only")


def test_unknown_and_not_yet(client, jpeg):
    for path in ("", "/events", "/before", "/after", "/file"):
        answer = client.get(f"/api/pictures/nobody{path}")
        assert answer.status_code == 404
        assert answer.json()["detail"] == (
            "There is no such picture here; they are deleted after 30 minutes."
        )
    assert client.delete("/api/pictures/nobody").status_code == 404
    assert client.post("/api/pictures/nobody/restore", json={}).status_code == 404
    assert client.post("/api/zip", json={"pictures": ["nobody"]}).status_code == 404
    id = client.upload(jpeg(), "a.jpg")["id"]
    for answer in (
        client.get(f"/api/pictures/{id}/after"),
        client.get(f"/api/pictures/{id}/file"),
        client.post("/api/zip", json={"pictures": [id]}),
    ):
        assert answer.status_code == 409
        assert answer.json()["detail"] == "a.jpg has not been restored yet."


@pytest.mark.parametrize(
    "path",
    ["/static/..%2f..%2fetc/passwd", "/static/..%2Fapp.py", "/static/%2e%2e%2fapp.py", "/static/",
     "/static/..\\app.py", "/static/%00", "/static/app.py", "/static/../app.py", "/static//etc",
     "/examples/..%2fpage%2findex.html", "/examples/../../../pyproject.toml", "/examples/",
     "/static/page/index.html", "/..%2f..%2fetc%2fpasswd", "/etc/passwd",
     "/api/pictures/..%2f..%2fabout/file"],
)  # fmt: skip
def test_no_way_to_other_files(path, client):
    answer = client.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert b"root:" not in answer.content


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("../../x.jpg", "x.jpg"),
        ("/etc/x.jpg", "x.jpg"),
        ("C:\\Users\\ada\\x.jpg", "x.jpg"),
        ("..", "picture"),
        ("../..", "picture"),
        ("", "picture"),
        ("/", "picture"),
        ("a\r\nSet-Cookie: b.jpg", "aSet-Cookie: b.jpg"),
        ("\x00\x1b[31mx.jpg", "[31mx.jpg"),
        ("e\u202egpj.exe", "egpj.exe"),
        ('so "called".jpg', 'so "called".jpg'),
        ("Urlaub in Köln ☀.jpg", "Urlaub in Köln ☀.jpg"),
        ("x" * 900 + ".jpg", "x" * 180 + ".jpg"),
    ],
)
def test_names(name, plain, client, jpeg):
    found = client.restored(jpeg(), name)
    assert found["name"] == plain
    stem = plain.removesuffix(".jpg").removesuffix(".exe")
    answer = client.get(f"/api/pictures/{found['id']}/file")
    told = answer.headers["content-disposition"]
    assert told.startswith('attachment; filename="')
    assert "set-cookie" not in answer.headers
    assert unquote(told.partition("filename*=UTF-8''")[2]) == f"{stem}.png"
    made = client.post("/api/zip", json={"pictures": [found["id"]]})
    with zipfile.ZipFile(io.BytesIO(made.content)) as archive:
        assert archive.namelist() == [f"{stem}.png", "restora.json"]


def test_zip(client, files, jpeg):
    names = ["plain.jpg", "camera.jpg", "a/plain.JPG", "PLAIN.png", "restora.json"]
    data = [files["plain.jpg"], files["camera.jpg"], jpeg(seed=8), jpeg(seed=9), jpeg(seed=7)]
    ids = [client.upload(each, name)["id"] for name, each in zip(names, data, strict=True)]
    for id in ids:
        client.ask(id)
    for id in ids:
        client.wait(id)
    answer = client.post("/api/zip", json={"pictures": [*ids, ids[0]], "format": "tiff"})
    assert answer.headers["content-type"] == "application/zip"
    assert 'filename="restored.zip"' in answer.headers["content-disposition"]
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [
            "plain.tif", "camera.tif", "plain-2.tif", "PLAIN-3.tif", "restora.tif", "restora.json",
        ]  # fmt: skip
        for id, inside in zip(ids, archive.namelist(), strict=False):
            assert archive.read(inside) == client.file(id, format="tiff")
        told = json.loads(archive.read("restora.json"))
    assert list(told) == archive.namelist()[:-1]
    assert [each["source"] for each in told.values()] == [
        "plain.jpg", "camera.jpg", "plain.JPG", "PLAIN.png", "restora.json",
    ]  # fmt: skip
    assert told["plain.tif"]["plan"]["quality"] == 15


@pytest.mark.parametrize("wish", [{"pictures": []}, {}, {"pictures": ["x"] * 1001}, []])
def test_senseless_zips(wish, client):
    assert client.post("/api/zip", json=wish).status_code == 422


def test_what_is_no_json(client, jpeg):
    id = client.upload(jpeg())["id"]
    kind = {"Content-Type": "application/json"}
    for body in (b"{", b"\xff\xfe", b"[" * 100_000):
        answer = client.post(f"/api/pictures/{id}/restore", content=body, headers=kind)
        assert answer.status_code in (400, 422)
        assert answer.headers["content-type"] == "application/problem+json"


def test_deletion_leaves_nothing(client, jpeg, opened_files):
    before = opened_files()
    id = client.restored(jpeg())["id"]
    kept = client.studio.store.get(id)
    assert opened_files() == before + 2
    assert id in client.studio._desk._sheets
    answer = client.delete(f"/api/pictures/{id}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert opened_files() == before
    assert id not in client.studio._desk._sheets
    assert client.get(f"/api/pictures/{id}").status_code == 404
    assert kept.closed


def test_deletion_stops_what_is_done(client, jpeg, opened_files):
    before = opened_files()
    waiting, running = client.upload(jpeg())["id"], client.upload(jpeg(32, 1100))["id"]
    with client.busy():
        client.ask(waiting)
        client.delete(f"/api/pictures/{waiting}")
    with client.paused() as wait:
        client.ask(running)
        assert wait()
        asked = client.studio.store.get(running).asked
        client.delete(f"/api/pictures/{running}")
    asked.future.exception(60)
    assert asked.state == "stopped"
    assert opened_files() == before
    assert not client.studio._desk._sheets


def test_pictures_nobody_asks_for_go_by_themselves(serve, jpeg, opened_files, monkeypatch):
    monkeypatch.setattr("restora.apps.web.app.EXPIRE_S", 0.05)
    server = serve(limits=Limits(kept_s=0.2))
    before = opened_files()
    server.upload(jpeg())
    until = time.monotonic() + 30
    while opened_files() != before and time.monotonic() < until:
        time.sleep(0.05)
    assert opened_files() == before
    assert not server.studio._desk._sheets


def test_the_end_leaves_nothing(serve, jpeg, opened_files):
    """What runs is not waited for to its end."""
    server = serve()
    before = opened_files()
    kept = server.studio.take(jpeg(32, 1100), "a.jpg")
    with server.paused() as wait:
        asked = server.studio.ask(kept, Settings())
        assert wait()
        end = threading.Thread(target=server.studio.close)
        end.start()
        while not kept.closed:
            time.sleep(0.01)
    end.join(60)
    assert not end.is_alive()
    assert asked.state == "stopped"
    assert asked.done == 0
    assert opened_files() == before


def test_many_at_once_get_their_own(client, jpeg):
    """Eight people with pictures and settings of their own, all at the same time."""
    wishes = [
        SimpleNamespace(data=jpeg(40 + 8 * n, 48, seed=n), settings={"quality": 10 + 10 * n})
        for n in range(8)
    ]

    def person(wish):
        id = client.upload(wish.data, "same-name.jpg")["id"]
        client.ask(id, **wish.settings)
        wish.found, wish.made = client.wait(id), client.file(id)
        client.ask(id, strength=50)
        wish.again = client.wait(id)
        wish.half = client.file(id)

    threads = [threading.Thread(target=person, args=(wish,)) for wish in wishes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    for wish in wishes:
        assert wish.found["result"]["quality"] == wish.settings["quality"]
        alone = client.post("/api/restore", params=wish.settings, content=wish.data)
        assert wish.made == alone.content
        half = client.post("/api/restore", params={"strength": 50}, content=wish.data)
        assert wish.half == half.content
        assert wish.again["result"]["version"] == 2
    assert len({wish.found["id"] for wish in wishes}) == 8


def test_nothing_lists_the_pictures(client, jpeg):
    id = client.upload(jpeg())["id"]
    for path in ("/api/pictures", "/api/pictures/"):
        answer = client.get(path)
        assert answer.status_code in (404, 405)
        assert id not in answer.text


def test_errors_of_our_own_never_show_their_inside(serve, jpeg, monkeypatch):
    server = serve(quiet=True)
    id = server.restored(jpeg())["id"]

    def fail(*_, **__):
        raise RuntimeError("/home/ada/secret")

    monkeypatch.setattr(server.studio.restorer, "open", fail)
    monkeypatch.setattr(server.studio.restorer, "restore", fail)
    monkeypatch.setattr("restora.apps.web.studio.encode", fail)
    for answer in (
        server.post("/api/pictures", content=b"x"),
        server.post("/api/inspect", content=b"x"),
        server.post("/api/restore", content=b"x"),
        server.get(f"/api/pictures/{id}/before"),
        server.get(f"/api/pictures/{id}/file"),
        server.post("/api/zip", json={"pictures": [id]}),
    ):
        assert answer.status_code == 500
        assert answer.json() == {
            "type": "about:blank", "title": "Internal Server Error", "status": 500,
            "detail": "Something went wrong in the server; its log says what.", "salvage": False,
        }  # fmt: skip
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_an_unexpected_error_of_the_work_is_a_sentence(client, jpeg, monkeypatch, caplog):
    id = client.upload(jpeg())["id"]

    def fail(*_, **__):
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", "/home/ada/secret")

    monkeypatch.setattr(client.studio._desk, "restore", fail)
    client.ask(id)
    work = client.wait(id)["work"]
    assert work["state"] == "failed"
    assert work["error"] == "Something went wrong in the server; its log says what."
    assert "/home/ada/secret" in caplog.text
    monkeypatch.undo()
    client.ask(id)  # and the next goes on
    assert client.wait(id)["work"]["state"] == "done"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a full disk is a device of Linux")
def test_a_full_disk_is_a_sentence(client, jpeg, monkeypatch):
    id = client.upload(jpeg())["id"]

    with Path("/dev/full").open("r+b", buffering=0) as full:
        monkeypatch.setattr("restora.apps.web.disk.tempfile.TemporaryFile", lambda **_: full)
        client.ask(id)
        work = client.wait(id)["work"]
    assert (work["state"], work["error"]) == ("failed", "The server's disk is full.")


def test_too_little_memory_is_a_sentence(client, jpeg, monkeypatch):
    id = client.upload(jpeg())["id"]

    def fail(*_, **__):
        raise MemoryError

    monkeypatch.setattr(client.studio._desk, "restore", fail)
    client.ask(id)
    sentence = "There is not enough memory for this picture."
    assert client.wait(id)["work"]["error"] == sentence
    monkeypatch.setattr(client.studio.restorer, "open", fail)
    answer = client.post("/api/pictures", content=jpeg())
    assert (answer.status_code, answer.json()["detail"]) == (422, sentence)


def test_about(client):
    found = client.get("/api/about").json()
    assert {task["name"] for task in found["tasks"]} == {
        "jpeg", "dehaze", "derain", "deblur", "lowlight", "real", "auto",
    }  # fmt: skip
    assert [model["name"] for model in found["models"]] == [model.name for model in MODELS]
    for task in found["tasks"]:
        default = [m["name"] for m in found["models"] if task["name"] in m["default_for"]]
        assert len(default) == 1, task
    assert {each["name"] for each in found["formats"]} == {"png", "jpeg", "tiff", "webp", "avif"}
    for each in found["formats"]:
        assert each["suffix"] in SUFFIXES[each["name"].upper()]
    assert found["limits"] == {
        "upload_bytes": 64_000_000, "pixels": 50_000_000, "waiting": 32, "kept_s": 1800,
    }  # fmt: skip


def test_examples_can_be_had(client):
    for example in client.get("/api/about").json()["examples"]:
        answer = client.get(example["url"])
        assert answer.headers["content-type"] == "image/jpeg"
        with Image.open(io.BytesIO(answer.content)) as image:
            image.verify()


def test_every_file_of_the_page(client):
    kinds = {".html": "text/html", ".js": "javascript", ".css": "text/css"}
    for part in (packaged("restora.apps.web") / "page").iterdir():
        answer = client.get(f"/static/{part.name}")
        assert answer.content == part.read_bytes()
        expected = kinds.get(part.name[part.name.rfind(".") :])
        assert expected is None or expected in answer.headers["content-type"]
    for path in ("/", "/docs"):
        assert client.get(path).headers["content-type"].startswith("text/html")


def test_removed_meanwhile(client, jpeg):
    """Whoever holds a picture that somebody removes gets an answer all the same."""
    kept = client.studio.store.get(client.restored(jpeg())["id"])
    assert isinstance(kept, Kept)
    client.delete(f"/api/pictures/{kept.id}")
    for path in ("", "/events", "/before", "/after", "/file"):
        assert client.get(f"/api/pictures/{kept.id}{path}").status_code == 404
    studio, sentence = client.studio, "There is no such picture here; it was deleted meanwhile."
    for ask in (
        lambda: studio.ask(kept, Settings()),
        lambda: studio.before(kept),
        lambda: studio.after(kept),
        lambda: studio.file(kept, "png", 95),
        lambda: studio.zip([kept], "png", 95),
    ):
        with pytest.raises(Unknown) as caught:
            ask()
        assert str(caught.value) == sentence


def test_a_zip_is_not_made_to_its_end_when_the_server_ends(client, jpeg):
    kept = client.studio.store.get(client.restored(jpeg())["id"])
    client.studio.end()
    with pytest.raises(Stopped):
        client.studio.zip([kept], "png", 95)


def test_a_zip_is_not_made_to_its_end_when_nobody_waits(client, jpeg, opened_files):
    kept = client.studio.store.get(client.restored(jpeg())["id"])
    before = opened_files()
    with pytest.raises(Stopped):
        client.studio.zip([kept], "png", 95, unwanted=lambda: True)
    assert opened_files() == before


def test_work_without_end_is_refused(client, files, jpeg):
    id = client.upload(jpeg(), "a.jpg")["id"]
    much = {"task": "dehaze", "steps": 100, "samples": 8}
    answer = client.post(f"/api/pictures/{id}/restore", json=much)
    assert answer.status_code == 422
    assert "steps × samples × ensemble may be 400 here, not 800" in answer.json()["detail"]
