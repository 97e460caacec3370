"""What paths and URLs come to."""

import http.server
import io
import tarfile
import threading
import zipfile

import fsspec
import pytest

from restora.apps.scale.urls import safe_place


def places(found):
    return sorted(each.place for each in found)


def test_folders_and_patterns_of_this_machine_are_listed_as_ever(messy, listed):
    found, unusable = listed(messy, messy / "*.jpg")
    assert places(found)[:2] == ["below/p04.jpg", "below/p05.jpg"]
    assert len(found) == 8 + 6
    assert not unusable


def test_a_file_url_is_a_path(messy, listed):
    found, _ = listed(f"file://{messy}")
    assert found == listed(messy)[0]


def test_a_folder_on_the_web(messy, web, listed):
    (messy / "a note.txt").write_text("no picture")
    (messy / "p00.jpg").rename(messy / "with space.jpg")
    found, unusable = listed(f"{web(messy)}/")
    assert not unusable
    assert "with space.jpg" in places(found)
    assert "below/p04.jpg" in places(found)
    assert len(found) == 8
    assert all(each.source.startswith("http://127.0.0.1:") for each in found)


@pytest.fixture
def pages():
    """A function from pages, each with its links, to a server; and what it was asked for."""
    servers, asked = [], []

    def serve(pages):
        class Page(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_HEAD(self):
                links = pages.get(self.path.rstrip("/") + "/")
                asked.append(self.path)
                if len(asked) > 50:  # it would never end
                    self.send_error(500)
                    return
                text = "".join(f'<a href="{link}">x</a>' for link in links or ()).encode()
                self.send_response(404 if links is None and ".jpg" not in self.path else 200)
                self.send_header("Content-Type", "image/jpeg" if links is None else "text/html")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(text)

            do_GET = do_HEAD

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}", asked

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        ({"/p/": ["./a.jpg", "./sub/"], "/p/sub/": ["./b.jpg"]}, ["a.jpg", "sub/b.jpg"]),
        ({"/p/": ["./", "a.jpg", "./a.jpg", "x/../a.jpg?v=1"]}, ["a.jpg", "a.jpg"]),
        ({"/p/": ["../q/", "../o.jpg", "a.jpg"], "/q/": ["../p/", "b.jpg"]}, ["a.jpg"]),
        (
            {"/p/": ["x/", "y/"], "/p/x/": ["../y/", "../", "a.jpg"], "/p/y/": ["../x/", "b.jpg"]},
            ["x/a.jpg", "y/b.jpg"],
        ),
        ({"/p/": ["?C=N;O=D", "?sort=size/", "#top/", "../../../", "a.jpg"]}, ["a.jpg"]),
    ],
)
def test_links_lead_nowhere_but_down(tree, expected, pages, listed):
    address, asked = pages(tree)
    found, unusable = listed(f"{address}/p/")
    assert not unusable
    assert places(found) == expected
    assert {each.source.split("?")[0] for each in found} == {
        f"{address}/p/{place}" for place in expected
    }
    read = [path.rstrip("/") for path in asked if ".jpg" not in path]
    assert {path for path in read if read.count(path) > 1} <= {"/p"}  # what it is, and its links
    assert all(path.startswith("/p") for path in read)


def test_a_picture_on_the_web_and_one_that_is_not_there(messy, web, listed):
    address = web(messy)
    found, unusable = listed(f"{address}/p01.jpg?size=full", f"{address}/no.jpg")
    assert places(found) == ["p01.jpg"]
    assert unusable == [
        (
            f"{address}/no.jpg",
            f"{address}/no.jpg: there is no such file, folder or pattern of files.",
        )
    ]


def test_a_stamp_tells_that_a_picture_changed(messy, web, zipped, listed):
    inputs = (f"{web(messy)}/p01.jpg", f"zip://p01.jpg::{zipped(messy)}")
    before = [each.stamp for each in listed(*inputs)[0]]
    assert before == [each.stamp for each in listed(*inputs)[0]]
    (messy / "p01.jpg").write_bytes((messy / "p02.jpg").read_bytes())
    assert listed(inputs[0])[0][0].stamp != before[0]
    assert all(before)


def test_shards(messy, zipped, tmp_path, listed, monkeypatch):
    shard = zipped(messy)
    packed = tmp_path / "in.tar"
    with tarfile.open(packed, "w") as archive:
        archive.add(messy, "photos")
    found, unusable = listed(f"zip://::{shard}", f"tar://photos::file://{packed}")
    assert not unusable
    assert places(found) == sorted(2 * places(listed(messy)[0]))
    assert f"zip://below/p04.jpg::file://{shard}" in {each.source for each in found}
    # A pattern takes its pictures alone; a relative path means the same in another process.
    monkeypatch.chdir(tmp_path)
    found, unusable = listed("zip://p*.jpg::in.zip", "zip://no*.jpg::in.zip")
    assert [each.source for each in found] == [
        f"zip://p0{number}.jpg::file://{shard}" for number in range(4)
    ]
    assert unusable == [
        (
            "zip://no*.jpg::in.zip",
            "zip://no*.jpg::in.zip: there is no such file, folder or pattern of files.",
        )
    ]


def test_a_bad_shard_is_one_sentence(messy, zipped, listed, tmp_path):
    shard = zipped(messy)
    shard.write_bytes(shard.read_bytes()[:-100])
    cut = tmp_path / "cut.tar"
    cut.write_bytes(b"no tar")
    inputs = [
        f"zip://::{shard}", f"tar://::{cut}", f"zip://::{tmp_path}/no.zip", "nosuch://here/*.jpg",
        "simplecache::http://localhost/p.jpg",
    ]  # fmt: skip
    found, unusable = listed(*inputs, messy / "p00.jpg")
    assert places(found) == ["p00.jpg"]
    assert unusable == [
        (inputs[0], f"{inputs[0]} cannot be read (File is not a zip file)."),
        (inputs[1], f"{inputs[1]} cannot be read (truncated header)."),
        (inputs[2], f"{inputs[2]} cannot be read (it is not there)."),
        (inputs[3], f"{inputs[3]} cannot be read (Protocol not known: nosuch)."),
        (
            inputs[4],
            f"{inputs[4]} cannot be read (simplecache is no URL; begin with what is inside, such "
            "as zip://*.jpg).",
        ),
    ]


def test_a_server_that_is_not_there_is_one_sentence(listed):
    found, unusable = listed("http://127.0.0.1:9/photos/")
    assert not found
    assert len(unusable) == 1
    assert unusable[0][1].startswith("http://127.0.0.1:9/photos/ cannot be read (")


def test_names_that_lead_out_of_the_folder_are_refused(tmp_path, listed):
    shard = tmp_path / "shard.zip"
    with zipfile.ZipFile(shard, "w") as archive:
        for name in ("../../out.jpg", "good.jpg", "back\\slash.jpg"):
            archive.writestr(name, b"x")
    found, unusable = listed(f"zip://::{shard}")
    assert places(found) == ["good.jpg"]
    assert {reason.split(": ", 1)[1] for _, reason in unusable} == {
        "a name such as this cannot be that of a result."
    }


def test_a_name_that_is_no_text_is_refused_and_the_rest_goes_on(tmp_path, listed):
    packed = tmp_path / "in.tar"
    with tarfile.open(packed, "w", format=tarfile.GNU_FORMAT, encoding="latin-1") as archive:
        for name in ("ol\xe9.jpg", "ol\xe9/p.jpg", "good.jpg"):
            archive.addfile(tarfile.TarInfo(name), io.BytesIO())
    found, unusable = listed(f"tar://::{packed}")
    assert places(found) == ["good.jpg"]
    assert [said for said, _ in unusable] == [
        f"tar://ol?.jpg::file://{packed}",
        f"tar://ol?/p.jpg::file://{packed}",
    ]
    for said, sentence in unusable:
        assert sentence == f"{said}: its name is not in UTF-8, as a manifest's must be."


@pytest.mark.parametrize(
    ("place", "url", "safe"),
    [
        ("a/b.jpg", "s3://c/a/b.jpg", "a/b.jpg"),
        ("a%20b.jpg", "s3://c/a%20b.jpg", "a%20b.jpg"),
        ("a%20b.jpg?x=1", "https://c/a%20b.jpg?x=1", "a b.jpg"),
        ("%2e%2e/b.jpg", "https://c/%2e%2e/b.jpg", None),
        ("..%2Fb.jpg", "https://c/..%2Fb.jpg", None),
        ("a//b.jpg", "s3://c/a//b.jpg", None),
        ("a::b.jpg", "s3://c/a::b.jpg", None),
        ("a\0.jpg", "s3://c/a\0.jpg", None),
    ],
)
def test_safe_places(place, url, safe):
    assert safe_place(place, url=url) == safe


def test_a_store(messy, listed):
    store = fsspec.filesystem("memory")
    store.put(str(messy), "/photos", recursive=True)
    store.pipe_file("/photos/results/old.png", b"x")
    store.pipe_file("/photos/._p00.jpg", b"of macOS")
    try:
        found, unusable = listed("memory://photos", out="memory://photos/results")
        assert not unusable
        assert places(found) == places(listed(messy)[0])
        assert found[0].source.startswith("memory:///photos/")
        assert len({each.stamp for each in found}) == len(found)
    finally:
        store.rm("/photos", recursive=True)


def test_a_folder_below_that_cannot_be_read_is_told(listed, monkeypatch):
    store = fsspec.filesystem("memory")
    look = type(store).ls

    def closed(self, path, detail=True, **kwargs):
        if path.endswith("/shut"):
            raise PermissionError(13, "Permission denied")
        return look(self, path, detail=detail, **kwargs)

    store.pipe_file("/box/shut/p.jpg", b"x")
    store.pipe_file("/box/open/p.jpg", b"x")
    monkeypatch.setattr(type(store), "ls", closed)
    try:
        found, unusable = listed("memory://box")
    finally:
        monkeypatch.undo()
        store.rm("/box", recursive=True)
    assert places(found) == ["open/p.jpg"]
    shut = "memory:///box/shut"
    assert unusable == [(shut, f"{shut}: the folder cannot be read (permission denied).")]


def test_a_page_without_pictures_is_told(tmp_path, web, listed):
    address = f"{web(tmp_path)}/"
    assert listed(address) == (
        [],
        [(address, f"{address}: the folder holds no pictures that can be read.")],
    )


def test_a_large_shard_is_opened_once(tmp_path, listed, monkeypatch):
    opened = []
    shard = tmp_path / "many.zip"
    with zipfile.ZipFile(shard, "w") as archive:
        for number in range(50):
            archive.writestr(f"p{number}.jpg", b"x")
    kind = fsspec.get_filesystem_class("zip")
    begin = kind.__init__
    monkeypatch.setattr(
        kind, "__init__", lambda self, *a, **k: (opened.append(1), begin(self, *a, **k))[1]
    )
    assert len(listed(f"zip://::{shard}")[0]) == 50
    assert len(opened) == 1
