"""Prompts: Jinja templates with a `user` block and, where wanted, a `system` block.

Nothing about wording lives in Python. Templates run in Jinja's sandbox, a name no column has
is an error, and what a cell holds is text, never template.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, FileSystemLoader, TemplateError, TemplateNotFound, Undefined, nodes
from jinja2.meta import find_referenced_templates

from grace.config import Environment
from grace.config.resources import folders
from grace.config.sandbox import FAULTS, line_of, reason, with_row
from grace.config.template_names import (
    own_names,
    refuse_numbers,
    refuse_words_of_jinja,
    used_names,
    words_of_grammar,
    written,
)
from grace.errors import ConfigError
from grace.types import Message, Role

ROLES: tuple[Role, ...] = ("system", "user")


class Expression:
    """An expression of a study file over the cells of a row."""

    def __init__(self, text: str, where: str, run: Any, used: frozenset[str]) -> None:
        self.text, self.where, self._run, self._used = text, where, run, used

    def names(self, column: str) -> bool:
        """Whether it uses this column."""
        return column in self._used

    def __call__(self, cells: Mapping[str, Any]) -> Any:
        """Its value for these cells; ConfigError where it has none."""
        try:
            value = self._run(with_row(cells))
            if isinstance(value, Undefined):
                str(value)  # says what is not there
        except FAULTS as error:
            raise ConfigError(f"{self.where}: {self.text!r}: {reason(error)}") from error
        return value


class Templates:
    """The templates of a run and the expressions of its study file."""

    def __init__(self, roots: Iterable[Path] | None = None) -> None:
        self.roots = list(roots) if roots is not None else folders("prompts")
        # A byte order mark at the beginning of a file is no part of a prompt.
        loaders = [FileSystemLoader(root, encoding="utf-8-sig") for root in self.roots]
        self.env = Environment(loader=ChoiceLoader(loaders))
        self._chains: dict[str, list[str]] = {}

    def expression(
        self, text: str, names: Collection[str], where: str, texts: Collection[str] = ()
    ) -> Expression:
        """A compiled expression over columns; `texts` are those that hold text.

        ConfigError for one that cannot be read, or that names what no column is.
        """
        place = f"{where}: {text!r}"
        source = "{{ (" + text + ") }}"
        try:
            run = self.env.compile_expression(text, undefined_to_none=False)
            tree = self.env.parse(source)
            refuse_words_of_jinja(self.env, source, names, place)
        except FAULTS as error:
            raise ConfigError(f"{place}: {reason(error)}{words_of_grammar(names)}") from error
        used = used_names(tree, names)
        if unknown := (used | own_names(tree)) - {*names}:
            raise ConfigError(
                f"{place} names {_list(unknown)}, no column; expected one of {written(names)}"
            )
        refuse_numbers(tree, texts, place)
        return Expression(text, where, run, used)

    def check(self, name: str, names: Collection[str], texts: Collection[str] = ()) -> None:
        """Refuse a template that cannot be rendered.

        That is one that is missing, malformed, without a user block or with text outside its
        blocks, or that names what no column of the study is; `texts` are columns that hold text.
        """
        main = self._path(name)
        try:
            chain = self._chain(name)
        except ConfigError as error:
            raise ConfigError(f"{error}{words_of_grammar(names)}") from error
        if not any("user" in self._get(part).blocks for part in chain):
            raise ConfigError(f"template {main}: no block named user; expected one")
        for part in chain:
            self._check_blocks(part)
        for part in sorted(self._parts(name)):
            source, path, _ = self.env.loader.get_source(self.env, part)  # type: ignore[union-attr]
            where = f"template {path or part}"
            refuse_words_of_jinja(self.env, source, names, where)
            tree = self.env.parse(source)
            if unknown := used_names(tree, names) - {*names}:
                raise ConfigError(
                    f"{where}: unknown column {_list(unknown)}; expected one of {written(names)}"
                )
            refuse_numbers(tree, texts, where)

    def messages(self, name: str, values: Mapping[str, Any]) -> tuple[Message, ...]:
        """The conversation for one trial: each block one turn, outer white space removed."""
        template = self._get(name)
        extended = len(self._chain(name)) > 1
        cells = with_row(values)
        turns = []
        try:
            for role in ROLES:
                if not extended and role not in template.blocks:
                    continue
                context = template.new_context(cells)
                if extended:  # what is extended brings blocks of its own
                    "".join(template.root_render_func(context))
                if role in context.blocks:
                    content = "".join(context.blocks[role][0](context)).strip()
                    if content:
                        turns.append(Message(role, content))
        except FAULTS as error:
            file, line = line_of(error) or (self._path(name), None)
            place = f"{file}, line {line}" if line else file
            raise ConfigError(f"template {place}: {reason(error)}") from error
        if not turns:
            raise ConfigError(f"template {self._path(name)}: rendered to nothing; expected text")
        return tuple(turns)

    def source_files(self, name: str) -> dict[str, Path]:
        """The template and all it includes or extends, by name."""
        found = {}
        for part in sorted(self._parts(name)):
            _, path, _ = self.env.loader.get_source(self.env, part)  # type: ignore[union-attr]
            if path:
                found[part] = Path(path)
        return found

    def _path(self, name: str) -> str:
        """The template's file, for people; its name where there is none."""
        try:
            return self.env.loader.get_source(self.env, name)[1] or name  # type: ignore[union-attr]
        except (TemplateError, UnicodeDecodeError, ValueError, OSError):
            return name

    def _get(self, name: str) -> Any:
        try:
            return self.env.get_template(name)
        except TemplateNotFound as error:
            raise ConfigError(f"template {name}: not found ({_roots(self)})") from error
        except TemplateError as error:
            line = getattr(error, "lineno", None)
            file = getattr(error, "filename", None) or self._path(name)
            where = f"{file}: line {line}" if line else file
            raise ConfigError(f"template {where}: {reason(error)}") from error
        except UnicodeDecodeError as error:
            line = error.object[: error.start].count(b"\n") + 1
            raise ConfigError(
                f"template {self._file(name)}, line {line}: not UTF-8 text (found "
                f"{error.object[error.start : error.start + 1]!r}); save it as UTF-8"
            ) from error
        except (ValueError, OSError, RecursionError, MemoryError, SyntaxError) as error:
            raise ConfigError(f"template {name}: cannot be read ({reason(error)})") from error

    def _file(self, name: str) -> str:
        """The file of a template that cannot be read as text."""
        return next((str(r / name) for r in self.roots if (r / name).is_file()), name)

    def _chain(self, name: str) -> list[str]:
        """The template and what it extends, each the next."""
        if name not in self._chains:
            chain = [name]
            for part in chain:  # grows as it is gone through
                for node in self._tree(part).find_all(nodes.Extends):
                    other = getattr(node.template, "value", None)
                    if not isinstance(other, str) or other in chain:
                        raise ConfigError(
                            f"template {self._path(part)}, line {node.lineno}: extends itself or "
                            "a name that is computed; expected the name of another template"
                        )
                    chain.append(other)
            self._chains[name] = chain
        return self._chains[name]

    def _tree(self, name: str) -> nodes.Template:
        self._get(name)
        return self.env.parse(self.env.loader.get_source(self.env, name)[0])  # type: ignore[union-attr]

    def _check_blocks(self, name: str) -> None:
        """Refuse what would never be in a prompt: other blocks, and text outside of blocks."""
        for node in self._tree(name).body:
            where = f"template {self._path(name)}, line {node.lineno}"
            if isinstance(node, nodes.Block) and node.name not in ROLES:
                raise ConfigError(
                    f"{where}: a block named {node.name}; expected {' or '.join(ROLES)}: "
                    "no other turn can be given"
                )
            if not isinstance(node, (nodes.Block, nodes.Extends)) and not _is_blank(node):
                raise ConfigError(
                    f"{where}: text or code outside of the blocks would be in no prompt; put it "
                    "into the block user or system"
                )

    def _parts(self, name: str) -> set[str]:
        """The template's name and those of all it includes, extends or imports."""
        seen: set[str] = set()
        waiting = [name]
        while waiting:
            part = waiting.pop()
            if part in seen:
                continue
            seen.add(part)
            for other in find_referenced_templates(self._tree(part)):
                if other is None:
                    raise ConfigError(
                        f"template {part}: an include whose name is computed; expected a name"
                    )
                waiting.append(other)
        return seen


def _is_blank(node: nodes.Node) -> bool:
    """White space between blocks (comments are in no tree)."""
    return isinstance(node, nodes.Output) and all(
        isinstance(part, nodes.TemplateData) and not part.data.strip() for part in node.nodes
    )


def _roots(templates: Templates) -> str:
    return "looked in " + ", ".join(str(root) for root in templates.roots)


def _list(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in sorted(names))
