"""From queries to token ids with a Hugging Face tokeniser."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from jinja2.exceptions import TemplateError

from grace.boundary import Ids, Placed, check_bos, place, spelling_in_context
from grace.errors import ConfigError
from grace.system_turn import merge_system
from grace.types import Message, Option, Prompt, Query

#: Characters behind the last special token up to which they are taken for the turn's start.
LONG_TAIL = 100
#: Characters that are tokenised in one call.
TOGETHER = 1_000_000


class Rendered(NamedTuple):
    """A query as text, cut behind the last special token."""

    query: Query
    text: str
    head: str
    tail: str

    @property
    def is_long(self) -> bool:
        """Whether the tail is more than the start of a turn."""
        return not self.head or len(self.tail) > LONG_TAIL

    def texts(self) -> list[str]:
        """What is to be tokenised; ends that are remembered are not among it."""
        if not self.is_long:
            return [self.head]
        further = itertools.chain.from_iterable(self.spellings())
        return [self.head, self.text, *(self.text + spelling for spelling in further)]

    def spellings(self) -> list[list[str]]:
        """The surface forms of each option as they follow the text."""
        query, text = self.query, self.text
        return [[spelling_in_context(query, text, s) for s in o.spellings] for o in query.options]


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

    def prompts(self, queries: Iterable[Query]) -> Iterator[Prompt]:
        """The queries as token ids, their options placed behind the context."""
        part: list[Rendered] = []
        wanted: list[str] = []
        size = 0
        for query in queries:
            text = self.render(query)
            part.append(Rendered(query, text, *self._cut(text)))
            texts = part[-1].texts()
            wanted += texts
            size += sum(map(len, texts))
            if size > TOGETHER:
                yield from self._prompts(part, wanted)
                part, wanted, size = [], [], 0
        yield from self._prompts(part, wanted)

    def _prompts(self, part: Iterable[Rendered], wanted: Iterable[str]) -> Iterator[Prompt]:
        texts = [text for text in dict.fromkeys(wanted) if text]
        if texts:
            found = self.hf(texts, add_special_tokens=False, return_attention_mask=False)
            self._ids = {t: tuple(ids) for t, ids in zip(texts, found["input_ids"], strict=True)}
        yield from map(self._prompt, part)
        self._ids.clear()

    def _prompt(self, rendered: Rendered) -> Prompt:
        query, text, head, tail = rendered
        head_ids = self._encode(head)
        before, behind = self._lead + head_ids, self._behind(rendered, head_ids, "")
        context = before + behind
        if not context:
            raise ConfigError("a prompt of no tokens: expected some text")
        check_bos(context, self.bos)
        known = (tail, text[-1:], query.options, query.spaced)
        placed = None if rendered.is_long else self._placed.get(known)
        if placed is None:
            wholes = [
                [(spelling, self._behind(rendered, head_ids, spelling)) for spelling in spellings]
                for spellings in rendered.spellings()
            ]
            placed = place(query.options, behind, wholes)
            if not rendered.is_long:
                self._placed[known] = placed  # it does not depend on the head
        kept = len(before) + placed.shared
        return Prompt(query, text, context[:kept], placed.forms, placed.flags)

    def _behind(self, rendered: Rendered, head_ids: Ids, spelling: str) -> Ids:
        """The ids of what follows the head, taken from the whole text the first time.

        The start of the model's turn is the same in every prompt, so it is remembered.
        """
        if rendered.is_long:
            return _after(head_ids, self._encode(rendered.text + spelling))
        known = self._tails.get((rendered.tail, spelling))
        if known is None:
            known = _after(head_ids, self._encode(rendered.text + spelling))
            self._tails[rendered.tail, spelling] = known
        return known

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

    def _encode(self, text: str) -> Ids:
        if text in self._ids:
            return self._ids[text]
        return tuple(self.hf.encode(text, add_special_tokens=False)) if text else ()


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
