"""Prompts in; masses of options, and texts, out. To add an engine, see docs/extending.md."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
