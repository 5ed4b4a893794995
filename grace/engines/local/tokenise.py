"""From queries to token ids with a Hugging Face tokeniser."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from grace.engines.local.chat_template import ChatTemplate
from grace.engines.local.control_tokens import Control
from grace.engines.local.unknown_tokens import Lost
from grace.errors import ConfigError, QueryError
from grace.questions.control_tokens import control_refusal
from grace.questions.lost_differences import UNKNOWN as FLAG
from grace.questions.lost_differences import alike_notice
from grace.questions.rendered_chat import (
    NOT_BEGUN,
    begun_by,
    left_out,
    not_begun_notice,
    not_begun_refusal,
    open_thoughts,
    refuse_blank,
    thoughts_refusal,
)
from grace.questions.written_dates import date_notice
from grace.scoring import Placed, check_bos
from grace.scoring.boundary import Ids, place, spelling_in_context
from grace.types import Message, Option, Prompt, Query

#: Characters behind the last special token up to which they are taken for the turn's start.
LONG_TAIL = 100
#: Characters that are tokenised in one call.
TOGETHER = 1_000_000
#: The flag of control tokens that are spelt in a text and meant.
MEANT = "control_token"


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
        self,
        tokenizer: Any,
        *,
        chat: bool,
        template_kwargs: Mapping[str, Any] | None = None,
        date: str | None = None,
        control: bool = False,
        vocabulary: int | None = None,
    ) -> None:
        """Date is what a chat template's clock shows.

        With `control`, control tokens spelt in texts are taken for what they are, and flagged;
        otherwise they are refused. `vocabulary` is how many tokens the model knows.
        """
        if chat and not tokenizer.chat_template:
            raise ConfigError("the model has no chat template; expected model.chat=false")
        self.hf = tokenizer
        self.chat = chat
        self.template = ChatTemplate(tokenizer, template_kwargs, date) if chat else None
        self._lead = () if chat else _leading_specials(tokenizer)
        self._specials = [
            token.content for token in tokenizer.added_tokens_decoder.values() if token.special
        ]
        self._control = Control(tokenizer, self.template.source if self.template else "")
        self._allowed = control
        self._lost = Lost(tokenizer)
        last = max([tokenizer.vocab_size - 1, *tokenizer.added_tokens_decoder])
        self._known_to_model = vocabulary if vocabulary is not None and last >= vocabulary else None
        self._tails: dict[tuple[str, str], Ids] = {}
        self._placed: dict[tuple[str, str, tuple[Option, ...], object], Placed] = {}
        self._ids: dict[str, Ids] = {}  # of the texts that are tokenised together

    @property
    def bos(self) -> int | None:
        """The beginning-of-sequence token's id, if the tokeniser has one."""
        bos: int | None = self.hf.bos_token_id
        return bos

    def endings(self) -> tuple[frozenset[int], tuple[str, ...]]:
        """What ends the model's turn in its chat template: tokens, and texts of several."""
        ids: set[int] = set()
        texts: list[str] = []
        tokens = self.hf.added_tokens_encoder
        for ending in self.template.endings() if self.template else ():
            own = max(
                (t for t in tokens if t.strip() and ending.startswith(t)), key=len, default=""
            )
            if own:
                ids.add(tokens[own])
            elif not ending.split()[0].isalnum():
                texts.append(ending)
        return frozenset(ids), tuple(dict.fromkeys(texts))

    def render(self, query: Query) -> str:
        """The context as text, up to where the answer begins; its start may hold anything."""
        refuse_blank(query)
        if not self._allowed and (token := self._control.first(_contents(query))):
            raise QueryError(control_refusal(token), query, token)
        if self.template is None:
            parts = [message.content for message in query.messages]
            return "\n\n".join([*parts, query.answer_prefix] if query.answer_prefix else parts)
        messages = self.template.taken(query.messages)
        rendered = self.template.render(messages)
        if (lost := left_out(messages, rendered)) is not None:
            raise QueryError(
                f"the chat template leaves out or changes what the {lost.role} says "
                f"({lost.content[:60]!r}); expected one that writes it as it is",
                query,
            )
        if problem := self.template.problem(messages):
            raise QueryError(
                f"the chat template {problem}; expected one that writes each turn once, in order",
                query,
            )
        text = rendered + query.answer_prefix
        if query.options:
            self._refuse_place(query, text, messages[-1])
        return text

    def _refuse_place(self, query: Query, text: str, last: Message) -> None:
        """Refuse options that would stand where no answer does: among thoughts, in no turn."""
        if self.template is None:
            return
        begun = self.template.beginning
        past = begun.past if last.role == "user" else ()
        if tag := open_thoughts(text, last.content, past, query.answer_prefix):
            raise QueryError(thoughts_refusal(tag), query)
        if not begun_by(query, begun):
            raise QueryError(not_begun_refusal(begun.missing), query)

    def notices(self, *, dated: bool) -> list[str]:
        """What is to be known of the chat template and the tokeniser; `dated`: of its date."""
        found = []
        if self.template is not None and self.template.dated and dated:
            time = "12:00" if self.template.timed else ""
            found.append(date_notice(self.template.date, time=time))
        if self.template is not None and self.template.beginning.missing:
            found.append(not_begun_notice(self.template.beginning.missing))
        if alike := self._lost.alike():
            found.append(alike_notice(alike))
        return found

    def prompts(self, queries: Iterable[Query]) -> Iterator[Prompt]:
        """The queries as token ids, their options placed behind the context."""
        part: list[Rendered] = []
        wanted: list[str] = []
        size = 0
        for query in queries:
            with _of(query):
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
        for rendered in part:
            with _of(rendered.query):
                prompt = self._prompt(rendered)
            yield prompt
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
            placed = self._place(query, rendered, head_ids, len(before))
            if not rendered.is_long:
                self._placed[known] = placed  # it does not depend on the head
        kept = len(before) + placed.shared
        self._refuse_unknown_ids(context, placed)
        flags = dict.fromkeys((*placed.flags, *self._flags(query, text, context)))
        return Prompt(query, text, context[:kept], placed.forms, tuple(flags))

    def _place(self, query: Query, rendered: Rendered, head_ids: Ids, before: int) -> Placed:
        """The options behind the context."""
        spelt = [spelling for option in query.options for spelling in option.spellings]
        token = self._control.first(spelt)
        if token and not self._allowed:
            raise QueryError(control_refusal(token), query, token)
        wholes = [
            [(spelling, self._behind(rendered, head_ids, spelling)) for spelling in spellings]
            for spellings in rendered.spellings()
        ]
        placed = place(query.options, self._behind(rendered, head_ids, ""), wholes, before)
        lost = any(self._lost.any(f.text, f.ids) for forms in placed.forms for f in forms)
        further = (*((FLAG,) if lost else ()), *((MEANT,) if token else ()))
        return placed._replace(flags=placed.flags + further)

    def _flags(self, query: Query, text: str, context: Ids) -> Iterator[str]:
        """What is to be known of a prompt's text: characters lost, control tokens meant."""
        if self._lost.any(text, context):
            yield FLAG
        if self._allowed and self._control.first(_contents(query)):
            yield MEANT
        if self.template is not None and not begun_by(query, self.template.beginning):
            yield NOT_BEGUN

    def _refuse_unknown_ids(self, context: Ids, placed: Placed) -> None:
        """Refuse tokens that the model has no weights for."""
        if self._known_to_model is None:
            return
        ids = {*context, *(i for forms in placed.forms for form in forms for i in form.ids)}
        if max(ids) >= self._known_to_model:
            raise ConfigError(
                f"the tokeniser gives token {max(ids)} ({self.hf.decode([max(ids)])!r}) and the "
                f"model knows {self._known_to_model}: they do not belong together"
            )

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


def _contents(query: Query) -> Iterator[str]:
    return (message.content for message in query.messages)


@contextmanager
def _of(query: Query) -> Iterator[None]:
    """Say of which query something could not be had."""
    try:
        yield
    except QueryError:
        raise
    except ConfigError as error:
        raise QueryError(str(error), query) from error


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
