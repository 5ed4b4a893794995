"""What a user writes, checked once: command line and YAML in, settings and a study out."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
