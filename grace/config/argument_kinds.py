"""Arguments of the wrong kind, from Python, in one sentence."""

from __future__ import annotations

import functools
import inspect
import os
import types
import typing
from collections.abc import Callable, Collection, Mapping, Sequence
from numbers import Integral, Real
from typing import Any, Literal, ParamSpec, TypeVar, Union, get_args, get_origin

from grace.config.validation_messages import shown
from grace.errors import ConfigError

P = ParamSpec("P")
R = TypeVar("R")

_SAID: dict[Any, str] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "True or False",
    type(None): "None",
}


def strict(function: Callable[P, R]) -> Callable[P, R]:
    """A public function whose arguments are held to the kinds it names.

    A ConfigError names the argument, what was found and what was expected. What a function says
    of a value of the right kind is its own affair.
    """
    signature = inspect.signature(function)
    kinds: dict[str, Any] = {}

    @functools.wraps(function)
    def told(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            given = signature.bind(*args, **kwargs).arguments
        except TypeError as error:
            raise ConfigError(
                f"{function.__name__}: {error}; expected {_written(signature)}"
            ) from error
        if not kinds:
            kinds.update(_kinds(function, signature))
        for name, value in given.items():
            spread = signature.parameters[name].kind
            if spread is inspect.Parameter.VAR_POSITIONAL:
                for one in value:
                    _expect(name, one, kinds[name])
            elif spread is not inspect.Parameter.VAR_KEYWORD:
                _expect(name, value, kinds[name])
        return function(*args, **kwargs)

    return told


def found(value: Any) -> str:
    """What was given instead: a short value, or the name of its kind."""
    told = f"{shown(value)} " if _is_short(value) else ""
    return f"found {told}({type(value).__name__})"


def _expect(name: str, value: Any, kind: Any) -> None:
    if not _fits(value, kind):
        told = f"{name}={shown(value)}:" if _is_short(value) else f"{name}: {found(value)},"
        raise ConfigError(f"{told} expected {_said(kind)}")


def _kinds(function: Callable[..., Any], signature: inspect.Signature) -> dict[str, Any]:
    """The kinds of the arguments; Any for a name that only type checkers see."""
    scope = vars(inspect.getmodule(function) or typing)
    kinds: dict[str, Any] = {}
    for name, parameter in signature.parameters.items():
        try:
            kinds[name] = eval(str(parameter.annotation), dict(scope))  # noqa: S307  (our own code)
        except NameError:
            kinds[name] = Any
    return kinds


def _fits(value: Any, kind: Any) -> bool:  # noqa: PLR0911  (one for each sort of kind)
    """Whether a value is of a kind; true where that cannot be told."""
    origin = get_origin(kind)
    if kind is _array_like():
        return _is_numbers(value)
    if origin in (Union, types.UnionType):
        return any(_fits(value, one) for one in get_args(kind))
    if origin is Literal:
        return isinstance(value, str) or (_is_short(value) and value in get_args(kind))
    if kind in (int, float):  # NumPy's numbers too
        number = Integral if kind is int else Real
        return isinstance(value, number) and not isinstance(value, bool)
    if kind is bool:
        return isinstance(value, bool) or type(value).__name__ == "bool"
    plain = origin or kind
    if kind is Any or not isinstance(plain, type) or getattr(plain, "_is_protocol", False):
        return True
    if issubclass(plain, Mapping):
        return isinstance(value, Mapping)
    if plain in (Sequence, Collection):
        members = get_args(kind)[0] if get_args(kind) else Any
        listed = isinstance(value, plain) and not isinstance(value, (str, bytes, Mapping))
        return listed and all(_fits(member, members) for member in value)
    return isinstance(value, plain)


def _said(kind: Any) -> str:  # noqa: PLR0911  (one for each sort of kind)
    origin = get_origin(kind)
    if kind is _array_like():
        return "numbers"
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(_said(one) for one in get_args(kind)))
    if origin is Literal:
        return f"one of {', '.join(map(str, get_args(kind)))}"
    if kind in _SAID:
        return _SAID[kind]
    plain = origin or kind
    if isinstance(plain, type) and issubclass(plain, Mapping):
        return "a mapping"
    if isinstance(plain, type) and issubclass(plain, os.PathLike):
        return "a path"
    if plain in (Sequence, Collection):
        (member,) = get_args(kind) or (object,)
        return (
            f"a list, each {_said(member)}"
            if member in (str, int, float)
            else (f"a list of {getattr(member, '__name__', 'them')}")
        )
    name = getattr(plain, "__name__", str(plain))
    return f"{'an' if name[:1] in 'AEIOU' else 'a'} {name}"


def _is_short(value: Any) -> bool:
    return value is None or isinstance(value, (str, bytes, bool, Integral, Real))


def _is_numbers(value: Any) -> bool:
    import numpy as np

    try:
        np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        return False
    return value is not None and not isinstance(value, (str, bytes))


def _array_like() -> Any:
    import numpy.typing as npt

    return npt.ArrayLike


def _written(signature: inspect.Signature) -> str:
    """The arguments as they are written: (word, access, alpha=…)."""
    names = []
    for name, one in signature.parameters.items():
        star = str(one).split(name, 1)[0]  # "*" or "**" of what takes any number
        names.append(f"{star}{name}" + ("=…" if one.default is not one.empty else ""))
    return f"({', '.join(names)})"
