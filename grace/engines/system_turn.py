"""System text for models whose chat template has no system role: it goes to the user turn."""

from __future__ import annotations

from collections.abc import Sequence

from grace.types import Message


def merge_system(messages: Sequence[Message]) -> tuple[Message, ...]:
    """Put the system turns' text before the first user turn's, an empty line between."""
    system = [m.content for m in messages if m.role == "system"]
    others = [m for m in messages if m.role != "system"]
    if not others or others[0].role != "user":
        others = [Message("user", ""), *others]
    content = "\n\n".join([*system, *([others[0].content] if others[0].content else [])])
    return (Message("user", content), *others[1:])
