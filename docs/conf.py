"""How Sphinx makes the site: ``sphinx-build -W -b html docs docs/_build/html``.

Needs ``restora[docs]``; nothing is fetched, neither while it builds nor by who reads it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import restora

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_extensions"))

smartquotes = False  # "--task" is two hyphens
project = "Restora"
author = "the authors of Restora"
copyright = "the authors of Restora, Apache-2.0"
version = release = restora.__version__
language = "en"

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "repository_links",
    "short_names",
    "described_fields",
]
exclude_patterns = ["_build", "_extensions", "README.md"]  # README.md: the folder, on a code host
nitpicky = True
nitpick_ignore_regex = [
    # Nothing of other projects is looked up, so that the site builds without a network.
    (r"py:.*", r"(?!restora\b).*"),
    # What a network's configuration is made of stands in its recipe, line by line.
    (r"py:class", r"restora\.networks\.\S*Config"),
    (r"py:class", r"restora\.images\.colour\.Float"),  # a type variable
]

# What a link of a page that leads out of this folder means: pages that show such a file already.
repository_root = HERE.parent
repository_pages = {
    "README.md": "index",
    "docs/README.md": "index",
    "recipes/README.md": "recipes",
    "CONTRIBUTING.md": "contributing",
    "CHANGELOG.md": "changelog",
}

myst_heading_anchors = 4  # as on a code host: #the-words-of-a-heading
myst_enable_extensions = ["colon_fence", "attrs_inline"]
myst_links_external_new_tab = False

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
autodoc_default_options = {"no-value": True}
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 80
add_module_names = False
napoleon_numpy_docstring = False
napoleon_use_ivar = True

html_theme = "furo"
html_title = "Restora"
html_static_path = ["_static"]
html_css_files = ["restora.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_theme_options = {
    # The colours of the page that `restora serve` shows.
    "light_css_variables": {
        "color-brand-primary": "#0f6b62",
        "color-brand-content": "#0f6b62",
        "color-brand-visited": "#4a5f6b",
    },
    "dark_css_variables": {
        "color-brand-primary": "#6cc9ba",
        "color-brand-content": "#6cc9ba",
        "color-brand-visited": "#9fb6c0",
    },
}
