"""Answers in; tables out, which can be made again from the store at any time.

Wide (`trials`) has one row a trial, tidy (`responses`) one row a trial × question × option.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
