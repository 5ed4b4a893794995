from . import figures as figures
from . import rsa as rsa
from .api import run_study as run_study
from .api import score as score
from .comparison import compare_runs as compare_runs
from .errors import GraceError as GraceError
from .runs import Run as Run
from .runs import load as load
from .version import __version__ as __version__

__all__ = [
    "GraceError",
    "Run",
    "__version__",
    "compare_runs",
    "figures",
    "load",
    "rsa",
    "run_study",
    "score",
]
