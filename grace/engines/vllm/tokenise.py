"""From queries to token ids with the server's own tokeniser.

Contexts are tokenised one by one. Options are tokenised behind the end that all contexts
have in common (the start of the model's turn), once for all queries: that this changes
nothing is verified on a whole context.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from grace.engines.vllm.chat_template import ServerTemplate, Spellings, read_ids
from grace.engines.vllm.endpoint_pool import Pool
from grace.engines.vllm.problems import RefusedError
from grace.engines.vllm.unknown_tokens import Unknown
from grace.errors import ConfigError, QueryError
from grace.questions.control_tokens import control_refusal
from grace.questions.lost_differences import UNKNOWN as FLAG
from grace.questions.lost_differences import alike_notice
from grace.questions.rendered_chat import (
    NOT_BEGUN,
    begun_by,
    left_out,
    not_begun_refusal,
    open_thoughts,
    refuse_blank,
    thoughts_refusal,
)
from grace.scoring import check_bos, place_options
from grace.scoring.boundary import Ids, spelling_in_context
from grace.types import Failure, Message, Prompt, Query

#: Tokens of a common end that are enough, and characters looked at.
LEAST_TAIL, MOST_TAIL = 3, 16
#: Requests of one preparation in flight.
TOGETHER = 16
#: Rendered prompts whose text is tokenised again, to see that it gives the same ids.
VERIFIED = 5


@dataclass(frozen=True)
class Context:
    """A rendered context: its text and its ids.

    `exact` says that the text gives the ids again. With some SentencePiece tokenisers it does
    not; an option is then put behind it as the beginning of the model's turn.
    """

    text: str
    ids: Ids
    exact: bool = True


@dataclass
class ServerTokeniser:
    """Renders and tokenises on the server; remembers what it was told."""

    pool: Pool
    model: str
    chat: bool
    bos: int | None = None
    template_kwargs: Mapping[str, Any] = field(default_factory=dict)
    day: str | None = None
    control: bool = False  # whether control tokens spelt in texts are meant
    _exact: bool = True
    _verified: int = 0
    _known: dict[tuple[Ids, str], Ids] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.template = ServerTemplate(self.pool, self.model, self.template_kwargs, self.day)
        self._spellings = Spellings(self._tokenise, self.template.text, self.bos)
        self._unknown = Unknown(self._tokenise)
        self._behind: Ids | None = None  # what the tokeniser puts behind a text of its own accord

    async def start(self) -> None:
        """Try the chat template and the tokeniser, before anything is asked."""
        if self.chat:
            await self.template.start()
        if alike := await self._unknown.alike():
            self.template.notices += (alike_notice(alike),)

    async def prompts(self, queries: Sequence[Query]) -> list[Prompt | Failure]:
        """Every query as token ids, in order; one that cannot be rendered is a failure."""
        if self.chat and any(m.role == "system" for q in queries for m in q.messages):
            await self.template.probe_system()
        for query in queries:
            refuse_blank(query)
        await self._unknown.try_once()
        if not self.control:
            await self._refuse_control(queries)
        gate = asyncio.Semaphore(TOGETHER)

        async def context(query: Query) -> Context | Failure:
            async with gate:
                try:
                    found = await self._context(query)
                except RefusedError as error:
                    return Failure(f"the server cannot render the prompt: {error}")
            await self._check(query, found)
            return found

        contexts = await asyncio.gather(*(context(query) for query in queries))
        tail = common_tail([c.ids for c in contexts if isinstance(c, Context)])
        found: list[Prompt | Failure] = []
        for query, rendered in zip(queries, contexts, strict=True):
            if isinstance(rendered, Failure):
                found.append(rendered)
            else:
                try:
                    placed = await self._place(query, rendered, tail)
                except ConfigError as error:
                    raise QueryError(str(error), query) from error
                found.append(await self._flagged(placed))
        return found

    async def _check(self, query: Query, context: Context) -> None:
        """Refuse what was rendered to something else than was meant."""
        try:
            check_bos(context.ids, self.bos)
        except ConfigError as error:
            raise QueryError(str(error), query) from error
        if not context.ids:
            raise QueryError("a prompt of no tokens: expected some text", query)
        if not self.chat:
            return
        messages = self.merged(query.messages)
        lost = left_out(messages, context.text, spaces=True, loose=not context.exact)
        if lost is not None and not self._unknown.loses:
            raise QueryError(
                f"the server's chat template leaves out or changes what the {lost.role} says "
                f"({lost.content[:60]!r}); expected one that writes it as it is",
                query,
            )
        if problem := await self.template.problem(messages):
            raise QueryError(
                f"the server's chat template {problem}; expected one that writes each turn once, "
                "in order",
                query,
            )
        if query.options:
            self._refuse_place(query, context.text, messages[-1])

    def _refuse_place(self, query: Query, text: str, last: Message) -> None:
        """Refuse options that would stand where no answer does: among thoughts, in no turn."""
        begun = self.template.beginning
        past = begun.past if last.role == "user" else ()
        if tag := open_thoughts(text, last.content, past, query.answer_prefix):
            raise QueryError(thoughts_refusal(tag), query)
        if not begun_by(query, begun):
            raise QueryError(not_begun_refusal(begun.missing), query)

    async def _refuse_control(self, queries: Sequence[Query]) -> None:
        """Refuse control tokens spelt in what is asked; a started answer may have them."""
        for query in queries:
            texts = [message.content for message in query.messages]
            texts += [spelling for option in query.options for spelling in option.spellings]
            if token := await self._spellings.first(texts):
                raise QueryError(control_refusal(token), query, token)

    async def _flagged(self, prompt: Prompt) -> Prompt:
        """The prompt with a flag where characters have no token, or it begins in no turn."""
        texts = [prompt.text, *(m.content for m in prompt.query.messages)]
        texts += [form.text for forms in prompt.forms for form in forms]
        ids = {*prompt.context, *(i for forms in prompt.forms for f in forms for i in f.ids)}
        further = (FLAG,) if await self._unknown.any(texts, ids) else ()
        if not begun_by(prompt.query, self.template.beginning):
            further = (*further, NOT_BEGUN)
        return replace(prompt, flags=(*prompt.flags, *further)) if further else prompt

    async def spell(self, token: int) -> str:
        """One token as text, for people."""
        return await self.template.text([token])

    async def _context(self, query: Query) -> Context:
        if not self.chat:
            parts = [message.content for message in query.messages]
            text = "\n\n".join([*parts, query.answer_prefix] if query.answer_prefix else parts)
            return Context(text, await self._plain(text))
        ids = await self.template.render(self.merged(query.messages))
        text, exact = await self._text(ids)
        if not query.answer_prefix:
            return Context(text, ids, exact)
        started = text + query.answer_prefix
        ids = (
            await self._tokenise(started)
            if exact
            else await self._continued(query, query.answer_prefix, ids)
        )
        return Context(started, ids, exact)

    async def _place(self, query: Query, context: Context, tail: Ids) -> Prompt:
        """Options behind the context, by way of the common tail where there is one."""
        whole_spellings = [
            [spelling_in_context(query, context.text, s) for s in option.spellings]
            for option in query.options
        ]
        if not query.options:
            return Prompt(query, context.text, context.ids)
        wholes = [
            [(s, await self._whole(query, context, tail, s)) for s in spellings]
            for spellings in whole_spellings
        ]
        return place_options(query, context.text, context.ids, wholes)

    async def _whole(self, query: Query, context: Context, tail: Ids, spelling: str) -> Ids:
        """Context and spelling together; behind a known tail as they were the first time.

        That first time the whole text is tokenised. Only if the merge reaches back before
        the tail (the ids before it differ) is nothing remembered.
        """
        cut = len(context.ids) - len(tail)
        if tail and (tail, spelling) in self._known:
            return context.ids[:cut] + self._known[tail, spelling]
        if context.exact:
            text = context.text + spelling
            whole = await (self._tokenise(text) if self.chat else self._plain(text))
        else:
            whole = await self._continued(query, query.answer_prefix + spelling, context.ids)
        if tail and whole[:cut] == context.ids[:cut]:
            self._known[tail, spelling] = whole[cut:]
        return whole

    def merged(self, messages: Sequence[Message]) -> tuple[Message, ...]:
        """The messages as the template takes them."""
        return self.template.taken(messages)

    async def _continued(self, query: Query, start: str, context: Ids) -> Ids:
        """The ids of the conversation with the model's turn begun with `start`."""
        turns = (*self.merged(query.messages), Message("assistant", start))
        ids = await self.template.render(
            turns, add_generation_prompt=False, continue_final_message=True
        )
        if len(ids) < len(context) - 1 or ids[: len(context) - 1] != context[:-1]:
            raise ConfigError(
                "the chat template begins the model's turn differently when it is continued; "
                "options cannot be placed exactly (use engine=local for this model)"
            )
        return ids

    async def _plain(self, text: str) -> Ids:
        """A plain text with what the tokeniser puts before it, and without what it puts behind."""
        if self._behind is None:
            bare, whole = await self._tokenise("a b"), await self._tokenise("a b", specials=True)
            places = range(len(whole) - len(bare) + 1)
            at = next((i for i in places if whole[i : i + len(bare)] == bare), len(whole))
            self._behind = whole[at + len(bare) :]
        ids = await self._tokenise(text, specials=True)
        behind = self._behind
        return ids[: -len(behind)] if behind and ids[-len(behind) :] == behind else ids

    async def _tokenise(self, text: str, *, specials: bool = False) -> Ids:
        body = {"model": self.model, "prompt": text, "add_special_tokens": specials}
        found: Ids = await self.pool.post("/tokenize", body, check=read_ids)
        return found

    async def _text(self, ids: Ids) -> tuple[str, bool]:
        """The text of rendered ids, and whether it gives them again (seen on the first ones)."""
        text = await self.template.text(ids)
        if self._exact and self._verified < VERIFIED:
            self._verified += 1
            self._exact = await self._tokenise(text) == ids
        return text, self._exact


def common_tail(contexts: Sequence[Ids]) -> Ids:
    """The longest end that all contexts share, at most MOST_TAIL tokens; none if too short.

    One context alone has no common end: its options are tokenised behind the whole of it.
    """
    if len(contexts) < 2:
        return ()
    shortest = min(len(ids) for ids in contexts)
    n = 0
    while n < min(shortest, MOST_TAIL) and len({ids[-n - 1] for ids in contexts}) == 1:
        n += 1
    return contexts[0][-n:] if n >= LEAST_TAIL else ()
