"""What a rendered conversation must hold, whichever engine renders it.

A chat template is a program of its own: it may leave a turn out, change its wording, write it
twice, draw at random, or begin the model's turn inside its thoughts. What it did is seen in the
text alone, best where the turns hold marks that stand nowhere else.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile
from typing import NamedTuple

from grace.errors import QueryError
from grace.types import Message, Query, Role

#: The flag of a text that begins in no turn of the model's; see `Beginning.missing`.
NOT_BEGUN = "turn_not_begun"
#: Contents that no template writes by itself, to see what becomes of a turn.
SYSTEM_MARK, USER_MARK, ANSWER_MARK, NEXT_MARK = "qzsys", "qzusr", "qzast", "qznxt"
USER, SYSTEM = Message("user", USER_MARK), Message("system", SYSTEM_MARK)
ANSWER, NEXT = Message("assistant", ANSWER_MARK), Message("user", NEXT_MARK)
#: An object of Python's, printed with its address.
OBJECT = re.compile(r"<[^<>]{1,80} at 0x[0-9a-fA-F]{4,}>")
#: Tags, and the names in them that mean thoughts ("<think>", "[THINK]", "<|START_THINKING|>").
_TAG = re.compile(r"[<\[◁【][^<>\[\]◁▷【】\s]{1,40}[>\]▷】]")
_THOUGHTS = re.compile(
    r"think|thought|reason|scratchpad|reflect|analys[ei]|analyz|rationale|monolog|deliberat|ponder"
    r"|contemplat|musing|brainstorm|思考|思维|推理|(?<![^\W_])(?:cot|plan|planning|internal|inner|"
    r"draft)(?![^\W_])",
    re.I,
)
_CLOSING = re.compile(r"^.?[|｜]?(/|end)|(?<=[_-])end[|｜]?.$", re.I)
#: Tags in which the answer itself stands.
_ANSWER = re.compile(r"answer|response|final|output|message|content|assistant|reply|text", re.I)
_CHANNEL = re.compile(r"<\|channel\|>(\w+)")


def left_out(
    messages: Iterable[Message], text: str, *, spaces: bool = False, loose: bool = False
) -> Message | None:
    """The first message that the text does not hold as written, white space around it apart.

    Turns stand one behind the other; system text may stand anywhere. `spaces` overlooks all
    white space, and `loose` letter case and compatibility forms too, for texts that were put
    together again from tokens.
    """
    whole = _squeezed(text, loose=loose) if spaces or loose else text
    at = 0
    for message in messages:
        content = message.content.strip()
        if spaces or loose:
            content = _squeezed(content, loose=loose)
        found = whole.find(content, 0 if message.role == "system" else at)
        if found < 0:
            return message
        if message.role != "system":
            at = found + len(content)
    return None


def _squeezed(text: str, *, loose: bool) -> str:
    if loose:
        return "".join(unicodedata.normalize("NFKC", text).casefold().split())
    return " ".join(text.split())


def refuse_blank(query: Query) -> None:
    """QueryError for a conversation with a turn that says nothing."""
    for message in query.messages:
        if not message.content.strip():
            raise QueryError(f"what the {message.role} says is empty; expected some text", query)


def marked(roles: Sequence[Role]) -> list[Message]:
    """A conversation of these roles whose turns hold marks of their own."""
    return [Message(role, f"qz{number:04d}zq") for number, role in enumerate(roles)]


def misplaced(turns: Sequence[Message], text: str) -> str:
    """What is wrong with a marked conversation as it was rendered, or "".

    A chat template is to write each turn once, and one behind the other; where it puts system
    text is its own affair.
    """
    text = text.casefold()
    at = 0
    for turn in turns:
        count = text.count(turn.content)
        if count != 1:
            does = "leaves out" if not count else "writes more than once"
            return f"{does} what the {turn.role} says in a conversation of {_roles(turns)}"
        if turn.role != "system":
            if text.index(turn.content) < at:
                return f"changes the order of the turns in a conversation of {_roles(turns)}"
            at = text.index(turn.content)
    return ""


def _roles(turns: Sequence[Message]) -> str:
    return ", ".join(turn.role for turn in turns)


class Beginning(NamedTuple):
    """How a chat template begins the model's turn.

    `past` is what it writes before the model's words in turns that are over. `missing` is what
    of it a generation prompt lacks, where the template has none: an answer would stand behind
    the end of the user's turn.
    """

    past: tuple[str, ...] = ()
    missing: str = ""


def beginning(begun: str, plain: str, over: Iterable[str]) -> Beginning:
    """From a user's turn rendered with and without a generation prompt, and with an answer."""
    tail = _behind(begun, USER_MARK)
    past = tuple(
        dict.fromkeys(
            _behind(text, USER_MARK)[: _find(_behind(text, USER_MARK), ANSWER_MARK)]
            for text in over
            if _find(_behind(text, USER_MARK), ANSWER_MARK) >= 0
        )
    )
    if begun != plain or not past:
        return Beginning(past)
    lacking = [head[_shared(head, tail) :].strip() for head in past]
    return Beginning(past, min(lacking, key=len))


def _shared(one: str, other: str) -> int:
    """How many characters two texts begin with alike."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _find(text: str, mark: str) -> int:
    found = re.search(mark, text, re.IGNORECASE)
    return found.start() if found else -1


def _behind(text: str, mark: str) -> str:
    at = _find(text, mark)
    return text[at + len(mark) :] if at >= 0 else text


def begun_by(query: Query, found: Beginning) -> bool:
    """Whether the model's turn is begun, by the template or by the query itself."""
    return not found.missing or found.missing in query.answer_prefix


def not_begun_refusal(missing: str) -> str:
    """Why options are not scored behind a template without a generation prompt."""
    return (
        f"the chat template does not begin the model's turn (it lacks {missing!r}), so that "
        "options would stand behind the end of the user's; expected a template that heeds "
        "add_generation_prompt, exp.answer_prefix with what is lacking, or model.chat=false"
    )


def not_begun_notice(missing: str) -> str:
    """The same, for check and manifest."""
    return (
        f"the chat template does not begin the model's turn (it lacks {missing!r}): options are "
        "refused, and texts begin behind the end of the user's turn"
    )


def open_thoughts(text: str, last: str, past: Iterable[str] = (), started: str = "") -> str:
    """The tag that leaves the text inside the model's thoughts; "" where it is outside.

    Only what follows the last message is looked at. Beyond what stood before the model's words
    in `past` turns, any tag that is not closed is taken for thoughts, unless the beginning of
    the answer that was asked for (`started`) has opened it.
    """
    at = text.rfind(last.strip()) if last.strip() else -1
    turn = text[at + len(last.strip()) :] if at >= 0 else text
    channels = _CHANNEL.findall(turn)
    if channels and channels[-1] != "final":
        return f"<|channel|>{channels[-1]}"
    tags = [tag for tag in _TAG.findall(turn) if _THOUGHTS.search(tag)]
    if tags and not _CLOSING.search(tags[-1]):
        return str(tags[-1])
    begun = turn[: len(turn) - len(started)]
    known = [head for head in past if begun.startswith(head.rstrip())]
    if not known:
        return ""
    return _open_tag(begun[len(max(known, key=len).rstrip()) :], started)


def _open_tag(begun: str, started: str) -> str:
    """The first tag that is not closed in the beginning of a turn, or words of thoughts there."""
    open_tags: list[str] = []
    for tag in _TAG.findall(begun) + [t for t in _TAG.findall(started) if _CLOSING.search(t)]:
        if not _CLOSING.search(tag):
            open_tags.append(tag)
        elif open_tags:
            open_tags.pop()
    kept = [tag for tag in open_tags if not _ANSWER.search(tag)]
    if kept:
        return kept[0]
    if started:
        return ""
    words = " ".join(re.sub(rf"(?s){_TAG.pattern}.*{_TAG.pattern}", " ", begun).split())
    return words[:40] if _THOUGHTS.search(words) else ""


def thoughts_refusal(tag: str) -> str:
    """Why options are not scored there, and what to do."""
    return (
        f"the chat template begins the model's turn inside its thoughts ({tag}), where an option "
        "is no answer; expected ++model.chat_template_kwargs.enable_thinking=false where the "
        "template knows it, or exp.answer_prefix with what closes the thoughts"
    )


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
