"""Why a vLLM does not start, or answers wrongly: found in its log, on the machine, by asking it."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
