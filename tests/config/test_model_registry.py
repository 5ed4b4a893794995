"""The registry: every model composes, and asks a vLLM endpoint unless told otherwise."""

from __future__ import annotations

import pytest

from grace.config.command_line import compose
from grace.config.resources import shipped
from grace.config.settings import read_settings

NAMES = {
    "gemma-2b": "google/gemma-2-2b-it",
    "gemma-9b": "google/gemma-2-9b-it",
    "llama-8b": "meta-llama/Llama-3.1-8B-Instruct",
    "llama-70b": "meta-llama/Llama-3.1-70B-Instruct",
    "phi-3-mini": "microsoft/Phi-3-mini-4k-instruct",
    "mistral-7b": "mistralai/Mistral-7B-Instruct-v0.3",
    "deepseek-v3": "deepseek-ai/DeepSeek-V3",
    "opt-125m": "facebook/opt-125m",
    "opt-350m": "facebook/opt-350m",
    "qwen3-0.6b": "Qwen/Qwen3-0.6B",
    "qwen3-8b": "Qwen/Qwen3-8B",
    "granite-4.0-h-1b": "ibm-granite/granite-4.0-h-1b",
    "granite-4.0-micro": "ibm-granite/granite-4.0-micro",
    "granite-4.0-h-tiny": "ibm-granite/granite-4.0-h-tiny",
    "granite-3.3-8b": "ibm-granite/granite-3.3-8b-instruct",
    "gemma-1-2b": "google/gemma-2b",
    "smollm2-135m": "HuggingFaceTB/SmolLM2-135M-Instruct",
}


def test_the_registry_is_complete() -> None:
    assert {path.stem for path in (shipped("conf") / "model").glob("*.yaml")} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_model_composes(name: str) -> None:
    settings = read_settings(compose([f"model={name}"]))
    assert (settings.model.name, settings.model.id) == (name, NAMES[name])
    assert settings.model.licence
    assert settings.engine.kind == ("local" if name == "smollm2-135m" else "vllm")
    assert read_settings(compose([f"model={name}", "engine=local"])).engine.kind == "local"


@pytest.mark.parametrize("name", ["gemma-2b", "gemma-9b"])
def test_gemma_2_is_bfloat16(name: str) -> None:
    assert read_settings(compose([f"model={name}"])).model.dtype == "bfloat16"


@pytest.mark.parametrize("name", ["opt-125m", "opt-350m", "gemma-1-2b"])
def test_base_models_are_given_plain_text(name: str) -> None:
    assert read_settings(compose([f"model={name}"])).model.chat is False


def test_a_template_that_would_write_the_date_is_given_one() -> None:
    """Llama 3.1 writes today's date into the system turn: tomorrow's answers would differ."""
    for name in ("llama-8b", "llama-70b"):
        assert "date_string" in read_settings(compose([f"model={name}"])).model.chat_template_kwargs
