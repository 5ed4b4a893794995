"""What a user writes, checked once: command line and YAML in, settings and a study out."""

from grace.config.missing_library import look_for_core

look_for_core()  # before the first of them is imported

import lazy_loader  # noqa: E402

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
