"""The chat template of a server's model, seen through what the server makes of conversations.

What the local engine knows of its own tokeniser is found out here by asking: which form of
content the template takes, whether it has a system turn, how it ends the model's, whether it
writes the date, and which spellings are control tokens.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from grace.engines.vllm.pool import Pool
from grace.engines.vllm.problems import BadAnswerError, RefusedError
from grace.errors import ConfigError
from grace.rendered import (
    ANSWER_MARK,
    SYSTEM_MARK,
    USER_MARK,
    date_notice,
    turns_of,
    written_date,
)
from grace.system_turn import merge_system
from grace.types import Message

Ids = tuple[int, ...]

USER, SYSTEM = Message("user", USER_MARK), Message("system", SYSTEM_MARK)
ANSWER = Message("assistant", ANSWER_MARK)
#: A day far from any on which a server renders, to see whether its date can be given.
OTHER_DAY = date(2001, 2, 13)
#: What control tokens look like; a server does not list its own.
MARKUP = re.compile(
    r"<\|[^<>|\s]{1,40}\|>|<｜[^<>｜]{1,40}｜>|</?[A-Za-z_@][\w:.@-]{0,30}>|\[/?[A-Z_]{2,24}\]"
)
#: Names in angle brackets that are text where a tokeniser has them whole (Gemma's has).
HTML = frozenset((
    "a", "b", "i", "u", "p", "br", "hr", "em", "sub", "sup", "pre", "div", "img", "span", "code",
    "strong", "strike", "blockquote", "table", "caption", "thead", "tbody", "tfoot", "tr", "td",
    "th", "ul", "ol", "li", "h1", "h2", "h3", "h4", "h5", "h6",
))  # fmt: skip


@dataclass
class ServerTemplate:
    """Renders conversations on the server; tried once, before the first is asked."""

    pool: Pool
    model: str
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    day: str | None = None  # that is to be written, YYYY-MM-DD
    notices: tuple[str, ...] = ()
    written: str = ""  # the day that the prompts have, where they have one
    _parts: dict[str, bool] = field(default_factory=dict)
    _merges: bool | None = None
    _stops: list[int] | None = None

    async def start(self) -> None:
        """Find out which form of content it takes, and whether it writes the date."""
        await self._take_user()
        today = datetime.now().astimezone().date()
        form = written_date(await self._shown([USER]), today)
        if not form:
            return
        day = date.fromisoformat(self.day) if self.day else today
        given, self.kwargs = self.kwargs, {**self.kwargs, "date_string": OTHER_DAY.strftime(form)}
        if OTHER_DAY.strftime(form) in await self._shown([USER]):
            self.kwargs = {**given, "date_string": day.strftime(form)}
            self.written = day.isoformat()
            self.notices = () if self.day else (date_notice(self.written),)
        else:
            self.kwargs = given
            self.written = today.isoformat()
            asked = f", not model.date={self.day}" if self.day and day != today else ""
            self.notices = (
                f"the chat template writes the server's own date into every prompt{asked}, and "
                "takes no other: answers asked on another day are to another prompt "
                "(engine=local can keep the date)",
            )

    def turns(self, messages: Sequence[Message]) -> list[dict[str, Any]]:
        """Messages in the form the template takes."""
        return list(turns_of(messages, self._parts))

    def taken(self, messages: Sequence[Message]) -> tuple[Message, ...]:
        """The messages as the template takes them: system text may go to the user's turn."""
        has_system = any(m.role == "system" for m in messages)
        return merge_system(messages) if has_system and self._merges else tuple(messages)

    async def render(self, messages: Sequence[Message], **more: bool) -> Ids:
        """The conversation as ids, the model's turn begun unless `more` says otherwise."""
        body: dict[str, Any] = {
            "model": self.model,
            "messages": self.turns(messages),
            "add_generation_prompt": True,
        } | more
        if self.kwargs:
            body["chat_template_kwargs"] = dict(self.kwargs)
        found: Ids = await self.pool.post("/tokenize", body, check=read_ids)
        return found

    async def text(self, ids: Sequence[int]) -> str:
        """Ids as text."""
        body = {"model": self.model, "tokens": list(ids)}
        found: str = await self.pool.post("/detokenize", body, check=read_text)
        return found

    async def probe_system(self) -> None:
        """Whether the template has no place for a system turn: Gemma's raises."""
        if self._merges is not None:
            return
        self._merges = True
        for parts in (False, True):
            self._parts["system"] = parts
            try:
                text = (await self._shown([SYSTEM, USER])).casefold()
            except RefusedError:
                continue
            if SYSTEM_MARK in text and USER_MARK in text:
                self._merges = False
                return

    async def stops(self) -> list[int]:
        """The tokens that end the model's turn: what stands behind its content, if markup."""
        if self._stops is None:
            found = set()
            for turns in ([USER, ANSWER], [USER, ANSWER, Message("user", "qznxt")]):
                try:
                    found |= await self._behind(turns)
                except RefusedError:
                    continue
            self._stops = sorted(found)
        return self._stops

    async def _behind(self, turns: Sequence[Message]) -> set[int]:
        """The first token behind the model's content, but for white space."""
        ids = await self.render(turns, add_generation_prompt=False)
        if ANSWER_MARK not in await self.text(ids):
            return set()
        low, high = 1, len(ids)  # the shortest beginning that has the whole content
        while low < high:
            middle = (low + high) // 2
            if ANSWER_MARK in await self.text(ids[:middle]):
                high = middle
            else:
                low = middle + 1
        for token in ids[low:]:
            spelt = await self.text([token])
            if spelt.strip():
                return {token} if MARKUP.fullmatch(spelt.strip()) else set()
        return set()

    async def _take_user(self) -> None:
        """Find out which form of content a user's turn has."""
        problem = ""
        for parts in (False, True):
            self._parts = dict.fromkeys(("system", "user", "assistant"), parts)
            try:
                if USER_MARK in (await self._shown([USER])).casefold():
                    return
            except RefusedError as error:
                problem = problem or f"the server cannot render a user's turn: {error}"
        raise ConfigError(problem or "the server's chat template leaves out what the user says")

    async def _shown(self, messages: Sequence[Message]) -> str:
        return await self.text(await self.render(messages))


@dataclass
class Spellings:
    """Which spellings are control tokens of a server's tokeniser, by trying each once."""

    tokenise: Callable[[str], Awaitable[Ids]]
    text: Callable[[Sequence[int]], Awaitable[str]]
    bos: int | None
    _known: dict[str, bool] = field(default_factory=dict)

    async def first(self, texts: Iterable[str]) -> str:
        """The first control token spelt in the texts, or ""."""
        for text in texts:
            for found in MARKUP.finditer(text):
                if await self._is_control(found[0]):
                    return found[0]
        return ""

    async def _is_control(self, spelling: str) -> bool:
        if spelling not in self._known:
            ids = await self.tokenise(f"a{spelling}a")
            whole = [token for token in ids if (await self.text([token])).strip() == spelling]
            html = spelling.strip("</>").casefold() in HTML and whole != [self.bos]
            self._known[spelling] = bool(whole) and not html
        return self._known[spelling]


def read_ids(answer: Any) -> Ids:
    """The token ids of a /tokenize answer."""
    tokens = answer.get("tokens") if isinstance(answer, dict) else None
    if not isinstance(tokens, list) or not all(type(t) is int and t >= 0 for t in tokens):
        raise BadAnswerError("the server's tokens are no list of ids")
    return tuple(tokens)


def read_text(answer: Any) -> str:
    """The text of a /detokenize answer."""
    text = answer.get("prompt") if isinstance(answer, dict) else None
    if not isinstance(text, str):
        raise BadAnswerError("the server's text is no text")
    return text
