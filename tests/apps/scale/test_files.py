"""Reading and writing, on this machine and in stores."""

import errno
import http.server
import threading

import fsspec
import pytest

from restora.apps.scale.archive import open_archive
from restora.apps.scale.files import StoreFiles
from restora.errors import DiskFull, InputError, OutputError, UsageError

MAX = 1_000_000


@pytest.fixture
def store():
    """An empty store in memory."""
    files = fsspec.filesystem("memory")
    yield files
    files.rm("/", recursive=True)


@pytest.fixture
def disk(tmp_path):
    """A store where files grow while they are written, and a new name replaces nothing."""

    class Disk(fsspec.get_filesystem_class("file")):
        protocol = "disk"
        full = False
        written = ()

        @classmethod
        def _strip_protocol(cls, path):
            return str(path).removeprefix("disk://")

        def pipe_file(self, path, value, mode="overwrite", **kwargs):
            Disk.written = (*Disk.written, path)
            if Disk.full:
                super().pipe_file(path, value[:1])
                raise OSError(errno.ENOSPC, "No space left on device")
            super().pipe_file(path, value)

        def mv(self, path1, path2, **kwargs):
            if self.exists(path2):
                raise FileExistsError(path2)
            super().mv(path1, path2, **kwargs)

    fsspec.register_implementation("disk", Disk, clobber=True)
    return Disk


def test_by_http(messy, web):
    address = web(messy)
    data = (messy / "p01.jpg").read_bytes()
    assert StoreFiles().read(f"{address}/p01.jpg", max_bytes=len(data)) == data
    with pytest.raises(InputError) as refused:
        StoreFiles().read(f"{address}/p01.jpg", max_bytes=len(data) - 1)
    assert str(refused.value) == (
        f"{address}/p01.jpg has more bytes than the limit of {len(data) - 1:,}. "
        "--max-megabytes allows more."
    )
    with pytest.raises(InputError) as refused:
        StoreFiles().read(f"{address}/no.jpg", max_bytes=MAX)
    assert str(refused.value) == f"{address}/no.jpg cannot be read (it is not there)."


@pytest.fixture
def stubborn():
    """A server that sends 40 MB whatever part is asked for, and how much of them it could send."""
    sent = [0]
    ended = threading.Event()

    class All(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", "40000000")
            self.end_headers()
            try:
                for _ in range(40):
                    self.wfile.write(bytes(1_000_000))
                    sent[0] += 1
            except OSError:
                pass
            ended.set()

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), All)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/p.jpg", lambda: ended.wait(10) and sent[0]
    server.shutdown()
    server.server_close()


def test_no_more_is_read_than_the_limit(stubborn):
    url, sent_mb = stubborn
    with pytest.raises(InputError, match="has more bytes than the limit of 1,000,000"):
        StoreFiles().read(url, max_bytes=MAX)
    assert sent_mb() < 30  # what is on the way, in this machine's buffers, counts


def test_what_ends_too_soon_is_told():
    """A server that promises more than it sends."""

    class Short(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", "10")
            self.end_headers()
            self.wfile.write(b"short")

    server = http.server.HTTPServer(("127.0.0.1", 0), Short)
    threading.Thread(target=server.handle_request, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/p.jpg"
    with pytest.raises(InputError, match="cannot be read"):
        StoreFiles().read(url, max_bytes=MAX)
    server.server_close()


def test_out_of_a_shard(messy, zipped):
    shard = zipped(messy)
    files = StoreFiles()
    url = f"zip://below/p04.jpg::file://{shard}"
    assert files.read(url, max_bytes=MAX) == (messy / "below" / "p04.jpg").read_bytes()
    with pytest.raises(InputError, match="more bytes than the limit of 10"):
        files.read(url, max_bytes=10)
    with pytest.raises(InputError, match="cannot be read"):
        files.read(f"zip://no.jpg::file://{shard}", max_bytes=MAX)


def test_on_this_machine(tmp_path):
    target = tmp_path / "new" / "folder" / "r.png"
    StoreFiles().write(str(target), b"result")
    assert StoreFiles().read(str(target), max_bytes=MAX) == b"result"
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="is a file, not a folder"):
        StoreFiles().write(str(tmp_path / "file" / "r.png"), b"result")


def test_a_store_gets_the_whole_file_at_once(store):
    StoreFiles().write("memory://out/below/r.png", b"result")
    assert store.find("/") == ["/out/below/r.png"]
    assert StoreFiles().read("memory://out/below/r.png", max_bytes=MAX) == b"result"


def test_elsewhere_a_file_gets_its_name_when_it_is_whole(disk, tmp_path):
    target = f"disk://{tmp_path}/out/r.png"
    for data in (b"result", b"another"):
        StoreFiles().write(target, data)
        assert (tmp_path / "out" / "r.png").read_bytes() == data
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"r.png"}
    first, second = disk.written
    assert first == second  # what dies while it writes is written over
    assert first.endswith(".part")


@pytest.mark.parametrize("fails", [("r.png",), ("r.png", ".old"), (".old",)])
def test_a_connection_that_is_lost_takes_no_result_with_it(fails, disk, tmp_path, monkeypatch):
    """Whatever rename it is that fails, one of the two files is there."""
    target, folder = f"disk://{tmp_path}/out/r.png", tmp_path / "out"
    StoreFiles().write(target, b"result")
    rename = disk.mv

    def lose(self, path1, path2, **kwargs):
        if not path1.endswith(".old") and path2.endswith(fails):
            raise ConnectionError("the connection was lost")
        rename(self, path1, path2, **kwargs)

    monkeypatch.setattr(disk, "mv", lose)
    with pytest.raises(OutputError) as refused:
        StoreFiles().write(target, b"another")
    assert str(refused.value) == f"{target} cannot be written (the connection was lost)."
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {"r.png": b"result"}
    monkeypatch.undo()
    StoreFiles().write(target, b"another")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {"r.png": b"another"}


def test_what_was_put_aside_by_one_who_died_is_in_nobodys_way(disk, tmp_path, monkeypatch):
    target, folder = f"disk://{tmp_path}/out/r.png", tmp_path / "out"
    StoreFiles().write(target, b"first")

    def stay(*_, **__):
        raise ConnectionError

    with monkeypatch.context() as patched:
        patched.setattr(disk, "rm_file", stay)
        with pytest.raises(OutputError):
            StoreFiles().write(target, b"second")
    assert len(list(folder.iterdir())) == 2
    StoreFiles().write(target, b"third")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {"r.png": b"third"}


def test_a_full_disk_is_told_and_the_old_file_stays(disk, tmp_path):
    target = f"disk://{tmp_path}/out/r.png"
    StoreFiles().write(target, b"result")
    disk.full = True
    with pytest.raises(DiskFull) as refused:
        StoreFiles().write(target, b"another")
    assert str(refused.value) == f"{target} cannot be written: the disk is full."
    assert (tmp_path / "out" / "r.png").read_bytes() == b"result"
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"r.png"}


def test_a_store_that_refuses_is_told(store, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError("403 Forbidden")

    monkeypatch.setattr(type(store), "pipe_file", refuse)
    with pytest.raises(OutputError) as refused:
        StoreFiles().write("memory://out/r.png", b"result")
    assert str(refused.value) == "memory://out/r.png cannot be written (permission denied)."


@pytest.fixture
def folders(store, monkeypatch):
    """The folders that the store was asked for; ``None`` where it was to forget them."""
    asked = []
    kind = type(store)
    look = kind.ls
    monkeypatch.setattr(
        kind, "ls", lambda self, path, **k: (asked.append(path), look(self, path, **k))[1]
    )
    monkeypatch.setattr(kind, "invalidate_cache", lambda self, path=None: asked.append(path))
    return asked


def test_what_is_in_a_store_is_listed_once(store, folders):
    archive = open_archive("memory://out")
    assert (archive.root, archive.manifest) == ("memory:///out/", None)
    assert archive.sizes()("r.png") is None
    store.pipe_file("/out/below/r.png", b"result")
    folders.clear()
    sizes = archive.sizes()
    for _ in range(2):
        assert (sizes("below/r.png"), sizes("no.png"), sizes("below")) == (6, None, None)
        assert sizes("nowhere/r.png") is None
    assert folders == [None, "/out/below", None, "/out", None, "/out/nowhere"]


def test_no_more_than_a_few_folders_of_results_are_in_memory(store, folders):
    for number in range(9):
        store.pipe_file(f"/out/{number}/r.png", b"result")
    sizes = open_archive("memory://out").sizes()
    for number in (*range(9), 8, 0):
        assert sizes(f"{number}/r.png") == 6
    assert folders.count("/out/8") == 1
    assert folders.count("/out/0") == 2  # it was forgotten


def test_a_store_that_cannot_be_listed_is_told(store, monkeypatch):
    def refuse(*_, **__):
        raise ConnectionError("the server is gone")

    monkeypatch.setattr(type(store), "ls", refuse)
    with pytest.raises(OutputError) as refused:
        open_archive("memory://out").sizes()("r.png")
    assert str(refused.value) == "memory:///out/ cannot be listed (the server is gone)."


@pytest.mark.parametrize(
    ("out", "kind", "message"),
    [
        (
            "https://example.org/out",
            UsageError,
            "https://example.org/out: nothing can be written by HTTP; name a folder, or a store.",
        ),
        (
            "zip://::out.zip",
            UsageError,
            "zip://::out.zip: results cannot go into an archive; name a folder, or a store.",
        ),
        (
            "nosuch://out",
            OutputError,
            "nosuch://out cannot be written (Protocol not known: nosuch).",
        ),
    ],
)
def test_where_nothing_can_be_written(out, kind, message):
    with pytest.raises(kind) as refused:
        open_archive(out)
    assert str(refused.value) == message


def test_a_folder_of_this_machine_has_its_manifest(tmp_path):
    archive = open_archive(f"file://{tmp_path}/out")
    assert archive.root == f"{tmp_path}/out/"
    assert archive.manifest == tmp_path / "out" / "restora-manifest.sqlite"
