# Needs Python 3.11 or newer, pip and make; everything else goes into .venv and .venv-*.
PYTHON ?= python3
# The wheel is tried on these, as far as they are here.
PYTHONS ?= python3.11 python3.12 python3.13 python3.14
# Files in wheel and sdist bear the time of the last commit: the same commit gives the same bytes.
SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 1577836800)
export SOURCE_DATE_EPOCH

PIP = -m pip --disable-pip-version-check install --quiet
# All that a lock names, each by its hash, and nothing else.
LOCKED = $(PIP) --require-hashes --no-deps --requirement
UV = UV_CUSTOM_COMPILE_COMMAND="make lock" .venv-lock/bin/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 $(UPGRADE)
EXTRAS = train diffusion docs downstream metrics scale web dev fuzz
SOURCES = $(shell find src -type f -not -name '*.pyc')

.PHONY: demo test check docs fuzz wheel wheel-test audit sbom lock clean

demo: .venv/installed ## restore the examples, measure, draw before/after
	.venv/bin/python examples/demo.py demo-output

test: .venv-dev/installed check ## the whole suite
	.venv-dev/bin/pytest -n 2 --dist worksteal

check: .venv-dev/installed ## format, lint, types, layers, dependencies, spelling
	.venv-dev/bin/ruff format --check .
	.venv-dev/bin/ruff check .
	.venv-dev/bin/mypy
	.venv-dev/bin/lint-imports
	.venv-dev/bin/deptry src
	.venv-dev/bin/codespell

docs: .venv-dev/installed ## the documentation as a site, in docs/_build/html
	.venv-dev/bin/sphinx-build -W --keep-going -b html docs docs/_build/html

wheel: .venv-build/installed ## wheel and sdist in dist/, the same bytes wherever they are built
	.venv-build/bin/python requirements/build_wheel.py

wheel-test: wheel ## the wheel on every Python there is: verbs, a page, and the tests without PyTorch
	$(PYTHON) requirements/try_wheel.py dist/restora-*.whl $(PYTHONS)

audit: .venv-audit/installed ## known faults of everything that is locked; needs the internet
	.venv-audit/bin/pip-audit --strict --disable-pip --require-hashes --requirement requirements/ci.txt
	.venv-audit/bin/pip-audit --strict --disable-pip --no-deps --requirement constraints.txt

sbom: .venv-audit/installed .venv/installed .venv-dev/installed ## what it is made of (CycloneDX), in dist/
	.venv-audit/bin/python requirements/sbom.py light .venv/bin/python dist/sbom-light.json
	.venv-audit/bin/python requirements/sbom.py full .venv-dev/bin/python dist/sbom-full.json

lock: .venv-lock/installed ## write the locks anew; UPGRADE=--upgrade takes what is new
	$(UV) pyproject.toml requirements/ci.in --override requirements/no-torch.txt $(EXTRAS:%=--extra %) --output-file requirements/ci.txt
	$(UV) pyproject.toml --constraint requirements/ci.txt --output-file requirements/light.txt
	$(UV) requirements/build.in --constraint requirements/ci.txt --output-file requirements/build.txt
	$(UV) requirements/audit.in --constraint requirements/ci.txt --output-file requirements/audit.txt

fuzz: .venv-dev/installed ## a minute of fuzzing for each target; findings go to build/fuzz
	.venv-dev/bin/python tests/fuzz/run.py

# The light install, as a user gets it: no PyTorch.
.venv/installed: pyproject.toml requirements/light.txt $(SOURCES) .venv-build/installed
	.venv-build/bin/python requirements/build_wheel.py
	$(PYTHON) -m venv .venv
	.venv/bin/python $(LOCKED) requirements/light.txt
	.venv/bin/python $(PIP) --no-deps --force-reinstall dist/restora-*.whl
	touch $@

# PyTorch comes after the rest, and without a hash: its builds for CPU and GPU differ under one
# version, and what each needs besides is in its own metadata.
.venv-dev/installed: pyproject.toml constraints.txt requirements/ci.txt
	$(PYTHON) -m venv .venv-dev
	.venv-dev/bin/python $(LOCKED) requirements/ci.txt
	.venv-dev/bin/python $(PIP) --constraint constraints.txt torch
	.venv-dev/bin/python $(PIP) --no-deps --no-build-isolation --editable .
	.venv-dev/bin/python -m pip check
	touch $@

.venv-build/installed: requirements/build.txt
	$(PYTHON) -m venv .venv-build
	.venv-build/bin/python $(LOCKED) requirements/build.txt
	touch $@

.venv-audit/installed: requirements/audit.txt
	$(PYTHON) -m venv .venv-audit
	.venv-audit/bin/python $(LOCKED) requirements/audit.txt
	touch $@

.venv-lock/installed:
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/python $(PIP) uv==0.13.9
	touch $@

clean:
	rm -rf .venv .venv-* demo-output docs/_build build dist
