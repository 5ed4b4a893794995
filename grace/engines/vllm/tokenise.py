"""From queries to token ids with the server's own tokeniser.

Contexts are tokenised one by one. Options are tokenised behind the end that all contexts
have in common (the start of the model's turn), once for all queries: that this changes
nothing is verified on a whole context.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from grace.boundary import Ids, check_bos, place_options, spelling_in_context
from grace.engines.vllm.pool import Pool
from grace.engines.vllm.problems import BadAnswerError, RefusedError
from grace.errors import ConfigError
from grace.system_turn import merge_system
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
    _merge_system: bool | None = None
    _exact: bool = True
    _verified: int = 0
    _known: dict[tuple[Ids, str], Ids] = field(default_factory=dict)

    async def prompts(self, queries: Sequence[Query]) -> list[Prompt | Failure]:
        """Every query as token ids, in order; one that cannot be rendered is a failure."""
        if self.chat and any(m.role == "system" for q in queries for m in q.messages):
            await self._probe_system()
        gate = asyncio.Semaphore(TOGETHER)

        async def context(query: Query) -> Context | Failure:
            async with gate:
                try:
                    found = await self._context(query)
                except RefusedError as error:
                    return Failure(f"the server cannot render the prompt: {error}")
            check_bos(found.ids, self.bos)
            return found

        contexts = await asyncio.gather(*(context(query) for query in queries))
        tail = common_tail([c.ids for c in contexts if isinstance(c, Context)])
        found: list[Prompt | Failure] = []
        for query, rendered in zip(queries, contexts, strict=True):
            if isinstance(rendered, Failure):
                found.append(rendered)
            else:
                found.append(await self._place(query, rendered, tail))
        return found

    async def spell(self, token: int) -> str:
        """One token as text, for people."""
        body = {"model": self.model, "tokens": [token]}
        text: str = await self.pool.post("/detokenize", body, check=read_text)
        return text

    async def _context(self, query: Query) -> Context:
        if not self.chat:
            parts = [message.content for message in query.messages]
            text = "\n\n".join([*parts, query.answer_prefix] if query.answer_prefix else parts)
            ids = await self._tokenise(text, specials=True)
            return Context(text, ids)
        ids = await self._render(self.merged(query.messages))
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
            whole = await self._tokenise(context.text + spelling, specials=not self.chat)
        else:
            whole = await self._continued(query, query.answer_prefix + spelling, context.ids)
        if tail and whole[:cut] == context.ids[:cut]:
            self._known[tail, spelling] = whole[cut:]
        return whole

    def merged(self, messages: Sequence[Message]) -> tuple[Message, ...]:
        """The messages as the template takes them."""
        has_system = any(m.role == "system" for m in messages)
        return merge_system(messages) if has_system and self._merge_system else tuple(messages)

    async def _probe_system(self) -> None:
        """Whether the template has no place for a system turn: Gemma's raises."""
        if self._merge_system is not None:
            return
        probe = (Message("system", "qzsys"), Message("user", "qzusr"))
        try:
            text, _ = await self._text(await self._render(probe))
            self._merge_system = "qzsys" not in text
        except RefusedError:
            self._merge_system = True

    async def _render(self, messages: Sequence[Message], **more: bool) -> Ids:
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [{"role": m.role, "content": m.content} for m in messages],
            "add_generation_prompt": True,
        } | more
        if self.template_kwargs:
            body["chat_template_kwargs"] = dict(self.template_kwargs)
        found: Ids = await self.pool.post("/tokenize", body, check=read_ids)
        return found

    async def _continued(self, query: Query, start: str, context: Ids) -> Ids:
        """The ids of the conversation with the model's turn begun with `start`."""
        turns = (*self.merged(query.messages), Message("assistant", start))
        ids = await self._render(turns, add_generation_prompt=False, continue_final_message=True)
        if len(ids) < len(context) - 1 or ids[: len(context) - 1] != context[:-1]:
            raise ConfigError(
                "the chat template begins the model's turn differently when it is continued; "
                "options cannot be placed exactly (use engine=local for this model)"
            )
        return ids

    async def _tokenise(self, text: str, *, specials: bool = False) -> Ids:
        body = {"model": self.model, "prompt": text, "add_special_tokens": specials}
        found: Ids = await self.pool.post("/tokenize", body, check=read_ids)
        return found

    async def _text(self, ids: Ids) -> tuple[str, bool]:
        """The text of rendered ids, and whether it gives them again (seen on the first ones)."""
        body = {"model": self.model, "tokens": list(ids)}
        text: str = await self.pool.post("/detokenize", body, check=read_text)
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
