"""Jinja as Grace runs it: in its sandbox, on the cells of one row, with errors in sentences.

A template and an expression of a study file see the row's columns by name, and all of them as
`row["any name"]`, whatever the name. What they print is text or a number, or it is an error: a
function, a list or nothing at all would stand in the prompt without a word.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

from jinja2 import StrictUndefined, TemplateError, TemplateRuntimeError, nodes
from jinja2.runtime import Context
from jinja2.sandbox import SandboxedEnvironment, SandboxedFormatter

from grace.config.jinja_checks import (
    called,
    computed,
    filters,
    looked_up,
    printable,
    rewritten,
    tests,
)

WORDS = {"none": 0, "no": 0, "zero": 0, "one": 1, "two": 2, "three": 3, "all": 3}
#: What running a template or an expression may raise, whatever a user wrote into it.
FAULTS = (
    TemplateError,
    TypeError,
    ValueError,
    ArithmeticError,
    LookupError,
    AttributeError,
    RuntimeError,
    NameError,  # a number without end, such as 1e400
    MemoryError,
    AssertionError,
    re.error,
)


def same_form(name: str) -> str:
    """A name in Unicode's composed form: “ö” is one sign, however it was typed."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def capture(text: str, pattern: str) -> str | None:
    """The first group of the first match, or nothing: a filter for derived columns."""
    try:
        found = re.search(pattern, text)
    except re.error as error:
        raise TemplateRuntimeError(
            f"capture cannot read the pattern {pattern!r} ({error})"
        ) from error
    if found is None:
        return None
    if not found.re.groups:
        raise TemplateRuntimeError(f"the pattern {pattern!r} has no group; expected one in ( )")
    return found[1]


def number(text: str | int | None) -> int | None:
    """A number in digits or as a word (zero … three, none, all), or nothing: a filter."""
    if text is None or isinstance(text, int):
        return text
    return int(text) if text.isdecimal() else WORDS.get(text.lower())


class Row:
    """All cells of a row by their columns' names, for names that are no plain words."""

    __slots__ = ("_cells",)

    def __init__(self, cells: Mapping[str, Any]) -> None:
        self._cells = cells

    def __getitem__(self, name: str) -> Any:
        return self._cells[same_form(name)]


def with_row(cells: Mapping[str, Any]) -> dict[str, Any]:
    """The cells, and `row` for all of them where no column has that name."""
    values = dict(cells)
    values.setdefault("row", Row(cells))
    return values


class Environment(SandboxedEnvironment):
    """Jinja's sandbox. A template's globals are a plain dict: Jinja's chain of them is slow."""

    intercepted_binops = frozenset(("%", "*", "+"))

    def __init__(self, **options: Any) -> None:
        super().__init__(
            undefined=StrictUndefined,
            autoescape=False,
            auto_reload=False,  # a template edited while the run goes on changes nothing
            finalize=printable,
            **options,
        )
        self.filters = {**filters(self.filters), "capture": capture, "number": number}
        self.tests = tests(self.tests)
        del self.globals["lipsum"]  # another prompt each time

    def make_globals(self, d: Mapping[str, Any] | None) -> MutableMapping[str, Any]:
        """Those of the environment, with further ones over them."""
        return {**self.globals, **(d or {})}

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        """Names in the form in which columns have theirs."""
        tree = super()._parse(source, name, filename)
        for node in tree.find_all(nodes.Name):
            node.name = same_form(node.name)
        return tree

    def _generate(
        self,
        source: nodes.Template,
        name: str | None,
        filename: str | None,
        defer_init: bool = False,
    ) -> str:
        """Python's code for a tree in which what compares, decides and joins is looked at."""
        for node in source.find_all(nodes.Name):  # of an expression, which is not parsed above
            node.name = same_form(node.name)
        return super()._generate(rewritten(source), name, filename, defer_init)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """What Jinja looks up, if it can be there at all."""
        looked_up(obj, argument)
        return super().getitem(obj, argument)

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805
        """What Jinja calls, if it can find anything."""
        called(__obj, args)
        return super().call(__context, __obj, *args, **kwargs)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """The value of `left % right`, `left * right` and `left + right`."""
        computed(operator, left, right)
        return super().call_binop(context, operator, left, right)

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        """Python's "{}".format, which prints what templates print and nothing else."""
        if super().wrap_str_format(value) is None:
            return None
        text, by_name = str(value.__self__), value.__name__ == "format_map"

        def formatted(*args: Any, **kwargs: Any) -> str:
            names = args[0] if by_name else kwargs
            return _Formatter(self).vformat(text, () if by_name else args, names)

        return formatted


class _Formatter(SandboxedFormatter):
    """Python's format in the sandbox, of what can be printed."""

    def get_field(self, field_name: str, args: Any, kwargs: Any) -> Any:
        found, first = super().get_field(field_name, args, kwargs)
        return printable(found), first


def reason(error: BaseException) -> str:
    """What a fault says, in a few words."""
    if isinstance(error, RecursionError):
        return "it includes or calls itself without end"
    if isinstance(error, MemoryError):
        return "it needs more memory than there is"
    if isinstance(error, ZeroDivisionError):
        return "division by zero"
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, TypeError) and "not supported between" in text:
        return f"{text}: text is compared with a number (a column of numbers is `type: integer`)"
    return text


def line_of(error: BaseException) -> tuple[str, int] | None:
    """File and line of the template in which an error was raised, the innermost there is."""
    found = None
    trace = error.__traceback__
    while trace is not None:
        template = trace.tb_frame.f_globals.get("__jinja_template__")
        if template is not None and template.filename:
            found = template.filename, template.get_corresponding_lineno(trace.tb_lineno)
        trace = trace.tb_next
    return found
