"""A library that is not installed: one sentence, with the command that installs it.

Where a library is imported matters to nobody who runs an experiment, so Grace's commands turn
any failed import into that sentence, and `import grace` looks for those it cannot do without.
"""

from __future__ import annotations

import shlex
import sys
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path

from grace.errors import ConfigError, GraceError

NAME = "grace-psycholinguistics"
#: Imported by every run, as `dependencies` in pyproject.toml has them.
CORE = (
    "filelock",
    "hydra",
    "jinja2",
    "lazy_loader",
    "markupsafe",
    "matplotlib",
    "numpy",
    "omegaconf",
    "pandas",
    "pyarrow",
    "pydantic",
    "regex",
    "rich",
    "scipy",
    "yaml",
)
#: What each extra is for, and what comes with it.
EXTRAS = {
    "local": ("torch", "transformers", "gguf", "safetensors", "sentencepiece", "google.protobuf"),
    "vllm": ("openai", "httpx2", "tenacity", "psutil", "huggingface_hub"),
    "rsa": ("jax", "numpyro"),
    "stats": ("bambi", "arviz", "formulae", "pymc", "pytensor"),
}


def command(extra: str = "") -> str:
    """The command that installs an extra, quoted for shells that read brackets as patterns.

    pip adds to a Grace that is installed; one that runs from a clone is named by its folder.
    """
    try:
        where = distribution(NAME).name
    except PackageNotFoundError:
        where = str(Path(__file__).resolve().parents[2])
    return f"`pip install '{where}[{extra}]'`" if extra else f"`pip install {shlex.quote(where)}`"


def not_installed(
    error: ImportError, what: str = "Grace", extra: str = "local,vllm"
) -> ConfigError:
    """The sentence for a failed import; raises the error itself where Grace's own code failed.

    `what` needs the library; `extra` is named for a library that only others need.
    """
    causes: list[ImportError] = []
    cause: BaseException | None = error
    while cause is not None:  # transformers wraps what it could not import in its own error
        if isinstance(cause, ImportError) and cause.name:
            causes.append(cause)
        cause = cause.__cause__ or cause.__context__
    first = causes[-1] if causes else error
    name = (first.name or "").partition(".")[0]
    if name in ("", "grace"):
        raise error
    if name in CORE:
        extra = ""
    extra = next((extra for extra, names in EXTRAS.items() if name in names), extra)
    if _absent(name):
        return ConfigError(f"{what} needs {name}, which is not installed: run {command(extra)}")
    return ConfigError(
        f"{what} needs {name}, and the version that is installed does not do "
        f"({str(first).splitlines()[0]}): run {command(extra)}"
    )


def need(extra: str, what: str) -> None:
    """ConfigError where a library of the extra is not installed: before a long job starts."""
    for name in EXTRAS[extra]:
        if _absent(name):
            raise ConfigError(f"{what} needs {name}, which is not installed: run {command(extra)}")


def look_for_core() -> None:
    """Say in a sentence what `import grace` needs and is not installed."""
    absent = [name for name in CORE if _absent(name)]
    if not absent:
        return
    sentence = f"Grace needs {', '.join(absent)}, not installed: run {command()}"
    # A command, before it could begin: python -m grace.NAME, or the console script.
    if sys.argv[:1] == ["-m"] or Path(*sys.argv[:1]).stem == "grace":
        sys.exit(f"error: {sentence}")
    raise ImportError(sentence, name=absent[0])


def _absent(name: str) -> bool:
    try:
        return find_spec(name) is None
    except ModuleNotFoundError:  # the package around it
        return True


def in_words(error: GraceError | ImportError) -> GraceError:
    """What the user can mend, a library to install among it."""
    return not_installed(error) if isinstance(error, ImportError) else error
