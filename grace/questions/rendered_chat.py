"""What a rendered conversation must hold, whichever engine renders it.

A chat template is a program of its own: it may leave a turn out, change its wording, write the
date, or begin the model's turn inside its thoughts. What it did is seen in the text alone.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta

from grace.types import Message

#: Contents that no template writes by itself, to see what becomes of a turn.
SYSTEM_MARK, USER_MARK, ANSWER_MARK = "qzsys", "qzusr", "qzast"
#: Tags, and the names in them that mean thoughts ("<think>", "[THINK]", "<|START_THINKING|>").
_TAG = re.compile(r"[<\[◁][^<>\[\]◁▷\s]{1,40}[>\]▷]")
_THOUGHTS = re.compile(r"think|thought|reason|scratchpad|reflection", re.I)
_CLOSING = re.compile(r"^.?[|｜]?(/|end)", re.I)
_CHANNEL = re.compile(r"<\|channel\|>(\w+)")
#: Ways in which templates write a date.
DATE_FORMATS = (
    "%d %b %Y", "%d %B %Y", "%B %d, %Y", "%b %d, %Y", "%Y-%m-%d", "%Y/%m/%d", "%d/%m/%Y",
    "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%Y%m%d", "%B %d %Y", "%d-%b-%Y",
)  # fmt: skip


def left_out(messages: Iterable[Message], text: str, *, loose: bool = False) -> Message | None:
    """The first message that the text does not hold, as written but for white space.

    `loose` also overlooks letter case and compatibility forms, for texts that were put together
    again from tokens.
    """
    squeezed = ""
    for message in messages:
        if message.content.strip() in text:
            continue
        squeezed = squeezed or _squeezed(text, loose=loose)
        if _squeezed(message.content, loose=loose) not in squeezed:
            return message
    return None


def _squeezed(text: str, *, loose: bool) -> str:
    if loose:
        return "".join(unicodedata.normalize("NFKC", text).casefold().split())
    return " ".join(text.split())


def open_thoughts(text: str, last: str) -> str:
    """The tag that leaves the text inside the model's thoughts; "" where it is outside.

    Only what follows the last message is looked at.
    """
    at = text.rfind(last.strip()) if last.strip() else -1
    turn = text[at + len(last.strip()) :] if at >= 0 else text
    channels = _CHANNEL.findall(turn)
    if channels and channels[-1] != "final":
        return f"<|channel|>{channels[-1]}"
    tags = [tag for tag in _TAG.findall(turn) if _THOUGHTS.search(tag)]
    return "" if not tags or _CLOSING.search(tags[-1]) else str(tags[-1])


def thoughts_refusal(tag: str) -> str:
    """Why options are not scored there, and what to do."""
    return (
        f"the chat template begins the model's turn inside its thoughts ({tag}), where an option "
        "is no answer; expected ++model.chat_template_kwargs.enable_thinking=false where the "
        "template knows it, or exp.answer_prefix with what closes the thoughts"
    )


def written_date(text: str, day: date) -> str:
    """The format of a day's date in the text, or of a neighbour's (a server elsewhere); or ""."""
    for form in DATE_FORMATS:
        if any((day + timedelta(n)).strftime(form) in text for n in (0, -1, 1)):
            return form
    return ""


def date_notice(day: str) -> str:
    """What to know of a chat template that writes the date of the day."""
    return (
        f"the chat template writes the date into every prompt: {day}, kept when this run goes on "
        f"another day; model.date={day} gives other runs the same prompts"
    )


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


def turns_of(
    messages: Sequence[Message], parts: Mapping[str, bool]
) -> list[dict[str, str | list[dict[str, str]]]]:
    """Messages as a template takes them: contents as text, or as lists of parts by role."""
    return [
        {
            "role": m.role,
            "content": [{"type": "text", "text": m.content}] if parts.get(m.role) else m.content,
        }
        for m in messages
    ]
