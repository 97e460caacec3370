"""Docstrings and signatures name things as the code does: ``Plan``, ``Restorer.session``.

Sphinx wants to know where a name lives. The one documented object whose full name ends so is meant,
also where the code defines it in another module than users import it from.
"""

from __future__ import annotations

from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.domains.python import PythonDomain
from sphinx.environment import BuildEnvironment
from sphinx.util.nodes import make_refnode


def _resolve(
    app: Sphinx, env: BuildEnvironment, node: addnodes.pending_xref, shown: nodes.Element
) -> nodes.Element | None:
    if node.get("refdomain") != "py":
        return None
    domain = env.domains["py"]
    assert isinstance(domain, PythonDomain)
    place = _place(str(node["reftarget"]), domain)
    if place is None:
        return None
    return make_refnode(app.builder, str(node["refdoc"]), *place, shown)


def _place(target: str, domain: PythonDomain) -> tuple[str, str] | None:
    """Page and anchor of what a name means; None where nothing, or more than one thing, fits."""
    parts = target.split(".")
    ours = parts[0] == "restora"
    for start in range(len(parts) if ours else 1):
        tail = parts[start:]
        found = {
            (entry.docname, entry.node_id)
            for name, entry in domain.objects.items()
            if name.split(".")[-len(tail) :] == tail
        }
        if len(found) == 1:
            return found.pop()
    return None


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("missing-reference", _resolve)
    return {"parallel_read_safe": True}
