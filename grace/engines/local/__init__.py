"""Prompts in, answers out, by a model in this process: PyTorch and transformers.

It is imported when it is asked for: what a model's files are can be known without torch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
