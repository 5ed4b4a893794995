"""Settings in; the running vLLM server that they mean, and what it would take, out."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
