"""Every picture in docs/ is made by a script that is there too: none is drawn by hand."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
KINDS = {".png", ".svg", ".jpg", ".jpeg", ".webp", ".avif", ".gif"}
HOLE = "\0"


def texts_of(script):
    """The texts in a program; what an f-string fills in is a hole."""
    docstrings = set()
    for node in ast.walk(script):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            docstrings.add(body[0].value)
    for node in ast.walk(script):
        if isinstance(node, ast.JoinedStr):
            yield "".join(p.value if isinstance(p, ast.Constant) else HOLE for p in node.values)
        elif isinstance(node, ast.Constant) and node not in docstrings:
            yield str(node.value)


def makes(script, picture):
    """Whether a program writes a file of that path below docs/, by what its texts say.

    A text names it outright; or an f-string does, and what goes into its holes is said elsewhere in
    the program, whole or as a word.
    """
    texts = list(texts_of(ast.parse(script)))
    words = {word for text in texts for word in (text, *re.split(r"[\s;,]+", text))}
    for text in texts:
        if Path(text.replace(HOLE, "-")).suffix not in KINDS or text.startswith(HOLE + "."):
            continue
        for name in (picture, picture.rpartition("/")[2]):
            pattern = "(.+)".join(re.escape(part) for part in text.split(HOLE))
            found = re.fullmatch(pattern, name)
            if found and set(found.groups()) <= words:
                return True
    return False


def scripts():
    return [*DOCS.glob("*.py"), *(ROOT / "examples").glob("*.py")]


def test_a_script_makes_every_picture():
    sources = [path.read_text() for path in scripts() if path.name != "conf.py"]
    pictures = [
        path.relative_to(DOCS).as_posix()
        for path in sorted(DOCS.rglob("*"))
        if path.suffix in KINDS and not path.is_relative_to(DOCS / "_build")
    ]
    assert len(pictures) > 10
    assert [p for p in pictures if not any(makes(source, p) for source in sources)] == []


def test_every_picture_is_shown():
    """What no page shows only makes the repository larger."""
    text = "".join(page.read_text() for page in [ROOT / "README.md", *DOCS.glob("*.md")])
    files = [path for path in DOCS.rglob("*") if path.suffix in KINDS]
    shown = set(re.findall(r"[(/]([^(/\s]+)\)", text))
    hidden = [p.name for p in files if p.name not in shown and "_build" not in str(p)]
    assert hidden == []


@pytest.mark.parametrize(
    ("script", "made"),
    [
        ("save('a-b.png')", True),
        ("'''writes a-b.png'''", False),
        ("for part in ('b', 'c'): save(f'a-{part}.png')", True),
        ("for part in ('d', 'c'): save(f'a-{part}.png')", False),
        ("save(f'{name}.png')", False),
        ("save('a-b.svg')", False),
    ],
)
def test_what_makes_a_picture(script, made):
    assert makes(script, "a-b.png") is made
