"""The configuration that settings make, from Grace's own conf/ and the user's beside it."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from grace.config.manual.settings import GROUPS, NAMES
from grace.config.overrides import as_overrides, quoted
from grace.config.printable import one_line
from grace.config.refuse_code import refuse_file
from grace.config.resources import choices, folders, shipped
from grace.config.validation_messages import near
from grace.errors import ConfigError

_STUDY = re.compile(r"\+*study=(.*)")


def compose(overrides: Sequence[str], config_name: str = "config") -> dict[str, Any]:
    """The configuration these settings make: "study=1", "pilot=10"."""
    return compose_overrides(as_overrides(overrides), config_name)


def compose_overrides(overrides: Sequence[str], config_name: str) -> dict[str, Any]:
    """The same of words in Hydra's own language; plain containers, without Hydra's own part."""
    from omegaconf import OmegaConf

    from grace.config.settings import Composed

    with in_a_sentence():
        config = unresolved(overrides, config_name)
        plain: Any = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    composed = Composed({str(key): value for key, value in plain.items() if key != "hydra"})
    composed.study_file = study_file(overrides, "1")
    composed.given = frozenset(word.lstrip("+~").partition("=")[0].strip() for word in overrides)
    composed.forget_the_bundled()
    return composed


def unresolved(overrides: Sequence[str], config_name: str) -> Any:
    """The configuration as OmegaConf has it, with what refers to other settings as written."""
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    from grace.config.study_file import StudyFile

    GlobalHydra.instance().clear()
    if path := study_file(overrides):
        StudyFile(path)  # says more than what follows
    words = [*overrides, *search_path()]
    with in_a_sentence(), initialize_config_dir(str(shipped("conf")), version_base="1.3"):
        return hydra_compose(config_name, words)


def study_file(overrides: Sequence[str], default: str | None = None) -> Path | None:
    """The file of the study that is chosen: in the user's own conf/, or among Grace's."""
    chosen = [_STUDY.match(override) for override in overrides]
    names = [match[1].strip().strip("'\"") for match in chosen if match] or [default or ""]
    places = (folder / "study" / f"{names[-1]}.yaml" for folder in folders("conf"))
    return next((path for path in places if names[-1] and path.is_file()), None)


def search_path() -> list[str]:
    """An override that adds the user's own conf/ folder, if there is one."""
    own = Path.cwd() / "conf"
    theirs = shipped("conf")
    if not own.is_dir() or own.resolve() == theirs.resolve():
        return []
    for path in sorted(own.rglob("*.yaml")):
        refuse_file(path, own)
        if (theirs / path.relative_to(own)).exists() and path.parent.name in GROUPS:
            raise ConfigError(
                f"{path}: {path.stem} is the name of a {path.parent.name} of Grace's own; "
                "expected another file name"
            )
    return [f"hydra.searchpath=[{quoted(f'file://{own}')}]"]


@contextmanager
def in_a_sentence() -> Iterator[None]:
    """What Hydra, OmegaConf and YAML say of a configuration, as one sentence."""
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    try:
        yield
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(sentence(error)) from error
    except ValueError as error:  # of Hydra's, for a list of defaults that is none
        raise ConfigError(one_line(str(error), 400)) from error
    except OSError as error:  # a name that is too long for a file
        raise ConfigError(f"{one_line(str(error.filename))}: {error.strerror}") from error
    except RecursionError as error:
        raise ConfigError("settings that refer to each other in a circle, or too deep") from error


def sentence(error: Exception) -> str:
    """What Hydra says, in a sentence: two lines, and the choices where it lists them."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith("See https://")]
    first = lines[0] if lines else type(error).__name__
    if unknown := re.match("Could not (override|delete|append)[^']*'([^'@]+)'", first):
        name = unknown[2]
        if name in NAMES:
            group = name.partition(".")[0]
            if unknown[1] == "append":
                return f"+{name}: is set already; expected {name}=value"
            return f"{name}: no such setting with these choices of {', '.join(GROUPS)}" + (
                f" (it is of another {group})" if "." in name else ""
            )
        return (
            f"{name}: no such setting with these choices of {', '.join(GROUPS)}{near(name, NAMES)}"
        )
    if missing := re.match(r"In '.*': Could not find '([^']+)'|Could not find '([^']+)'", first):
        return _no_choice(missing[1] or missing[2], first)
    if len(lines) > 2 and lines[1].endswith(":"):
        listed = itertools.takewhile(lambda line: not line.startswith("Config search"), lines[2:])
        return f"{first}. {lines[1]} {', '.join(listed)}"
    key = re.search(r"full_key: (\S+)", str(error))
    place = f"{key[1]}: " if key else ""
    return one_line(place + " ".join(lines[: 1 if key else 2]), 400)


def _no_choice(name: str, said: str) -> str:
    """A choice that a group does not have."""
    group, _, choice = name.partition("/")
    if group not in GROUPS:
        return said
    names = choices(group)
    hint = near(choice, names) or f"; expected one of {', '.join(names)}"
    own = Path.cwd() / "conf" / group
    where = f"in {own} and" if own.is_dir() else f"where you stand, which has no conf/{group}, and"
    hint += f" (looked {where} among Grace's own)"
    if group == "model" and ("/" in choice or "." in choice):
        hint = f"; a model on your disk is model.path=FOLDER{hint}"
    return f"{name}: there is no such {group}{hint}"
