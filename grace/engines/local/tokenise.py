"""From queries to token ids with a Hugging Face tokeniser."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jinja2.exceptions import TemplateError

from grace.boundary import Ids, check_bos, place_options, spelling_in_context
from grace.errors import ConfigError
from grace.system_turn import merge_system
from grace.types import Message, Prompt, Query

#: Characters behind the last special token up to which they are taken for the turn's start.
LONG_TAIL = 100


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

    def prompt(self, query: Query) -> Prompt:
        """The query as token ids, its options placed behind the context."""
        text = self.render(query)
        head, tail = self._cut(text)
        head_ids = self._encode(head)
        context = self._lead + head_ids + self._tail(head, head_ids, tail, "")
        if not context:
            raise ConfigError("a prompt of no tokens: expected some text")
        check_bos(context, self.bos)
        wholes: list[list[tuple[str, Ids]]] = []
        for option in query.options:
            spellings = [spelling_in_context(query, text, s) for s in option.spellings]
            wholes.append(
                [
                    (s, self._lead + head_ids + self._tail(head, head_ids, tail, s))
                    for s in spellings
                ]
            )
        return place_options(query, text, context, wholes)

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
        if not head or len(tail) > LONG_TAIL:
            whole = self._encode(head + tail + spelling)
            return _after(head_ids, whole)
        known = self._tails.get((tail, spelling))
        if known is None:
            known = _after(head_ids, self._encode(head + tail + spelling))
            self._tails[tail, spelling] = known
        return known

    def _encode(self, text: str) -> Ids:
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
