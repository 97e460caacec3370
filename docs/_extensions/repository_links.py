"""Links that lead out of the pages, to a script or a recipe, lead to a page that shows the file.

On a code host such a link opens the file. A site has only pages; so each file that is named gets
one, with its text, and each folder one that lists what lies in it. Nothing depends on where the
repository is published. What does not exist is left to MyST, which warns.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.transforms import SphinxTransform

HIGHLIGHTED = {".py": "python", ".yaml": "yaml", ".toml": "toml"}
TEXTS = {*HIGHLIGHTED, ".json", ".md", ".txt", ""}
Page = tuple[str, dict[str, Any], str]


class RepositoryLinks(SphinxTransform):
    """Sends each link to the page of what it names."""

    default_priority = 900  # the links are all there, and nothing has copied a file yet

    def apply(self, **_: Any) -> None:
        for node in list(self.document.findall(_is_link)):
            path, anchor = self._named(node)
            if not path.is_relative_to(self.config.repository_root) or not path.exists():
                continue
            name = path.relative_to(self.config.repository_root).as_posix()
            page = self._page_of(path, name)
            link = self._to_page(page, anchor) if page else self._to_file(name)
            link += node.children
            node.replace_self(link)

    def _named(self, node: nodes.Element) -> tuple[Path, str]:
        """The file a link names, from the folder of the page that holds it, and the anchor."""
        if node.get("refdomain") == "doc":  # MyST took it for a page, which it need not be
            page = Path(self.env.srcdir, f"{node['reftarget']}.md")
            return page.resolve(), node["reftargetid"] or ""
        target, _, anchor = unquote(node["reftarget"]).partition("#")
        folder = Path(self.env.doc2path(self.env.docname)).parent
        return (folder / target).resolve(), anchor

    def _page_of(self, path: Path, name: str) -> str | None:
        """The page of the site that is, or includes, a file; None where there is none."""
        pages: dict[str, str] = self.config.repository_pages
        if name in pages or f"{name}/README.md" in pages:
            return pages.get(name) or pages[f"{name}/README.md"]
        own = self.env.path2doc(path)
        return own if own in self.env.found_docs else None

    def _to_page(self, page: str, anchor: str) -> nodes.Element:
        return addnodes.pending_xref(
            refdomain="doc",
            reftarget=page,
            reftargetid=anchor or None,
            refdoc=self.env.docname,
            reftype="myst",
            refexplicit=True,
        )

    def _to_file(self, name: str) -> nodes.Element:
        _shown(self.env).setdefault(self.env.docname, set()).add(name)
        where = self.app.builder.get_relative_uri(self.env.docname, f"files/{name}")
        return nodes.reference("", "", internal=True, refuri=where)


def _is_link(node: nodes.Node) -> bool:
    """Whether MyST made it of ``[text](target)``, and the target is neither a page nor a URL."""
    if isinstance(node, addnodes.download_reference):
        return True
    return isinstance(node, addnodes.pending_xref) and node.get("reftype") == "myst"


def _shown(env: BuildEnvironment) -> dict[str, set[str]]:
    """The files and folders that each page links to; kept between builds."""
    if not hasattr(env, "repository_shown"):
        env.repository_shown = {}
    shown: dict[str, set[str]] = env.repository_shown
    return shown


def _forget(_: Sphinx, env: BuildEnvironment, page: str) -> None:
    _shown(env).pop(page, None)


def _pages(app: Sphinx) -> Iterator[Page]:
    """A page for each file or folder that is linked to, and for what those folders hold."""
    root: Path = app.config.repository_root
    todo = sorted(set().union(*_shown(app.env).values()))
    done: set[str] = set()
    while todo:
        name = todo.pop()
        path = root / name
        if name in done:
            continue
        done.add(name)
        if path.is_dir():
            held = sorted(each for each in path.iterdir() if not each.name.startswith(("_", ".")))
            shown = [each for each in held if each.is_dir() or each.suffix in TEXTS]
            todo += [each.relative_to(root).as_posix() for each in shown]
            body = _listed(held, shown, path.name)
        else:
            body = _highlighted(app, path)
        title = escape(name)
        yield (
            f"files/{name}",
            {"title": title, "body": f"<h1><code>{title}</code></h1>\n{body}"},
            "page.html",
        )


def _listed(held: Iterable[Path], shown: list[Path], folder: str) -> str:
    lines = []
    for each in held:
        text = f"<code>{escape(each.name)}</code>"
        if each in shown:
            text = f'<a href="{quote(folder)}/{quote(each.name)}.html">{text}</a>'
        lines.append(f"<li>{text}</li>")
    return "\n".join(["<ul>", *lines, "</ul>"])


def _highlighted(app: Sphinx, path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    language = HIGHLIGHTED.get(path.suffix)
    if language is None:  # plain: colours of a long report would take seconds
        return f'<div class="highlight"><pre>{escape(text)}</pre></div>'
    return str(app.builder.highlighter.highlight_block(text, language))  # type: ignore[attr-defined]


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_config_value("repository_root", None, "env")
    app.add_config_value("repository_pages", {}, "env")
    app.add_transform(RepositoryLinks)
    app.connect("env-purge-doc", _forget)
    app.connect("html-collect-pages", _pages)
    return {"parallel_read_safe": False}
