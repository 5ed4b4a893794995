"""What Jinja would do without a word, and that nobody means: said instead.

A number never equals a text, a function is always true, `none` and functions become text when
they are joined: each would be a prompt that nobody wrote. A template's tree is rewritten so that
comparisons, conditions and joins pass through the filters of this module (their names hold a
blank, so that no template can name them), and Jinja's own filters and tests are wrapped.
"""

from __future__ import annotations

import functools
import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from types import BuiltinMethodType, FunctionType, MethodType
from typing import Any

from jinja2 import Environment, TemplateRuntimeError, Undefined, nodes, pass_environment
from jinja2.filters import make_attrgetter
from jinja2.visitor import NodeTransformer

COMPARED, JOINED, CONDITION = "is compared", "is joined", "is a condition"
_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "lteq": operator.le,
    "gt": operator.gt,
    "gteq": operator.ge,
    "in": lambda value, inside: value in inside,
    "notin": lambda value, inside: value not in inside,
}
#: Jinja's tests that compare, and the comparison each is.
_TESTS = {
    "eq": "eq", "==": "eq", "equalto": "eq", "sameas": "eq", "ne": "ne", "!=": "ne",
    "lt": "lt", "<": "lt", "lessthan": "lt", "le": "lteq", "<=": "lteq",
    "gt": "gt", ">": "gt", "greaterthan": "gt", "ge": "gteq", ">=": "gteq", "in": "in",
}  # fmt: skip
#: Jinja's tests of what a value is: no cell of text is a number or a truth value.
_OF_KIND = ("true", "false", "boolean", "number", "integer", "float")
#: Jinja's filters that make text of whatever they are given, and how many of their arguments.
_OF_TEXT = {
    "capitalize": 1, "center": 1, "e": 1, "escape": 1, "forceescape": 1, "indent": 1, "lower": 1,
    "replace": 3, "safe": 1, "string": 1, "striptags": 1, "title": 1, "trim": 1, "truncate": 1,
    "upper": 1, "urlencode": 1, "urlize": 1, "wordcount": 1, "wordwrap": 1, "format": None,
}  # fmt: skip
#: Methods of lists and mappings that look for something.
_LOOKING = ("get", "pop", "setdefault", "count", "index")
_FUNCTIONS = (BuiltinMethodType, FunctionType, MethodType)
_DIGITS = re.compile(r"\s*[+\-−]?[0-9]+([.,][0-9]+)?\s*")
#: Texts that say no, and are true as conditions: they are not empty.
_FALSE = ("0", "false")


def printable(value: Any) -> Any:
    """What a template prints: text or a number as they are, all else an error."""
    if isinstance(value, bool):
        raise TemplateRuntimeError(
            f"{_named(value)} would be printed; expected text or a number (a condition is written "
            "{{ 'this' if … else 'that' }})"
        )
    if isinstance(value, float) and not math.isfinite(value):
        raise TemplateRuntimeError(f"{value} would be printed; expected text or a number")
    if isinstance(value, (str, int, float, Undefined)):
        return value
    if value is None:
        raise TemplateRuntimeError("a value that is none would be printed; expected text")
    kind = "function" if callable(value) else type(value).__name__
    raise TemplateRuntimeError(
        f"a {kind} of Jinja's own would be printed; expected text or a number "
        '(a column of such a name is written row["name"])'
    )


def compared(value: Any, *rest: Any) -> bool:
    """A comparison, or a chain of them (1 < x < 3), of which each side can be the other's equal.

    `rest` is an operator's name of Jinja's and a value, as often as the chain is long.
    """
    for how, other in zip(rest[::2], rest[1::2], strict=True):
        inside: Any = other
        if how in ("in", "notin"):
            inside = _held(other)
            _refuse_absent(value, inside)
        elif how in ("eq", "ne"):
            _refuse_unlike(value, other)
        else:
            _refuse_digits(value, other)
        if not _COMPARISONS[how](value, inside):
            return False
        value = other
    return True


def condition(value: Any) -> Any:
    """A value whose truth decides; an error where it is true whatever the cell says."""
    if isinstance(value, _FUNCTIONS):
        raise TemplateRuntimeError("a function is a condition, and always true; is its () missing?")
    if isinstance(value, str) and value.strip().casefold() in _FALSE:
        raise TemplateRuntimeError(
            f"the text {value!r} is a condition, and true like any text that is not empty; compare "
            f'it, as in == "1"'
        )
    return value


def looked_up(inside: Any, key: Any) -> None:
    """Refuse to look for a number among texts, or the reverse."""
    if isinstance(inside, Mapping):
        _refuse_absent(key, inside)


def called(function: Any, arguments: tuple[Any, ...]) -> None:
    """Refuse what can find nothing: `{1: "one"}.get("1")`."""
    owner = getattr(function, "__self__", None)
    if (
        isinstance(owner, (dict, list, tuple))
        and arguments
        and function.__name__ in _LOOKING
        and not (function.__name__ == "pop" and isinstance(owner, list))
    ):
        _refuse_absent(arguments[0], owner)


def computed(sign: str, left: Any, right: Any) -> None:
    """Refuse “1” * 2 and “1” + “1”, which are “11”, and the texts of "%s" % x that are none."""
    if sign == "%" and isinstance(left, str):
        several = right.values() if isinstance(right, Mapping) else right
        for part in several if isinstance(several, (tuple, type({}.values()))) else [right]:
            printable(part)
    if sign == "+" and all(isinstance(x, str) and _DIGITS.fullmatch(x) for x in (left, right)):
        raise TemplateRuntimeError(
            f"the texts {left!r} + {right!r} would stand one behind the other; texts are joined "
            "with ~, and a column of numbers is `type: integer`"
        )
    if sign == "*":
        for one, other in ((left, right), (right, left)):
            if isinstance(one, str) and _DIGITS.fullmatch(one) and isinstance(other, int):
                raise TemplateRuntimeError(
                    f"the text {one!r} times {other} is the text repeated; a column of numbers is "
                    "`type: integer`"
                )


@pass_environment
def joined(
    environment: Environment, values: Iterable[Any], d: Any = "", attribute: str | int | None = None
) -> str:
    """Jinja's filter join of what can be printed."""
    if attribute is not None:
        values = map(make_attrgetter(environment, attribute), values)
    return str(printable(d)).join(str(printable(value)) for value in values)


_NO_DEFAULT: Any = object()


def whole(value: Any, default: Any = _NO_DEFAULT, base: int = 10) -> Any:
    """Jinja's filter int; what is no number is an error where no default is given."""
    if isinstance(value, (bool, Undefined)) or (isinstance(value, str) and base != 10):
        return int(value, base) if isinstance(value, str) else int(value)
    try:
        number = _number(value)
    except (TypeError, ValueError):
        if default is not _NO_DEFAULT:
            return default
        raise TemplateRuntimeError(
            f"int: found {value!r}, expected a whole number (or int(default=…) for what is none)"
        ) from None
    if isinstance(value, str) and number != int(number):
        raise TemplateRuntimeError(f"int: found {value!r}, expected a whole number")
    return int(number)


def decimal(value: Any, default: Any = _NO_DEFAULT) -> Any:
    """Jinja's filter float, in the same way."""
    try:
        return float(_number(value))
    except (TypeError, ValueError):
        if default is not _NO_DEFAULT:
            return default
        raise TemplateRuntimeError(
            f"float: found {value!r}, expected a number (or float(default=…) for what is none)"
        ) from None


def filters(own: Mapping[str, Any]) -> dict[str, Any]:
    """Jinja's filters as Grace has them: those that print look at what they are given."""
    left_out = ("random", "pprint", "xmlattr")  # another prompt each time; Python's own spelling
    kept = {name: _of_text(name, make) for name, make in own.items() if name not in left_out}
    parts: Callable[..., str] = lambda values: "".join(str(printable(v)) for v in values)  # noqa: E731
    return kept | {
        "join": joined, "int": whole, "float": decimal,
        COMPARED: compared, JOINED: parts, CONDITION: condition,
    }  # fmt: skip


def tests(own: Mapping[str, Any]) -> dict[str, Any]:
    """Jinja's tests as Grace has them: those that compare refuse what is never equal."""
    made = {name: functools.partial(_tested, how) for name, how in _TESTS.items()}
    looking = {name: _of_kind(name, own[name]) for name in _OF_KIND}
    return {**own, **made, **looking}


def rewritten(tree: nodes.Template) -> nodes.Template:
    """The tree with each comparison, condition and join through this module's filters."""
    found: nodes.Template = _Rewriting().visit(tree)
    return found


class _Rewriting(NodeTransformer):
    """Filters in the place of what Jinja would write as Python's own operators."""

    def visit(self, node: Any, *args: Any, **kwargs: Any) -> Any:
        """The node in its new form, from the inside out."""
        node = self.generic_visit(node, *args, **kwargs)
        match node:
            case nodes.Compare():
                pairs = ((nodes.Const(op.op, lineno=node.lineno), op.expr) for op in node.ops)
                return _through(COMPARED, node.expr, [one for pair in pairs for one in pair])
            case nodes.Concat():
                return _through(JOINED, nodes.List(node.nodes, lineno=node.lineno))
            case nodes.If() | nodes.CondExpr():
                node.test = _condition(node.test)
            case nodes.For() if node.test is not None:
                node.test = _condition(node.test)
            case nodes.Not():
                node.node = _condition(node.node)
        return node


def _through(name: str, node: nodes.Expr, arguments: Iterable[nodes.Expr] = ()) -> nodes.Filter:
    return nodes.Filter(node, name, [*arguments], [], None, None, lineno=node.lineno)


def _condition(node: Any) -> Any:
    """The node with each part of it looked at whose truth decides."""
    if isinstance(node, (nodes.And, nodes.Or)):
        node.left, node.right = _condition(node.left), _condition(node.right)
        return node
    return _through(CONDITION, node)


def _tested(how: str, value: Any, other: Any) -> bool:
    return compared(value, how, other)


def _of_kind(name: str, test: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """The test, if the value may pass it whatever the cell says."""

    def checked(value: Any) -> bool:
        if isinstance(value, str) and value:
            hint = "compare it with a text" if name in _OF_KIND[:3] else "columns have a type"
            raise TemplateRuntimeError(f"the text {value!r} is never {name}; {hint}")
        return test(value)

    return checked


def _of_text(name: str, make: Callable[..., Any]) -> Callable[..., Any]:
    """The filter, if it makes text of anything: of text and numbers alone."""
    if name not in _OF_TEXT:
        return make
    begin = 1 if hasattr(make, "jinja_pass_arg") else 0
    end = None if _OF_TEXT[name] is None else begin + int(_OF_TEXT[name] or 0)

    @functools.wraps(make)
    def checked(*values: Any, **named: Any) -> Any:
        several = [*values[begin:end], *(named.values() if end is None else ())]
        for value in several:
            printable(value)
        return make(*values, **named)

    return checked


def _held(inside: Any) -> Any:
    """What is looked through, twice: an iterator can be gone through once only."""
    lasting = (str, Mapping, list, tuple, range, set, frozenset, Undefined)
    return inside if isinstance(inside, lasting) or not hasattr(inside, "__iter__") else [*inside]


def _refuse_absent(value: Any, inside: Any) -> None:
    """Refuse to look among things of which none can be the value's equal."""
    if isinstance(inside, (str, Undefined)) or not hasattr(inside, "__iter__"):
        if isinstance(inside, str) and _is_number(value):
            raise TemplateRuntimeError(_unlike(value, inside))
        return
    if isinstance(inside, range):
        inside = inside[:1]
    unlike = [one for one in inside if not _comparable(value, one)]
    same = [one for one in unlike if str(one).strip() == str(value).strip()]
    if same or (unlike and len(unlike) == len(inside)):
        raise TemplateRuntimeError(_unlike(value, (same or unlike)[0]))


def _refuse_unlike(value: Any, other: Any) -> None:
    if not _comparable(value, other):
        raise TemplateRuntimeError(_unlike(value, other))


def _refuse_digits(value: Any, other: Any) -> None:
    """Refuse “100” < “60”, which is so letter by letter."""
    if all(isinstance(one, str) and _DIGITS.fullmatch(one) for one in (value, other)):
        raise TemplateRuntimeError(
            f"the texts {value!r} and {other!r} are compared letter by letter, not as numbers; a "
            "column of numbers is `type: integer`"
        )


def _comparable(value: Any, other: Any) -> bool:
    """Whether the two could be equal: both texts, both numbers, or neither; nothing always may."""
    for one in (value, other):
        if one is None or isinstance(one, Undefined) or (isinstance(one, str) and one == ""):
            return True
    if isinstance(value, str) or isinstance(other, str):
        return isinstance(value, str) and isinstance(other, str)
    return isinstance(value, (int, float)) == isinstance(other, (int, float))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _unlike(value: Any, other: Any) -> str:
    """The sentence for two values that are never equal."""
    said = f"{_named(value)} is compared with {_named(other)}, which are never equal"
    if {str, int} == {type(value), type(other)}:
        text = next(one for one in (value, other) if isinstance(one, str))
        if _DIGITS.fullmatch(text):
            return (
                f"{said}; write both with or both without quotation marks (a column of numbers is "
                "`type: integer`)"
            )
    return said


def _named(value: Any) -> str:
    """A value as it is told."""
    if isinstance(value, str):
        return f"the text {value[:40] + '…' if len(value) > 40 else value!r}"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return f"the number {value}"
    return "a function" if callable(value) else f"a {type(value).__name__}"


def _number(value: Any) -> float | int:
    """A number, or a text that is one; ValueError for all else."""
    if isinstance(value, str):
        if not re.fullmatch(r"\s*[+\-−]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+\-]?[0-9]+)?\s*", value):
            raise ValueError(value)
        plain = value.strip().replace("−", "-")
        value = int(plain) if re.fullmatch(r"[+-]?[0-9]+", plain) else float(plain)
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(value)
    if isinstance(value, (int, float)):
        return value
    raise TypeError(value)
