"""A server of files that knows ranges, and every way a server can fail.

The first part of an address is its manner: ``/ok/NAME``, ``/cut/NAME`` and so on, see ``do_GET``.
Run as a program it serves a folder and prints its port.
"""

import hashlib
import re
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

CHUNK_BYTES = 1 << 15


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        _, manner, name = self.path.split("/", 2)
        asked = self.headers.get("Range")
        self.server.asked.append((manner, name, asked))
        if manner in self.server.moves:
            self.send_response(302)
            self.send_header("Location", self.server.moves[manner].format(name=name))
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        path = Path(self.server.folder, name)
        if manner == "gone" or not path.is_file():
            self.send_error(404, "Not Found")
            return
        data = path.read_bytes()
        tag = f'"{hashlib.md5(data).hexdigest()}"'
        if manner == "other":  # as long, and something else
            data = bytes(len(data))
        if manner == "longer":
            data += b"x"
        start = 0
        range_ = re.fullmatch(r"bytes=(\d+)-", asked or "")
        if range_ and manner != "forgets" and self.headers.get("If-Range") in (None, tag):
            start = int(range_[1])
        if manner == "steers":
            self.wfile.write(b"\x1b]0;mine\x07\x1b[2JAll is gone" + b"!" * 5000 + b"\r\n\r\n")
            return
        self.answer(manner, data, start, tag)

    def answer(self, manner, data, start, tag):
        partial, size = start > 0, len(data)
        half = (start + size + 1) // 2
        end = half if manner == "short" and partial else size  # less than was asked for
        self.send_response(206 if partial else 200)
        if manner == "whole":
            start = 0
        if partial and manner != "unsaid":
            told = 0 if manner == "elsewhere" else start
            self.send_header("Content-Range", f"bytes {told}-{end - 1}/{size}")
        if manner == "untold":  # neither how long nor which it is
            data += b"more than was promised"
            end = len(data)
        else:
            self.send_header("Content-Length", str(end - start))
            if manner != "short" or not partial:
                self.send_header("ETag", tag)
        self.end_headers()
        if manner == "cut":
            end = half
        chunk = 100 if manner == "drips" else CHUNK_BYTES
        for at in range(start, end, chunk):
            self.wfile.write(data[at : min(at + chunk, end)])
            if manner in ("slow", "drips"):
                time.sleep(0.01)
        if manner == "cut":
            self.close_connection = True

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    """Serves a folder.

    Attributes:
        asked: What was asked for: manner, name and range.
        moves: Where a manner sends on to.
    """

    daemon_threads = True

    def __init__(self, folder):
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder, self.asked, self.moves = folder, [], {}

    def __enter__(self):
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self._thread.join()
        self.server_close()

    def handle_error(self, request, client_address):
        pass  # who was asked went away

    def url(self, manner, name):
        return f"http://127.0.0.1:{self.server_port}/{manner}/{name}"


if __name__ == "__main__":
    server = Server(sys.argv[1])
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()
