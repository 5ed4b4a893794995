"""Prompts in, answers out, by asking servers: vLLM, or what speaks the same protocol over HTTP."""

from grace.engines.vllm.engine import VllmEngine

__all__ = ["VllmEngine"]
