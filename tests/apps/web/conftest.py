"""Files made by code, one Restorer for all, and servers with it inside the test's process."""

import contextlib
import io
import struct
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, TiffImagePlugin
from starlette.testclient import TestClient

from restora.apps.web.app import make_app
from restora.apps.web.limits import Limits
from restora.engine.restorer import Restorer
from restora.images import Picture, encode

EXIF_ORIENTATION, EXIF_GPS = 0x0112, 0x8825


def make_photo(height_px=48, width_px=64, seed=0):
    """Smooth parts, edges and detail, (H, W, 3) uint8."""
    y, x = np.mgrid[:height_px, :width_px]
    rng = np.random.default_rng(seed)
    base = 128 + 60 * np.sin(x / 9 + seed) + 40 * np.cos(y / 7) + rng.normal(0, 3, x.shape)
    tint = np.stack([base, 0.7 * base + 30 * ((x // 13 + y // 11) % 2), 230 - 0.6 * base], axis=-1)
    return tint.clip(0, 255).astype(np.uint8)


def make_jpeg(height_px=48, width_px=64, *, seed=0, mode="RGB", quality=15, **options):
    out = io.BytesIO()
    image = Image.fromarray(make_photo(height_px, width_px, seed)).convert(mode)
    image.save(out, "JPEG", quality=quality, **options)
    return out.getvalue()


def camera_jpeg():
    """A JPEG as a telephone writes it: turned, with a colour profile, a place and a resolution."""
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = 6
    exif[0x010F] = "Camera & Co"
    degrees = tuple(TiffImagePlugin.IFDRational(part) for part in (52, 30, 15))
    exif.get_ifd(EXIF_GPS).update({1: "N", 2: degrees, 3: "E", 4: degrees})
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return make_jpeg(40, 72, seed=3, exif=exif, icc_profile=profile, dpi=(300, 300))


def deep_tiff():
    """16 bits a channel."""
    pixels = make_photo(40, 56, 4).astype(np.float32) / 255
    return encode(Picture(pixels=pixels, space="rgb", bits=16), format="TIFF")


def clear_png():
    """With alpha."""
    pixels = make_photo(32, 40, 5)
    alpha = np.linspace(0, 255, 32 * 40).reshape(32, 40).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(np.dstack([pixels, alpha])).save(out, "PNG")
    return out.getvalue()


def huge_png():
    """A header that promises 2 gigapixels."""
    data = bytearray(clear_png())
    data[16:24] = struct.pack(">II", 1 << 16, 1 << 15)
    return bytes(data)


@pytest.fixture(scope="session")
def files():
    """One of each kind, by name."""
    return {
        "plain.jpg": make_jpeg(),
        "camera.jpg": camera_jpeg(),
        "gray.jpg": make_jpeg(40, 48, seed=1, mode="L"),
        "inks.jpg": make_jpeg(32, 48, seed=2, mode="CMYK"),
        "deep.tif": deep_tiff(),
        "clear.png": clear_png(),
    }


@pytest.fixture(scope="session")
def jpeg():
    """Makes the bytes of a JPEG file."""
    return make_jpeg


@pytest.fixture(scope="session")
def restorer():
    """One for all: its networks are loaded once."""
    return Restorer(threads=1)


@pytest.fixture
def serve(restorer):
    """Starts servers that end with the test; each is asked like a website."""
    with contextlib.ExitStack() as stack:

        def start(*, limits=None, quiet=False, **options):
            app = make_app(limits=limits or Limits(), restorer=restorer, **options)
            return stack.enter_context(Client(app, raise_server_exceptions=not quiet))

        yield start


@pytest.fixture
def client(serve):
    """One with the usual limits."""
    return serve()


class Client(TestClient):
    """Asks a server what its page asks."""

    def __init__(self, app, **options):
        super().__init__(app, base_url="http://127.0.0.1", **options)

    @property
    def studio(self):
        return self.app.state.studio

    def upload(self, data, name="photo.jpg"):
        """Keep a picture; its description."""
        answer = self.post("/api/pictures", params={"name": name}, content=data)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def ask(self, id, **settings):
        """Ask for a restoration; the picture's description."""
        answer = self.post(f"/api/pictures/{id}/restore", json=settings)
        assert answer.status_code == 202, answer.text
        return answer.json()

    def wait(self, id):
        """The picture's description once its work is over."""
        until = time.monotonic() + 60
        while time.monotonic() < until:
            found = self.get(f"/api/pictures/{id}").json()
            if found["work"]["state"] not in ("waiting", "working"):
                return found
            time.sleep(0.01)
        raise AssertionError("the work never ended")

    def restored(self, data, name="photo.jpg", **settings):
        """Keep a picture and restore it; its description."""
        id = self.upload(data, name)["id"]
        self.ask(id, **settings)
        found = self.wait(id)
        assert found["work"]["state"] == "done", found["work"]
        return found

    def file(self, id, **options):
        answer = self.get(f"/api/pictures/{id}/file", params=options)
        assert answer.status_code == 200, answer.text
        return answer.content

    @contextlib.contextmanager
    def paused(self):
        """While this lasts, the next picture to be restored waits before its first tile is done.

        Gives a function that waits until it is there.
        """
        started, over = threading.Event(), threading.Event()
        desk = self.studio._desk
        restore = desk.restore

        def slowly(*args, progress, **options):
            def pause(done, total):
                started.set()
                assert over.wait(60)
                progress(done, total)

            return restore(*args, progress=pause, **options)

        desk.restore = slowly
        try:
            yield lambda: started.wait(60)
        finally:
            over.set()
            del desk.restore

    @contextlib.contextmanager
    def busy(self):
        """While this lasts, the worker does nothing else, as with a large picture."""
        started, over = threading.Event(), threading.Event()

        def hold():
            started.set()
            over.wait(60)

        self.studio.slow.put(hold)
        assert started.wait(60)
        try:
            yield
        finally:
            over.set()


@pytest.fixture
def opened_files():
    """Counts the files without a name that this process holds."""

    def count():
        links = []
        for each in Path("/proc/self/fd").iterdir():
            with contextlib.suppress(OSError):
                links.append(str(each.readlink()))
        return sum("(deleted)" in link and ("restora-" in link or "#" in link) for link in links)

    if not Path("/proc/self/fd").exists():
        pytest.skip("files that are open are counted in /proc")
    return count
