"""The engine that runs a model in this process, through PyTorch and transformers."""

from grace.engines.local.engine import LocalEngine

__all__ = ["LocalEngine"]
