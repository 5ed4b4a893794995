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

from grace.engines.system_turn import merge_system
from grace.engines.vllm.endpoint_pool import Pool
from grace.engines.vllm.problems import BadAnswerError, RefusedError
from grace.errors import ConfigError
from grace.questions.rendered_chat import (
    SYSTEM_MARK,
    USER_MARK,
    date_notice,
    turns_of,
    written_date,
)
from grace.scoring import common_prefix
from grace.types import Message, Role

Ids = tuple[int, ...]

USER = Message("user", USER_MARK)
#: Two answers that end in other tokens.
WORDS = ("yes", "bad")
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
        if self._merges is None:
            self._merges = not await self._takes("system", SYSTEM_MARK, [USER])

    async def stops(self) -> list[int]:
        """The tokens that end the model's turn: what stands behind its content, if markup."""
        if self._stops is None:
            found = set()
            for following in ([], [USER]):
                try:
                    found |= await self._behind(following)
                except RefusedError:
                    continue
            self._stops = sorted(found)
        return self._stops

    async def _behind(self, following: Sequence[Message]) -> set[int]:
        """The first token behind the model's content, but for white space."""
        one, other = [
            await self.render(
                [USER, Message("assistant", said), *following], add_generation_prompt=False
            )
            for said in WORDS
        ]
        shared = common_prefix(one[::-1], other[::-1])
        for token in one[len(one) - shared :]:
            spelt = (await self.text([token])).strip()
            if spelt:
                return {token} if MARKUP.fullmatch(spelt) else set()
        return set()

    async def _take_user(self) -> None:
        """Find out which form of content a user's turn has; the others' are taken alike."""
        if not await self._takes("user", USER_MARK):
            raise ConfigError("the server's chat template leaves out what the user says")
        self._parts["assistant"] = self._parts["user"]

    async def _takes(self, role: Role, mark: str, following: Sequence[Message] = ()) -> bool:
        """Whether a turn's content is written, in one form or the other.

        A mark that the tokeniser has no tokens for is not seen; then another content must make
        other ids. Raises ConfigError where no turn of a user can be rendered.
        """
        problem: RefusedError | None = None
        body = {"model": self.model, "prompt": mark, "add_special_tokens": False}
        seen = mark in await self.text(await self.pool.post("/tokenize", body, check=read_ids))
        for parts in (False, True):
            self._parts[role] = parts
            try:
                if seen:
                    written = (
                        mark in (await self._shown([Message(role, mark), *following])).casefold()
                    )
                else:
                    texts = [[Message(role, word), *following] for word in WORDS]
                    one, other = [await self.render(messages) for messages in texts]
                    written = one != other
            except RefusedError as error:
                problem = problem or error
                continue
            if written:
                return True
        self._parts[role] = False
        if problem is not None and role == "user":
            raise ConfigError(f"the server cannot render a user's turn: {problem}")
        return False

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
