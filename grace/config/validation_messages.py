"""What was expected, in words of the field, wherever pydantic refuses a value."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from grace.errors import visible

if TYPE_CHECKING:
    from pydantic import ValidationError

#: The pattern of names that become folders and files.
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
#: Parts of a place that say which kind of value was tried, and are no name of a setting.
_TRIED = re.compile(r"local|vllm|(function|constrained)-.*|.*\[.*")
_KINDS = ("str", "int", "float", "bool", "none", "nullable")
_LENGTH = 80
#: Problems told in one sentence; more are counted.
_TOLD = 3
QUOTES = "put it in quotation marks"
#: What Hydra would fill in: ${…} with no backslash, or an even number of them, before it.
REFERENCE = re.compile(r"(?<!\\)(\\\\)*\$\{")
#: A place in a file, such as "conf/study/tea.yaml, line 3: ", for a setting's path and value.
Locate = Callable[[Sequence[str | int], Any], str]

#: By pydantic's name of the problem: what was expected instead.
_EXPECTED = {
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_parsing_size": "a whole number that is not so large",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_type": "text",
    "string_unicode": "text",
    "string_sub_type": "text",
    "dict_type": "names with values, {name: value}",
    "mapping_type": "names with values, {name: value}",
    "model_type": "names with values, {name: value}",
    "model_attributes_type": "names with values, {name: value}",
    "dataclass_type": "names with values, {name: value}",
    "tuple_type": "a list, [first, second]",
    "list_type": "a list, [first, second]",
    "path_type": "a path",
    "none_required": "nothing (null)",
    "string_too_short": "some text",
    "invalid_key": f"text as a name; {QUOTES}",
}
#: Of bounds: the number in pydantic's context, and how it is said.
_BOUNDS = {
    "greater_than_equal": ("ge", "{} or more"),
    "greater_than": ("gt", "more than {}"),
    "less_than_equal": ("le", "at most {}"),
    "less_than": ("lt", "less than {}"),
    "too_short": ("min_length", "at least {}"),
}
_NAME = (
    "a name of the letters A to Z, digits, dots, hyphens and underscores that begins with a "
    "letter or a digit"
)
#: What a pattern asks for.
_PATTERNS = {
    NAME_PATTERN: _NAME,
    r"^[A-Za-z_]\w*$": "a name of letters, digits and _ that begins with a letter",
}


def describe(
    error: ValidationError,
    where: str = "",
    known: Iterable[str] = (),
    locate: Locate | None = None,
) -> str:
    """A validation error as a sentence: each setting's name, the value found, what was expected.

    `known` are the names that there are: the nearest to a wrong one is named. `locate` says
    where a setting stands that comes from a file.
    """
    found: dict[str, list[str]] = {}
    names = list(known)
    for problem in error.errors():
        name = where + ".".join(_place(problem["loc"]))
        place = locate(problem["loc"], problem["input"]) if locate else ""
        line = place + _line(name, problem, names, in_file=bool(place))
        lines = found.setdefault(name, [])
        if line not in lines:
            lines.append(line)
    told = [_either(lines) for lines in found.values()]
    more = [f"and {len(told) - _TOLD} more"] if len(told) > _TOLD else []
    return "; ".join([*told[:_TOLD], *more])


def near(name: str, names: Iterable[str]) -> str:
    """Where one of the names is near: `; did you mean exp.max_tokens?`; else nothing."""
    names = list(names)
    found = difflib.get_close_matches(name, names, 1, 0.75)
    if not found:  # the last part alone, in another group or in none
        last = name.rpartition(".")[2]
        found = [n for n in names if n != name and n.rpartition(".")[2] == last]
    return f"; did you mean {found[0]}?" if found else ""


def shown(value: Any) -> str:
    """A value as it is told: on one line, and not endless."""
    try:
        text = visible(repr(value))
    except ValueError:  # a whole number of thousands of digits
        text = "a number of thousands of digits"
    return text if len(text) <= _LENGTH else f"{text[: _LENGTH - 1]}…"


def _line(name: str, problem: Mapping[str, Any], known: list[str], *, in_file: bool) -> str:
    kind = problem["type"]
    if kind == "extra_forbidden":
        return f"{visible(name)}: no such setting{near(name, known)}"
    if kind == "missing":
        return f"{name}: missing"
    if kind in ("union_tag_not_found", "union_tag_invalid"):
        tag = str(problem["ctx"]["discriminator"]).strip("'")
        value = problem["ctx"].get("tag")
        given = "" if value is None else f"={value!r}"
        expected = str(problem["ctx"].get("expected_tags", "local, vllm")).replace("'", "")
        return f"{name}.{tag}{given}: expected one of {expected}"
    if in_file and isinstance(problem["input"], (dict, list, tuple)):
        return f"{name}: {_sentence(problem)}"
    return f"{name}={shown(problem['input'])}: {_sentence(problem)}"


def _sentence(problem: Mapping[str, Any]) -> str:
    kind, context = problem["type"], problem.get("ctx") or {}
    if kind == "string_type" and isinstance(problem["input"], (bool, int, float)):
        return f"expected text; {QUOTES}"
    if kind in _EXPECTED:
        return f"expected {_EXPECTED[kind]}"
    if kind in _BOUNDS:
        key, words = _BOUNDS[kind]
        return f"expected {words.format(_number(context[key]))}"
    if kind == "literal_error":
        return f"expected {context['expected']}".replace("'", "")
    if kind == "string_pattern_mismatch":
        pattern = context["pattern"]
        return f"expected {_PATTERNS.get(pattern, f'text that matches {pattern}')}"
    message = problem["msg"].removeprefix("Value error, ")
    message = re.sub(r"^Input should be( a valid)?", "expected", message)
    return f"{message[:1].lower()}{message[1:]}"


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def _either(lines: list[str]) -> str:
    """Several refusals of one value, each for another kind it may be, as one."""
    first, *rest = lines
    place, mark, _ = first.rpartition(": expected ")
    same = [line for line in rest if mark and line.startswith(f"{place}{mark}")]
    others = [line for line in rest if line not in same]
    kinds = [first, *(line[len(place) + len(mark) :] for line in same)]
    return "; ".join([" or ".join(kinds), *others])


def _place(parts: Sequence[Any]) -> list[str]:
    """The names and numbers of a place, without which kind of value was tried there."""
    names = [str(part) for part in parts if not _TRIED.fullmatch(str(part))]
    return names[:-1] if len(names) > 1 and names[-1] in _KINDS else names
