"""What a study's file writes as text: taken literally, letter by letter.

YAML makes numbers and truth values of words without quotation marks, and a text may hold a
template that nothing would fill in. Both are refused: they would be asked as something else.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from grace.config.validation_messages import QUOTES

_TEMPLATE = re.compile(r"\{\{|\{%|\{#")


def as_text(value: Any) -> Any:
    """Text as it is; ValueError for what YAML has made something else of."""
    if isinstance(value, (bool, int, float)):
        raise ValueError(f"expected text; {QUOTES}")  # noqa: TRY004  (pydantic wants it)
    if value is None:
        raise ValueError(f"found nothing, expected text; if it is a word, {QUOTES}")
    return value


def in_64_bits(value: int) -> int:
    """The number; ValueError for one that no column of the tables can hold."""
    if not -(2**63) <= value < 2**63:
        raise ValueError(f"expected a whole number of at most 18 digits; if it is a name, {QUOTES}")
    return value


def no_truth(value: Any) -> Any:
    """The value; ValueError for true or false, which pydantic takes for 1 and 0."""
    if isinstance(value, bool):
        raise ValueError("expected a number")  # noqa: TRY004  (pydantic wants it)
    return value


def as_name(value: Any) -> Any:
    """A name, in digits too: 1 is “1”."""
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return str(value) if is_number else as_text(value)


def as_level(value: Any) -> Any:
    """A value of a design: text or a whole number, of no more than the 64 bits of the tables."""
    if isinstance(value, int) and not isinstance(value, bool):
        return in_64_bits(value)
    if isinstance(value, float):
        raise ValueError(f"expected text or a whole number; {QUOTES}")  # noqa: TRY004
    if not isinstance(value, str) and value is not None and not isinstance(value, bool):
        raise ValueError("expected text or a whole number")
    return as_text(value)


def literally(text: str | int) -> Any:
    """The text; ValueError where it holds a template, which would be taken word by word."""
    if isinstance(text, str) and _TEMPLATE.search(text):
        raise ValueError(
            f"found {text!r}: {{{{ }}}}, {{% %}} and {{# #}} are for templates (in prompts/); "
            "here the signs themselves would be asked"
        )
    return text


def as_number(value: Any) -> Any:
    """A number; ValueError for what is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float, type(None))):
        raise ValueError("expected a number, without quotation marks")  # noqa: TRY004
    return value


Text = Annotated[str, BeforeValidator(as_text)]
Label = Annotated[str, BeforeValidator(as_name)]
Literally = Annotated[str, BeforeValidator(as_text), AfterValidator(literally)]
Level = Annotated[str | int, BeforeValidator(as_level)]
Asked = Annotated[str | int, BeforeValidator(as_level), AfterValidator(literally)]
Number = Annotated[float, BeforeValidator(as_number), Field(allow_inf_nan=False)]
#: Numbers of settings: from text too, as a command line has them.
Whole = Annotated[int, BeforeValidator(no_truth)]
Real = Annotated[float, BeforeValidator(no_truth)]
