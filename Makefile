# Needs Python 3.11 or newer, pip and make; everything else goes into .venv and .venv-dev.
PYTHON ?= python3

.PHONY: demo test check docs clean

demo: .venv/installed ## restore the examples, measure, draw before/after
	.venv/bin/python examples/demo.py demo-output

test: .venv-dev/installed check ## the whole suite
	.venv-dev/bin/pytest -n 2

check: .venv-dev/installed ## format, lint, types, layers, dependencies, spelling
	.venv-dev/bin/ruff format --check .
	.venv-dev/bin/ruff check .
	.venv-dev/bin/mypy
	.venv-dev/bin/lint-imports
	.venv-dev/bin/deptry src
	.venv-dev/bin/codespell

docs: .venv-dev/installed ## the documentation as a site, in docs/_build/html
	.venv-dev/bin/sphinx-build -W --keep-going -b html docs docs/_build/html

# The light install, as a user gets it: no PyTorch.
.venv/installed: pyproject.toml $(shell find src -type f -not -name '*.pyc')
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet .
	touch $@

.venv-dev/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-dev
	.venv-dev/bin/python -m pip install --quiet --constraint constraints.txt --editable '.[train,diffusion,docs,downstream,metrics,scale,web,dev]'
	touch $@

clean:
	rm -rf .venv .venv-dev demo-output docs/_build build dist
