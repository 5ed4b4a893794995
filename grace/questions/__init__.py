"""A trial and a study in, queries out; the text of an answer in, its fields out (parsing)."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
