"""The chat template of a server's model, seen through what the server makes of conversations.

What the local engine knows of its own tokeniser is found out here by asking: which form of
content the template takes, whether it has a system turn, how it ends the model's, whether it
writes the date, and which spellings are control tokens.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from grace.engines.system_turn import merge_system
from grace.engines.vllm.endpoint_pool import Pool
from grace.engines.vllm.problems import BadAnswerError, RefusedError
from grace.errors import ConfigError
from grace.questions.control_tokens import MARKUP, is_html
from grace.questions.rendered_chat import (
    ANSWER,
    NEXT,
    SYSTEM_MARK,
    USER,
    USER_MARK,
    Beginning,
    beginning,
    marked,
    misplaced,
    not_begun_notice,
    turns_of,
)
from grace.questions.written_dates import date_notice, written_date, written_time
from grace.scoring import common_prefix
from grace.types import Message, Role

Ids = tuple[int, ...]

#: Two answers that end in other tokens.
WORDS = ("yes", "bad")
#: A day far from any on which a server renders, to see whether its date can be given.
OTHER_DAY = date(2001, 2, 13)


@dataclass
class ServerTemplate:
    """Renders conversations on the server; tried once, before the first is asked."""

    pool: Pool
    model: str
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    day: str | None = None  # that is to be written, YYYY-MM-DD
    notices: tuple[str, ...] = ()
    written: str = ""  # the day that the prompts have, where they have one
    beginning: Beginning = field(default_factory=Beginning)  # of the model's turn
    _parts: dict[str, bool] = field(default_factory=dict)
    _merges: bool | None = None
    _stops: list[int] | None = None
    _shapes: dict[tuple[Role, ...], str] = field(default_factory=dict)

    async def start(self) -> None:
        """Find out what it takes, whether it writes the date, and how the model's turn begins."""
        await self._take_user()
        await self.probe_system()
        await self._look_for_date()
        plain = await self.render([USER], add_generation_prompt=False)
        begun = await self.render([USER])
        if begun != await self.render([USER]):
            raise ConfigError(
                "the server's chat template draws at random: each prompt would be another"
            )
        over = [text for turns in ([], [NEXT]) if (text := await self._answered(turns))]
        self.beginning = beginning(await self.text(begun), await self.text(plain), over)
        if self.beginning.missing:
            self.notices += (not_begun_notice(self.beginning.missing),)

    async def _answered(self, following: Sequence[Message]) -> str:
        """A conversation with an answer, as text; "" where the template has none."""
        try:
            return await self.text(
                await self.render([USER, ANSWER, *following], add_generation_prompt=False)
            )
        except RefusedError:
            return ""

    async def _look_for_date(self) -> None:
        """Whether it writes the date, beside a system turn or without one; and give it the day."""
        kinds = [[USER], *([] if self._merges else [[Message("system", SYSTEM_MARK), USER]])]
        now = datetime.now().astimezone()
        shown = [await self._shown(turns) for turns in kinds]
        forms = [written_date(text, now.date()) for text in shown]
        if any(written_time(text, now) for text in shown):
            self.notices += (
                "the chat template writes the server's own time of day into every prompt: each is "
                "asked with another (engine=local can keep the time)",
            )
        if not any(forms):
            return
        turns, form = next(pair for pair in zip(kinds, forms, strict=True) if pair[1])
        await self._keep_date(turns, form, now.date())

    async def _keep_date(self, turns: Sequence[Message], form: str, today: date) -> None:
        """Give the template the day, if it takes it; and say what is to be known of it."""
        day = date.fromisoformat(self.day) if self.day else today
        given, self.kwargs = self.kwargs, {**self.kwargs, "date_string": OTHER_DAY.strftime(form)}
        if OTHER_DAY.strftime(form) in await self._shown(turns):
            self.kwargs = {**given, "date_string": day.strftime(form)}
            self.written = day.isoformat()
            self.notices += () if self.day else (date_notice(self.written),)
        else:
            self.kwargs = given
            self.written = today.isoformat()
            asked = f", not model.date={self.day}" if self.day and day != today else ""
            self.notices += (
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

    async def problem(self, messages: Sequence[Message]) -> str:
        """What the template does to the turns of such a conversation; see `misplaced`."""
        roles = tuple(message.role for message in messages)
        if roles not in self._shapes:
            turns = marked(roles)
            try:
                text = await self._shown(turns)
            except RefusedError:  # the conversation itself will be, too
                text = ""
            # a tokeniser that has no tokens for them shows no mark at all
            seen = any(turn.content in text.casefold() for turn in turns)
            self._shapes[roles] = misplaced(turns, text) if seen else ""
        return self._shapes[roles]

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
            for found in MARKUP.finditer(_usual(text)):  # full-width marks
                if found[0] not in text and await self._becomes(text, found[0]):
                    return found[0]
        return ""

    async def _becomes(self, text: str, spelling: str) -> bool:
        """Whether the tokeniser makes a control token of another spelling of it in the text."""
        if not await self._is_control(spelling):
            return False
        whole = await self.tokenise(f"a{spelling}a")
        own = [i for i in whole if _usual(await self.text([i])) == _usual(spelling)]
        return not set(own).isdisjoint(await self.tokenise(text))

    async def _is_control(self, spelling: str) -> bool:
        if spelling not in self._known:
            ids = await self.tokenise(f"a{spelling}a")
            usual = _usual(spelling)
            whole = [token for token in ids if _usual(await self.text([token])) == usual]
            html = is_html(spelling) and whole != [self.bos]
            self._known[spelling] = bool(whole) and not html
        return self._known[spelling]


def _usual(text: str) -> str:
    """Letter case and compatibility forms left out, as some normalisers do."""
    return unicodedata.normalize("NFKC", text).casefold().strip()


def read_ids(answer: Any) -> Ids:
    """The token ids of a /tokenize answer."""
    tokens = answer.get("tokens") if isinstance(answer, dict) else None
    if not isinstance(tokens, list) or not all(type(t) is int and 0 <= t < 2**31 for t in tokens):
        raise BadAnswerError("the server's tokens are no list of ids")
    return tuple(tokens)


def read_text(answer: Any) -> str:
    """The text of a /detokenize answer."""
    text = answer.get("prompt") if isinstance(answer, dict) else None
    if not isinstance(text, str):
        raise BadAnswerError("the server's text is no text")
    return text
