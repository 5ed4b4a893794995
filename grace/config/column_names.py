"""Names of columns: made of options' texts, and with parts that vary, such as `prob_{option}`."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from grace.config.sandbox import same_form


def slug(text: str) -> str:
    """A name for columns: "wasn't" → "wasnt", "It was good" → "it_was_good"."""
    bare = re.sub(r"['’]", "", same_form(text).strip().lower())
    letters = (c if c.isalnum() or unicodedata.category(c)[0] == "M" else "_" for c in bare)
    return re.sub("_+", "_", "".join(letters)).strip("_")


def signs(text: str) -> str:
    """A name for a text without letters, of its signs' names: "+" → "plus_sign"."""
    known = (unicodedata.name(sign, f"u{ord(sign):04x}") for sign in text if not sign.isspace())
    return slug(" ".join(known)) or "blank"


def filled(text: str, values: Mapping[str, Any]) -> str:
    """The text with each {name} replaced by its value; other braces stay as they are."""
    return re.sub(r"\{([^{}]*)\}", lambda found: str(values.get(found[1], found[0])), text)


def placeholders(place: str, template: str, allowed: set[str], needed: set[str]) -> None:
    """A column's name names everything that it varies with, and nothing else.

    Without one of them several columns would have one name.
    """
    found = set(re.findall(r"\{([^{}]*)\}", template))
    if unknown := sorted(found - allowed):
        raise ValueError(
            f"{place}: column name {template!r} has {{{unknown[0]}}}; expected one of "
            f"{sorted(allowed)}"
        )
    if re.search(r"[{}]", re.sub(r"\{[^{}]*\}", "", template)):
        raise ValueError(f"{place}: column name {template!r} has a brace that is not closed")
    if not template.strip():
        raise ValueError(f"{place}: found an empty name of a column")
    if lacking := sorted(needed - found):
        raise ValueError(
            f"{place}: {template!r} lacks {{{lacking[0]}}}, and would name several columns; "
            f"expected a name with {', '.join(f'{{{name}}}' for name in sorted(needed))}"
        )
