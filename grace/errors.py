"""The errors a user sees: one sentence each, and never a traceback."""

from __future__ import annotations

import re
import unicodedata

#: Control characters but tab and line feed, marks of direction, and halves of surrogate pairs.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff\ufff9-\ufffb]"
)
#: What is told of the longest sentence: its beginning and its end.
_BEGINNING, _END = 1200, 600


class GraceError(Exception):
    """Something the user can mend; the command prints it and exits with 1.

    It is one line, and control characters of what it repeats are shown and not obeyed.
    """

    def __str__(self) -> str:
        text = " ".join(visible(super().__str__()).splitlines())
        if len(text) <= _BEGINNING + _END:
            return text
        return f"{text[:_BEGINNING]} … {text[-_END:]}"


class ConfigError(GraceError):
    """A setting, study file or template that cannot work."""


class QueryError(ConfigError):
    """A query that cannot be asked as it is; whoever knows its origin says which row it is."""

    def __init__(self, reason: str, query: object, found: str = "") -> None:
        """`found` is the part of a message's text that is to blame, where one is."""
        self.query, self.found = query, found
        super().__init__(reason)


class StimuliError(GraceError):
    """Stimuli, or another CSV file, that cannot be used: the place and what was expected."""

    def __init__(
        self,
        expected: str,
        *,
        file: str,
        row: int | None = None,
        column: str | None = None,
        value: object = None,
    ) -> None:
        """Compose "FILE, row 3, column access: found 'x', expected ...".

        `row` counts the rows below the header from 1, as pandas users and R users do.
        """
        place = [str(file)]
        if row is not None:
            place.append(f"row {row}")
        if column is not None:
            place.append(f"column {column}")
        found = f"found {_shorten(value)}, " if value is not None else ""
        super().__init__(f"{', '.join(place)}: {found}{expected}")


def _shorten(value: object, limit: int = 120) -> str:
    text = repr(value)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def visible(text: str) -> str:
    """The text with ␀ for NUL, ⟨U+202E⟩ for a mark of direction, and so on; lines stay."""
    return _HIDDEN.sub(_sign, text.replace("\r\n", "\n"))


def _sign(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "␡"
    name = unicodedata.name(found[0], "")
    return f"⟨U+{code:04X}{' ' + name.lower() if name else ''}⟩"
