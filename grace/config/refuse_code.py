"""Configuration holds values and names no code.

Hydra calls what `_target_` names for its own parts, Python's logging what a handler's `class`
names, and Hydra reads settings from any folder it is told of. None of that is for a study, which
may have come from anyone: it is refused before Hydra sees it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from grace.errors import ConfigError

#: Keys by which Hydra would be told to call something.
CODE_KEYS = ("_target_", "_partial_", "_args_", "_convert_", "_recursive_")
REFUSAL = "configuration may not name code to run"
#: Words that would set how Hydra is made up, or put a group in another's place.
_HYDRA_PARTS = re.compile(
    r"\s*[+~]*\s*(hydra=|hydra\.(searchpath|callbacks|job_logging|hydra_logging)\b|[^=]*@)"
)
_PACKAGE = re.compile(r"^\s*#\s*@package", re.M)


def refuse_code(config: Any, where: str = "") -> None:
    """Refuse `_target_` and its like at any depth; what stands in several places is seen once."""
    seen: set[int] = set()
    waiting = [(config, where)]
    while waiting:
        inner, place = waiting.pop()
        items: Any = ()
        if isinstance(inner, Mapping):
            items = inner.items()
        elif isinstance(inner, (list, tuple)):
            items = enumerate(inner)
        if not items or id(inner) in seen:
            continue
        seen.add(id(inner))
        for key, value in items:
            if key in CODE_KEYS:
                raise ConfigError(f"{place}{key}: {REFUSAL}; remove it")
            waiting.append((value, f"{place}{key}."))


def refuse_words(overrides: Sequence[str]) -> None:
    """Refuse the words of a command line that would name code."""
    for override in overrides:
        if "_target_" in override:
            raise ConfigError(f"{override}: {REFUSAL} (_target_); remove it")
        if _HYDRA_PARTS.match(override):
            raise ConfigError(f"{override}: {REFUSAL}, and this would let it; remove it")


def refuse_file(path: Path, folder: Path) -> None:
    """Refuse a file of a configuration folder that names code or reaches into Hydra's settings."""
    text = path.read_text("utf-8", "replace")
    try:
        content = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, TypeError, RecursionError):
        content = None  # it is said what is wrong with it when it is read
    if "_target_" in text:
        raise ConfigError(f"{path}: {REFUSAL} (_target_); remove it")
    refuse_code(content, f"{path}: ")
    defaults = content.get("defaults") if isinstance(content, Mapping) else None
    several = isinstance(defaults, list) and all(isinstance(d, (str, dict)) for d in defaults)
    if isinstance(content, Mapping) and "defaults" in content and not several:
        raise ConfigError(
            f"{path}: defaults: expected the names of files to begin with, [first, second]"
        )
    reaches = _PACKAGE.search(text) or re.search("hydra|@", str(defaults or ""))
    if reaches or path.relative_to(folder).parts[0] == "hydra":
        raise ConfigError(f"{path}: {REFUSAL}, and Hydra's own settings would let it; remove them")
