"""The site builds without a warning and without a network, and no link in it is dead."""

import html.parser
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

DOCS = Path(__file__).parents[2] / "docs"
# As `sphinx-build` on a machine that is alone in the world.
BUILD = """
import socket, sys
def refuse(*_):
    raise OSError("there is no network here")
socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refuse
from sphinx.cmd.build import main
sys.exit(main(sys.argv[1:]))
"""
pytest.importorskip("furo")


class Page(html.parser.HTMLParser):
    """The ids, the links and the parts of a page."""

    def __init__(self, path):
        super().__init__()
        self.ids, self.links, self.parts = set(), [], []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        told = dict(attrs)
        self.ids |= {told[key] for key in ("id", "name") if told.get(key)}
        if tag == "a" and told.get("href"):
            self.links.append(told["href"])
        elif tag == "link" and told.get("href"):
            self.parts.append(told["href"])
        for key in ("src", "data", "poster"):
            if told.get(key) and tag != "meta":
                self.parts.append(told[key])


@pytest.fixture(scope="session")
def site(made_once):
    """The folder of the built site."""

    def build(folder):
        done = subprocess.run(
            [
                *(sys.executable, "-c", BUILD, "-W", "--keep-going", "-q", "-b", "html"),
                *("-d", folder / "doctrees", DOCS, folder / "html"),
            ],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    return made_once("site", build) / "html"


@pytest.fixture(scope="session")
def built(site):
    """Every page of the site by its path."""
    return {path.resolve(): Page(path) for path in site.rglob("*.html")}


def test_no_link_is_dead(site, built):
    dead = []
    for path, page in built.items():
        for link in [*page.links, *page.parts]:
            target = urlsplit(link)
            if target.scheme or target.netloc:
                continue
            file = (path.parent / unquote(target.path)).resolve() if target.path else path
            anchor = unquote(target.fragment)
            if not file.is_file() or (anchor and file in built and anchor not in built[file].ids):
                dead.append(f"{path.relative_to(site.resolve())}: {link}")
    assert dead == []
    assert len(built) > 30


def test_links_to_elsewhere_are_whole_and_safe(built):
    outer = {link for page in built.values() for link in page.links if urlsplit(link).scheme}
    assert outer  # papers, at least
    wrong = {link for link in outer if not re.fullmatch(r"https://[\w.-]+\.\w+(/\S*)?", link)}
    assert wrong == set()


def test_nothing_of_a_page_comes_from_elsewhere(site, built):
    parts = {part for page in built.values() for part in page.parts}
    assert {
        p for p in parts if urlsplit(p).netloc or urlsplit(p).scheme not in ("", "data")
    } == set()
    for sheet in site.rglob("*.css"):
        assert not re.search(r"(url\(|@import)\s*['\"]?(https?:)?//", sheet.read_text()), sheet


def test_files_of_the_repository_are_shown(site):
    shown = (site / "files" / "docs" / "make_benchmarks.py.html").read_text(encoding="utf-8")
    assert "Runs the benchmarks and writes docs/benchmarks.md" in shown
    listed = (site / "files" / "docs" / "benchmarks.html").read_text(encoding="utf-8")
    assert 'href="benchmarks/speed.json.html"' in listed
    assert (site / "files" / "docs" / "benchmarks" / "speed.json.html").exists()


def test_fields_say_what_they_are(site):
    told = (site / "reference" / "restore.html").read_text(encoding="utf-8")
    assert "largest side of a tile, a multiple of 16" in told
    assert "Restore one picture." in told
