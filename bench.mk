# Benchmarks. lm-eval has an environment of its own: it is compared with, not built on.

BENCH_BIN := .venv-bench/bin
BENCH_PIP := $(BENCH_BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

.PHONY: bench bench-gpu

# The ways side by side, and the scaling table; GRACE_ENDPOINT=URL adds those of a vLLM server.
bench: setup .venv-bench/.ready
	$(BIN)/python -m benchmarks.speed --lm-eval $(BENCH_BIN)/python --scaling

# Needs a CUDA device and the torch that goes with it; downloads no model.
bench-gpu: setup
	$(BIN)/python -m benchmarks.gpu

.venv-bench/.ready: pyproject.toml constraints.txt
	"$(PYTHON)" -m venv .venv-bench
	$(BENCH_PIP) torch
	$(BENCH_PIP) '.[local,bench]'
	touch $@
