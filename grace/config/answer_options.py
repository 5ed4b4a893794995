"""What the options of a question must be: told apart, and numbers where a mean is wanted."""

from __future__ import annotations

import re
import unicodedata

from grace.config.printable import look, spelt
from grace.types import Option


def refuse_repeated(what: str, values: list[str]) -> None:
    """Refuse a value that stands twice among some."""
    seen: set[str] = set()
    for value in values:
        if value in seen:
            raise ValueError(f"{what} {value!r} stands twice; expected each once")
        seen.add(value)


def refuse_without_value(what: str, options: list[Option]) -> None:
    """Refuse options without a number where one is needed, and say how it is given."""
    lacking = [option.text for option in options if option.value is None]
    if lacking:
        more = f" (and {len(lacking) - 1} more)" if len(lacking) > 1 else ""
        raise ValueError(
            f"{what} needs a number for every option, and {lacking[0]!r}{more} has none; expected "
            f'{{text: "{lacking[0]}", value: {_likely(lacking[0])}}}'
        )


def _likely(text: str) -> str:
    """The number that a text will mean, as an example of how it is written."""
    plain = unicodedata.normalize("NFKC", text).replace("\u2044", "/").replace("\u2212", "-")
    if fraction := re.search(r"(\d+)/([1-9]\d*)", plain):
        return f"{int(fraction[1]) / int(fraction[2]):g}"
    number = re.search(r"-?\d+(?:[.,]\d+)?", plain)
    return number[0].replace(",", ".") if number else "1"


def refuse_alike(options: list[Option]) -> None:
    """Refuse options that cannot be told apart, by name or by spelling."""
    named: dict[str, str] = {}
    for option in options:
        other = named.setdefault(option.name, option.text)
        if other != option.text:
            raise ValueError(
                f"options {other!r} and {option.text!r} both have the name {option.name!r}; "
                f"give one of them another, as in {{text: {option.text!r}, name: other}}"
            )
    refuse_repeated("option name", [option.name for option in options])
    refuse_repeated("option", [form for option in options for form in option.spellings])


def refuse_look_alikes(what: str, values: list[str]) -> None:
    """Refuse two values that people see as one."""
    seen: dict[str, str] = {}
    for value in values:
        other = seen.setdefault(look(value), value)
        if other != value:
            raise ValueError(
                f"{what} {spelt(value)} looks like {spelt(other)}; expected one of them"
            )
