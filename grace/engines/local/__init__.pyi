from .engine import LocalEngine as LocalEngine
