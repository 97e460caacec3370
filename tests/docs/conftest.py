"""The pages of the documentation, and what stands in them."""

import ast
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from PIL import Image

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "CONTRIBUTING.md", "recipes/README.md", "examples/README.md")
SHELLS = ("sh", "bash", "shell", "console", "indented")
# Command lines of these verbs are run, but for some: a text of theirs, and why.
RUN = ("restore", "inspect", "compare", "models")
COMMANDS_NOT_RUN = {
    ".pth": "weights of other people",
    "FILE|FOLDER": "a placeholder",
    "--device cuda": "a GPU",
    "--fetch https://": "the network: tests/weights/test_fetch.py",
    "--model mine": "a weight that the command before it fetches",
    "--engine ray": "processes and machines of Ray: tests/apps/scale",
    "--model weights/": "a weight that the command before it makes",
}
OPERATORS = {";", "|", "||", "&&", "&", ">", ">>", "<", "(", ")", "do", "then"}


@dataclass(frozen=True)
class Block:
    """Code of a page: what kind it is, and the line it begins at."""

    page: str
    line: int
    kind: str
    text: str


@dataclass(frozen=True)
class Command:
    """A command line of a page, in words; one in a sentence may leave out what is needed."""

    page: str
    line: int
    words: tuple[str, ...]
    whole: bool = True

    def __str__(self):
        return shlex.join(self.words)


def pages():
    """Every page by its path in the repository."""
    here = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").glob("*.md"))
    return [*PAGES, *here]


def tokens_of(page):
    reader = MarkdownIt("commonmark").enable("table")
    tokens = reader.parse((ROOT / page).read_text(encoding="utf-8"))
    line = 0
    for token in tokens:
        line = token.map[0] + 1 if token.map else line
        yield line, token
        for child in token.children or ():
            yield line, child


def blocks_of(page):
    """Fenced and indented code, indented Python told from commands by what it says."""
    for line, token in tokens_of(page):
        if token.type == "fence":
            kind = token.info.split()[0] if token.info.strip() else "text"
            yield Block(page, line, {"py": "python"}.get(kind, kind), token.content)
        elif token.type == "code_block":
            kind = "python" if is_python(token.content) else "indented"
            yield Block(page, line, kind, token.content)


def is_python(text):
    """Whether a text does something in Python, or begins as if it did."""
    if re.match(r"\s*(import|from) \w", text):
        return True
    try:
        parsed = ast.parse(text)
    except SyntaxError:
        return False
    return any(isinstance(node, ast.Call | ast.Assign) for node in ast.walk(parsed))


def commands_of(page):
    """Command lines of ``restora``: in blocks for the shell, and in sentences."""
    for block in blocks_of(page):
        if block.kind in SHELLS:
            for line in re.sub(r"\\\n\s*", " ", block.text).splitlines():
                for words in _simple_commands(line):
                    yield Command(page, block.line, words)
    for line, token in tokens_of(page):
        if token.type == "code_inline" and token.content.startswith("restora "):
            yield Command(page, line, tuple(shlex.split(token.content)), whole=False)


def _simple_commands(line):
    if "restora " not in line:
        return
    reader = shlex.shlex(line.removeprefix("$ "), posix=True, punctuation_chars=True)
    reader.whitespace_split = True
    words = []
    for word in [*reader, ";"]:
        if word in OPERATORS:
            if words[:1] == ["restora"]:
                yield tuple(words)
            words = []
        else:
            words.append(word)


EVERY_COMMAND = {str(command): command for page in pages() for command in commands_of(page)}


def is_run(command):
    return (
        command.whole
        and command.words[1] in RUN
        and not any(text in str(command) for text in COMMANDS_NOT_RUN)
    )


def pytest_generate_tests(metafunc):
    """Each page and each command is a test of its own, which names what is wrong."""
    if "prose_page" in metafunc.fixturenames:
        metafunc.parametrize("prose_page", pages())
    if "command" in metafunc.fixturenames:
        metafunc.parametrize("command", EVERY_COMMAND.values(), ids=EVERY_COMMAND)
    if "runnable" in metafunc.fixturenames:
        found = {name: each for name, each in EVERY_COMMAND.items() if is_run(each)}
        metafunc.parametrize("runnable", found.values(), ids=found)
    if "python_page" in metafunc.fixturenames:
        found = [p for p in pages() if any(b.kind == "python" for b in blocks_of(p))]
        metafunc.parametrize("python_page", found)


@pytest.fixture
def python_of():
    """A function to the Python blocks of a page."""
    return lambda page: [block for block in blocks_of(page) if block.kind == "python"]


@pytest.fixture
def shell_of():
    """A function to the blocks of a page that are marked as a shell's."""
    return lambda page: [block for block in blocks_of(page) if block.kind == "sh"]


@pytest.fixture
def inline_of():
    """A function to the code in the sentences and tables of a page."""
    return lambda page: [t.content for _, t in tokens_of(page) if t.type == "code_inline"]


@pytest.fixture
def prose():
    """The code in the sentences and tables of all pages."""
    return [t.content for page in pages() for _, t in tokens_of(page) if t.type == "code_inline"]


@pytest.fixture
def unmet_exceptions():
    """Exceptions of which no page has a command line any more."""
    return [text for text in COMMANDS_NOT_RUN if not any(text in each for each in EVERY_COMMAND)]


@pytest.fixture(scope="session")
def photograph():
    """A piece of a photo, of odd sides."""
    with Image.open(ROOT / "examples" / "clean" / "kitten.avif") as image:
        return image.convert("RGB").crop((120, 90, 221, 165))


@pytest.fixture
def put(photograph):
    """A function that puts a photo where a name says, a folder of photos, or what fits a glob."""

    def put(name):
        path = Path(name.replace("*", "photo"))
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix in (".jpg", ".jpeg", ".png", ".webp", ".tif"):
            lossy = {"quality": 15} if path.suffix != ".png" else {}
            photograph.save(path, **lossy)
        else:
            assert "." not in name, name
            for inside in ("beach.jpg", "1987/garden.jpg"):
                put(f"{name.rstrip('/')}/{inside}")

    return put


@pytest.fixture
def folder(tmp_path, monkeypatch, put):
    """The folder where code of a page runs: photos of the names that pages use are in it."""
    monkeypatch.chdir(tmp_path)
    for name in ("photo.jpg", "small.jpg", "clean.png", "old-photos"):
        put(name)
    return tmp_path
