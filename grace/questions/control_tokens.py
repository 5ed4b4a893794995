"""Spellings in a text that a tokeniser reads as control tokens, and not as text."""

from __future__ import annotations

import re
from collections.abc import Iterable

#: What control tokens look like, where it is not known which there are.
MARKUP = re.compile(
    r"<\|[^<>|\s]{1,40}\|>|<｜[^<>｜]{1,40}｜>|</?[A-Za-z_@][\w:.@-]{0,30}>|\[/?[A-Z_]{2,24}\]"
)
#: Names in angle brackets that are text where a tokeniser has them whole (Gemma's has).
HTML = frozenset((
    "a", "b", "i", "u", "p", "br", "hr", "em", "sub", "sup", "pre", "div", "img", "span", "code",
    "strong", "strike", "blockquote", "table", "caption", "thead", "tbody", "tfoot", "tr", "td",
    "th", "ul", "ol", "li", "h1", "h2", "h3", "h4", "h5", "h6",
))  # fmt: skip


def is_html(spelling: str) -> bool:
    """Whether it is a tag of HTML: "<b>", "</td>"."""
    return spelling.startswith("<") and spelling.strip("</>").casefold() in HTML


def first_control(texts: Iterable[str], tokens: re.Pattern[str] | None) -> str:
    """The first spelling of a control token in the texts, or ""."""
    if tokens is None:
        return ""
    return next((found[0] for text in texts if (found := tokens.search(text))), "")


def control_refusal(token: str) -> str:
    """Why a text with a control token's spelling is not asked."""
    return (
        f"found {token!r}, which this model reads as a control token and not as text; expected "
        "another spelling (or, where it is meant, model.control_tokens=allow)"
    )


def control_pattern(tokens: Iterable[str]) -> re.Pattern[str] | None:
    """What finds any of these tokens, the longest first; None where there is none."""
    spelt = sorted({token for token in tokens if token.strip()}, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, spelt))) if spelt else None
