"""A model's chat template: what it takes, what it makes of a conversation, and its clock.

A template is tried before it is trusted: with contents that nobody writes, so that it shows
which form of content it takes, whether it has a place for a system turn, how it begins and ends
the model's, whether it writes the date, and that it draws nothing at random. It may do any of
this beside some turns alone, so that each kind of conversation is tried.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date as Date
from datetime import datetime, time
from typing import Any

from jinja2.exceptions import TemplateError, TemplateSyntaxError

from grace.engines.system_turn import merge_system
from grace.errors import ConfigError
from grace.questions.rendered_chat import (
    ANSWER,
    ANSWER_MARK,
    NEXT,
    NEXT_MARK,
    OBJECT,
    SYSTEM,
    SYSTEM_MARK,
    USER,
    USER_MARK,
    beginning,
    marked,
    misplaced,
    turns_of,
)
from grace.types import Message, Role

#: The hour that every prompt has, and moments that have nothing in common with each other: in
#: the day, and in the time of day alone.
HOUR = time(12)
MOMENTS = (datetime(2001, 2, 13, 12), datetime(2019, 11, 28, 12), datetime(2019, 11, 28, 8, 41, 37))
#: Renderings after which one that draws at random has shown it.
DRAWS = 12
#: What a template that cannot render may raise: it is a program.
RAISED = (
    TemplateError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError,
    RuntimeError, AssertionError, NotImplementedError,
)  # fmt: skip


class ChatTemplate:
    """Renders conversations with the template of a Hugging Face tokeniser.

    `date` is the day its clock shows (YYYY-MM-DD), today's where none is given; `dated` says
    whether it writes it, `timed` whether it writes the time of day. `beginning` is how it begins
    the model's turn. Raises ConfigError where it cannot render a user's turn.
    """

    def __init__(
        self, tokenizer: Any, kwargs: Mapping[str, Any] | None = None, date: str | None = None
    ) -> None:
        self._hf = tokenizer
        self._kwargs = dict(kwargs or {})
        self.source = self._find()
        self._parts: dict[str, bool] = {}
        self._merges: bool | None = None
        self._shapes: set[tuple[Role, ...]] = set()
        self.date = date or self._today()
        self._clock = datetime.combine(Date.fromisoformat(self.date), HOUR)
        self._take_user()
        tried = list(self._kinds())
        self.dated, self.timed = self._shows_date(tried)
        self._refuse_random(tried)
        self.beginning = beginning(
            self._apply([USER]), self._apply([USER], begun=False), self._answered()
        )

    def render(self, messages: Sequence[Message]) -> str:
        """The conversation as text, the model's turn begun."""
        return self._apply(self.taken(messages))

    def taken(self, messages: Sequence[Message]) -> Sequence[Message]:
        """The messages as the template takes them: system text may go to the user's turn."""
        system = any(message.role == "system" for message in messages)
        return merge_system(messages) if system and self._merges_system() else messages

    def problem(self, messages: Sequence[Message]) -> str:
        """What it does to the turns of such a conversation, each of which it is to write once.

        Found out with marks in place of what is said, once for all conversations of these roles;
        "" where nothing is wrong.
        """
        roles = tuple(message.role for message in messages)
        if roles in self._shapes:
            return ""
        turns = marked(roles)
        found = misplaced(turns, self._apply(turns))
        if not found:
            self._shapes.add(roles)
        return found

    def endings(self) -> list[str]:
        """What it puts behind the model's turn, where it is the last and where it is not."""
        found = []
        for text in self._answered():
            _, there, behind = text.partition(ANSWER_MARK)
            found.append(behind.partition(NEXT_MARK)[0] if there else "")
        return [ending.strip() for ending in found if ending.strip()]

    def _answered(self) -> Iterator[str]:
        """Conversations with an answer, as the last turn and not as the last, where it has any."""
        for turns in ([USER, ANSWER], [USER, ANSWER, NEXT]):
            try:
                yield self._apply(turns, begun=False)
            except ConfigError:
                continue

    def _find(self) -> str:
        """The source of the template that is used; ConfigError where it is not known which."""
        given = self._kwargs.get("chat_template")
        named = self._hf.chat_template
        if isinstance(named, dict) and given is None and "default" not in named:
            raise ConfigError(
                f"the model has several chat templates ({', '.join(sorted(named))}) and none is "
                "the default; choose one with ++model.chat_template_kwargs.chat_template=NAME"
            )
        found: str = self._hf.get_chat_template(given)
        return found

    def _take_user(self) -> None:
        """Find out which form of content a user's turn has."""
        problem: ConfigError | None = None
        for parts in (False, True):
            self._parts = dict.fromkeys(("system", "user", "assistant"), parts)
            try:
                if USER_MARK in self._apply([USER]).casefold():
                    return
            except ConfigError as error:
                problem = problem or error
        raise problem or ConfigError(
            "the chat template leaves out what the user says: expected one that writes it"
        )

    def _merges_system(self) -> bool:
        """Whether the template has no place for a system turn (Gemma's raises)."""
        if self._merges is None:
            self._merges = True
            for parts in (False, True):  # a list where a text is wanted may be written out as such
                self._parts["system"] = parts
                try:
                    text = self._apply([SYSTEM, USER]).casefold()
                except ConfigError:
                    continue
                if SYSTEM_MARK in text and USER_MARK in text:
                    self._merges = False
                    break
        return self._merges

    def _kinds(self) -> Iterator[list[Message]]:
        """Conversations with and without a system turn, short and long, that it renders."""
        kinds = [[USER], [USER, ANSWER, NEXT]]
        if not self._merges_system():
            kinds += [[SYSTEM, *turns] for turns in kinds]
        for turns in kinds:
            try:
                self._apply(turns)
            except ConfigError:
                continue
            yield turns

    def _shows_date(self, kinds: Sequence[Sequence[Message]]) -> tuple[bool, bool]:
        """Whether another day makes another text, and another time of the day."""
        if "strftime_now" not in self.source:
            return False, False
        own = self._clock
        texts = []
        try:
            for self._clock in MOMENTS:
                texts.append([self._apply(turns) for turns in kinds])
        finally:
            self._clock = own
        return texts[0] != texts[1] or texts[1] != texts[2], texts[1] != texts[2]

    def _refuse_random(self, kinds: Sequence[Sequence[Message]]) -> None:
        """ConfigError where the same conversation does not always make the same text."""
        for turns in kinds:
            texts = {self._apply(turns) for _ in range(DRAWS)}
            if found := OBJECT.search(next(iter(texts))):
                raise ConfigError(
                    f"the chat template writes {found[0]} into the prompt, which is no text and "
                    "another in every process; expected one that writes text"
                )
            if len(texts) > 1:
                raise ConfigError("the chat template draws at random: each prompt would be another")

    def _today(self) -> str:
        """The day, from the clock that templates have."""
        try:
            show = _compiled(self.source).environment.globals["strftime_now"]
            return str(show("%Y-%m-%d"))
        except (*RAISED, ImportError):
            return datetime.now().astimezone().date().isoformat()

    def _apply(self, messages: Sequence[Message], *, begun: bool = True) -> str:
        turns = turns_of(messages, self._parts)
        try:
            if "strftime_now" in self.source:
                _compiled(self.source).globals["strftime_now"] = self._clock.strftime
            text: str = self._hf.apply_chat_template(
                turns, tokenize=False, add_generation_prompt=begun, **self._kwargs
            )
        except TemplateSyntaxError as error:
            raise ConfigError(
                f"the model's chat template is broken (line {error.lineno}): {error.message}"
            ) from error
        except RAISED as error:
            roles = ", ".join(message.role for message in messages)
            said = next(iter(str(error).splitlines()), "") or type(error).__name__
            raise ConfigError(
                f"the chat template refuses this conversation (turns: {roles}): {said}"
            ) from error
        return text


def _compiled(source: str) -> Any:
    """The template as transformers holds it, compiled, with names of its own."""
    from transformers.utils.chat_template_utils import _compile_jinja_template

    return _compile_jinja_template(source)
