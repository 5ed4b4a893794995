"""Whether a model fits: weights, keys and values, tokens, before anything is started.

`estimate(settings, card, count, given)` gives a `Row` for each tensor-parallel size, and is what
other parts of Grace ask; `report(settings, given)` is all of `grace.capacity`. The formulas are
vLLM's (0.32) own; no module here imports torch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
