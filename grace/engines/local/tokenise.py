"""From queries to token ids with a Hugging Face tokeniser."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from jinja2.exceptions import TemplateError

from grace.boundary import Ids, Placed, check_bos, place, spelling_in_context
from grace.errors import ConfigError
from grace.system_turn import merge_system
from grace.types import Message, Option, Prompt, Query

#: Characters behind the last special token up to which they are taken for the turn's start.
LONG_TAIL = 100
#: Characters that are tokenised in one call.
TOGETHER = 1_000_000


class Tokeniser:
    """Renders conversations and tokenises options in context.

    With a chat template, `messages` become turns and the generation prompt; without one they
    are plain text, joined by an empty line, and one beginning-of-sequence token is put first
    where the tokeniser has one of its own accord.
    """

    def __init__(
        self, tokenizer: Any, *, chat: bool, template_kwargs: Mapping[str, Any] | None = None
    ) -> None:
        if chat and not tokenizer.chat_template:
            raise ConfigError("the model has no chat template; expected model.chat=false")
        self.hf = tokenizer
        self.chat = chat
        self.template_kwargs = dict(template_kwargs or {})
        self._lead = () if chat else _leading_specials(tokenizer)
        self._specials = [
            token.content for token in tokenizer.added_tokens_decoder.values() if token.special
        ]
        self._merge_system: bool | None = None
        self._tails: dict[tuple[str, str], Ids] = {}
        self._placed: dict[tuple[str, str, tuple[Option, ...], bool], Placed] = {}
        self._ids: dict[str, Ids] = {}  # of the texts that are tokenised together

    @property
    def bos(self) -> int | None:
        """The beginning-of-sequence token's id, if the tokeniser has one."""
        bos: int | None = self.hf.bos_token_id
        return bos

    def render(self, query: Query) -> str:
        """The context as text, up to where the answer begins."""
        if not self.chat:
            parts = [message.content for message in query.messages]
            return "\n\n".join([*parts, query.answer_prefix] if query.answer_prefix else parts)
        messages = query.messages
        if any(message.role == "system" for message in messages) and self._refuses_system():
            messages = merge_system(messages)
        return self._template(messages) + query.answer_prefix

    def prompts(self, queries: Sequence[Query]) -> Iterator[Prompt]:
        """The queries as token ids, their options placed behind the context."""
        for part in self._portions(queries):
            wanted = dict.fromkeys(itertools.chain.from_iterable(texts for *_, texts in part))
            self._encode_all([text for text in wanted if text])
            yield from (self._prompt(query, text) for query, text, _ in part)
            self._ids.clear()

    def _portions(self, queries: Iterable[Query]) -> Iterator[list[tuple[Query, str, list[str]]]]:
        """Queries, rendered, with the texts to tokenise for each; so many that these fit."""
        part, size = [], 0
        for query in queries:
            text = self.render(query)
            texts = self._needed(query, text)
            part.append((query, text, texts))
            size += sum(map(len, texts))
            if size > TOGETHER:
                yield part
                part, size = [], 0
        if part:
            yield part

    def _needed(self, query: Query, text: str) -> list[str]:
        """What is tokenised for a query; ends that are remembered are not among it."""
        head, tail = self._cut(text)
        if not _is_long(head, tail):
            return [head]
        further = itertools.chain.from_iterable(_spellings(query, text))
        return [head, text, *(text + spelling for spelling in further)]

    def _encode_all(self, texts: Sequence[str]) -> None:
        if texts:
            found = self.hf(texts, add_special_tokens=False, return_attention_mask=False)
            self._ids = {t: tuple(ids) for t, ids in zip(texts, found["input_ids"], strict=True)}

    def _prompt(self, query: Query, text: str) -> Prompt:
        head, tail = self._cut(text)
        head_ids = self._encode(head)
        before, behind = self._lead + head_ids, self._tail(head, head_ids, tail, "")
        context = before + behind
        if not context:
            raise ConfigError("a prompt of no tokens: expected some text")
        check_bos(context, self.bos)
        place_now = partial(self._place, query, text, behind, (head, head_ids, tail))
        if _is_long(head, tail):
            placed = place_now()
        else:
            known = (tail, text[-1:], query.options, query.spaced)
            placed = self._placed.get(known) or self._placed.setdefault(known, place_now())
        kept = len(before) + placed.shared
        return Prompt(query, text, context[:kept], placed.forms, placed.flags)

    def _place(self, query: Query, text: str, behind: Ids, cut: tuple[str, Ids, str]) -> Placed:
        """The options behind what follows the text's head; they do not depend on the head."""
        wholes = [[(s, self._tail(*cut, s)) for s in own] for own in _spellings(query, text)]
        return place(query.options, behind, wholes)

    def _template(self, messages: Sequence[Message]) -> str:
        turns = [{"role": m.role, "content": m.content} for m in messages]
        text: str = self.hf.apply_chat_template(
            turns, tokenize=False, add_generation_prompt=True, **self.template_kwargs
        )
        return text

    def _refuses_system(self) -> bool:
        """Whether the chat template has no place for a system turn (Gemma's raises)."""
        if self._merge_system is None:
            probe = (Message("system", "qzsys"), Message("user", "qzusr"))
            try:
                self._merge_system = "qzsys" not in self._template(probe)
            except TemplateError:
                self._merge_system = True
        return self._merge_system

    def _cut(self, text: str) -> tuple[str, str]:
        """Cut behind the last special token: tokenisers never merge across one."""
        if not self.chat:
            return "", text
        ends = [at + len(s) for s in self._specials if (at := text.rfind(s)) >= 0]
        end = max(ends, default=0)
        return text[:end], text[end:]

    def _tail(self, head: str, head_ids: Ids, tail: str, spelling: str) -> Ids:
        """The ids of what follows `head`, taken from the whole text the first time.

        The start of the model's turn is the same in every prompt, so it is remembered.
        """
        if _is_long(head, tail):
            whole = self._encode(head + tail + spelling)
            return _after(head_ids, whole)
        known = self._tails.get((tail, spelling))
        if known is None:
            known = _after(head_ids, self._encode(head + tail + spelling))
            self._tails[tail, spelling] = known
        return known

    def _encode(self, text: str) -> Ids:
        if text in self._ids:
            return self._ids[text]
        return tuple(self.hf.encode(text, add_special_tokens=False)) if text else ()


def _is_long(head: str, tail: str) -> bool:
    """Whether what follows the last special token is more than the start of a turn."""
    return not head or len(tail) > LONG_TAIL


def _spellings(query: Query, text: str) -> list[list[str]]:
    """The surface forms of each option as they follow the text."""
    return [[spelling_in_context(query, text, s) for s in o.spellings] for o in query.options]


def _after(head: Ids, whole: Ids) -> Ids:
    if whole[: len(head)] != head:
        raise ConfigError("the tokeniser merges across a special token of the chat template")
    return whole[len(head) :]


def _leading_specials(tokenizer: Any) -> Ids:
    """What the tokeniser itself puts before a plain text: usually its BOS, or nothing."""
    bare = tokenizer.encode("a", add_special_tokens=False)
    full = tokenizer.encode("a", add_special_tokens=True)
    for start in range(len(full) - len(bare) + 1):
        if full[start : start + len(bare)] == bare:
            return tuple(full[:start])
    return ()
