"""Prompts: Jinja templates with a `user` block and, where wanted, a `system` block.

Nothing about wording lives in Python. Templates run in Jinja's sandbox, a name no column has
is an error, and what a cell holds is text, never template.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, MutableMapping
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, FileSystemLoader, StrictUndefined, TemplateError
from jinja2.meta import find_referenced_templates, find_undeclared_variables
from jinja2.sandbox import SandboxedEnvironment

from grace.errors import ConfigError
from grace.resources import folders
from grace.types import Message, Role

ROLES: tuple[Role, ...] = ("system", "user")
WORDS = {"none": 0, "no": 0, "zero": 0, "one": 1, "two": 2, "three": 3, "all": 3}


def capture(text: str, pattern: str) -> str | None:
    """The first group of the first match, or nothing: a filter for derived columns."""
    found = re.search(pattern, text)
    return found[1] if found else None


def number(text: str | None) -> int | None:
    """A number in digits or as a word (zero … three, none, all), or nothing: a filter."""
    if text is None:
        return None
    return int(text) if text.isdecimal() else WORDS.get(text.lower())


class Environment(SandboxedEnvironment):
    """Jinja's sandbox. A template's globals are a plain dict: Jinja's chain of them is slow."""

    def make_globals(self, d: Mapping[str, Any] | None) -> MutableMapping[str, Any]:
        """Those of the environment, with further ones over them."""
        return {**self.globals, **(d or {})}


class Templates:
    """The templates of a run and the expressions of its study file."""

    def __init__(self, roots: Iterable[Path] | None = None) -> None:
        self.roots = list(roots) if roots is not None else folders("prompts")
        loader = ChoiceLoader([FileSystemLoader(root, encoding="utf-8") for root in self.roots])
        self.env = Environment(
            loader=loader,
            undefined=StrictUndefined,
            autoescape=False,
            auto_reload=False,  # a template edited while the run goes on changes nothing
        )
        self.env.filters |= {"capture": capture, "number": number}

    def expression(self, text: str, names: Iterable[str], where: str) -> Any:
        """A compiled expression over columns, called with them as keywords."""
        try:
            unknown = find_undeclared_variables(self.env.parse("{{ (" + text + ") }}"))
            unknown -= {*names, "none"}
            if unknown:
                raise ConfigError(f"{where}: {text!r} names {_list(unknown)}, no column")
            return self.env.compile_expression(text, undefined_to_none=False)
        except TemplateError as error:
            raise ConfigError(f"{where}: {text!r}: {error}") from error

    def check(self, name: str, names: Iterable[str]) -> None:
        """Refuse a template that cannot be rendered.

        That is one that is missing, malformed, without a user block, or that names what no
        column of the study is.
        """
        known = set(names)
        template = self._get(name)
        if "user" not in template.blocks:
            raise ConfigError(f"template {name}: no block named user; expected one")
        for part in sorted(self._parts(name)):
            source, path, _ = self.env.loader.get_source(self.env, part)  # type: ignore[union-attr]
            unknown = find_undeclared_variables(self.env.parse(source)) - known
            if unknown:
                raise ConfigError(
                    f"template {path or part}: unknown column {_list(unknown)}; "
                    f"expected one of {', '.join(sorted(known))}"
                )

    def messages(self, name: str, values: Mapping[str, Any]) -> tuple[Message, ...]:
        """The conversation for one trial: each block one turn, outer white space removed."""
        template = self._get(name)
        turns = []
        try:
            for role in ROLES:
                if role in template.blocks:
                    context = template.new_context(dict(values))
                    content = "".join(template.blocks[role](context)).strip()
                    if content:
                        turns.append(Message(role, content))
        except TemplateError as error:
            raise ConfigError(f"template {name}: {error}") from error
        except (TypeError, ValueError, ArithmeticError) as error:
            raise ConfigError(f"template {name}: {type(error).__name__}: {error}") from error
        if not turns:
            raise ConfigError(f"template {name}: rendered to nothing; expected some text")
        return tuple(turns)

    def source_files(self, name: str) -> dict[str, Path]:
        """The template and all it includes or extends, by name."""
        found = {}
        for part in sorted(self._parts(name)):
            _, path, _ = self.env.loader.get_source(self.env, part)  # type: ignore[union-attr]
            if path:
                found[part] = Path(path)
        return found

    def _get(self, name: str) -> Any:
        try:
            return self.env.get_template(name)
        except TemplateError as error:
            line = getattr(error, "lineno", None)
            what = f"line {line}: {error.message}" if line else f"not found ({_roots(self)})"
            raise ConfigError(f"template {name}: {what}") from error
        except UnicodeDecodeError as error:
            raise ConfigError(f"template {name}: not UTF-8 text; save it as UTF-8") from error

    def _parts(self, name: str) -> set[str]:
        """The template's name and those of all it includes, extends or imports."""
        seen: set[str] = set()
        waiting = [name]
        while waiting:
            part = waiting.pop()
            if part in seen:
                continue
            seen.add(part)
            self._get(part)
            source, _, _ = self.env.loader.get_source(self.env, part)  # type: ignore[union-attr]
            for other in find_referenced_templates(self.env.parse(source)):
                if other is None:
                    raise ConfigError(
                        f"template {part}: an include whose name is computed; expected a name"
                    )
                waiting.append(other)
        return seen


def _roots(templates: Templates) -> str:
    return "looked in " + ", ".join(str(root) for root in templates.roots)


def _list(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in sorted(names))
