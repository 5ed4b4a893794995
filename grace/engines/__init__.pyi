from .hub import cached_commit as cached_commit
from .make import make_engine as make_engine
