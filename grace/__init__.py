"""Grace runs psycholinguistic experiments on language models, with exact probabilities.

    import grace

    grace.score("smollm2-135m", ["Is the sky blue?"], ["yes", "no"])
    run = grace.run_study("study=1", "exp=2", "model=smollm2-135m", "pilot=10")
    run.trials, run.responses, run.matrices, run.manifest
    grace.compare_runs(run)["r"]["value"]
    grace.rsa.listener("one", 2)
    grace.figures.bets(grace.figures.view(run))

The names load when first used, so that importing the package is quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import grace.config  # noqa: F401  (looks for the libraries that Grace cannot do without)
from grace.version import __version__

if TYPE_CHECKING:
    from grace import figures, rsa
    from grace.api import run_study, score
    from grace.comparison import compare_runs
    from grace.errors import GraceError
    from grace.runs import Run, load

_WHERE = {
    "GraceError": "grace.errors",
    "Run": "grace.runs.results",
    "compare_runs": "grace.comparison.compare_many",
    "load": "grace.runs.results",
    "run_study": "grace.api",
    "score": "grace.api",
}

#: Parts of Grace that are used by their own name: grace.rsa.listener("one", 2).
_MODULES = ("figures", "rsa")

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


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(importlib.import_module(_WHERE[name]), name)
    if name in _MODULES:
        return importlib.import_module(f"grace.{name}")
    raise AttributeError(f"module 'grace' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})
