"""The engine that asks servers: vLLM, or what speaks the same protocol, over HTTP."""

from grace.engines.vllm.engine import VllmEngine

__all__ = ["VllmEngine"]
