"""What a chat template does beside some turns alone: found out with marks, before it is trusted."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

import grace
from grace.engines.local.chat_template import ChatTemplate
from grace.engines.local.tokenise import Tokeniser
from grace.questions.rendered_chat import open_thoughts
from grace.questions.written_dates import written_date, written_time
from grace.types import Message, Option, Prompt, Query, Sampling
from tests.engines.local.test_chat_templates import BEGUN, DATED, END, TURN, Make, with_template
from tests.tiny import CHATML

__all__ = ["with_template"]  # the fixture

SYSTEM, USER = Message("system", "Be brief."), Message("user", "Is it warm, yes or no?")
TALK = (USER, Message("assistant", "yes"), Message("user", "Sure?"))
WORDS = (Option("yes", "yes"), Option("no", "no"))
BESIDE_SYSTEM = "{% if messages[0]['role'] == 'system' %}{{ %s }}{% endif %}"


def loaded(folder: Path) -> Any:
    return AutoTokenizer.from_pretrained(folder)


def prompt(folder: Path, turns: Sequence[Message], **query: Any) -> Prompt:
    tokeniser = Tokeniser(loaded(folder), chat=True, date="2026-03-01")
    given = {"options": WORDS} | query
    (found,) = tokeniser.prompts([Query(tuple(turns), **given)])
    return found


@pytest.mark.parametrize(
    "said",
    ["{{ '<|im_start|>system\nToday: ' + strftime_now('%d %b %Y') + '<|im_end|>\n' }}",
     "{% if messages[0]['role'] == 'system' %}{{ strftime_now('%d %b %Y') }}{% endif %}",
     "{% if messages | length > 2 %}{{ strftime_now('%d %b %Y') }}{% endif %}"],
)  # fmt: skip
def test_a_date_beside_some_turns_is_the_day_asked_for(said: str, with_template: Make) -> None:
    folder = with_template(said + CHATML)
    found = ChatTemplate(loaded(folder), date="2026-03-01")
    assert found.dated
    assert not found.timed
    assert "01 Mar 2026" in prompt(folder, (SYSTEM, *TALK)).text
    assert "2019" not in prompt(folder, (USER,)).text


def test_a_time_of_day_is_noticed(with_template: Make) -> None:
    folder = with_template(DATED.replace("%d %b %Y", "%H:%M"))
    tokeniser = Tokeniser(loaded(folder), chat=True, date="2026-03-01")
    assert tokeniser.template
    assert tokeniser.template.timed
    (notice,) = tokeniser.notices(dated=True)
    assert "time of day, always 12:00" in notice
    assert "12:00" in prompt(folder, (USER,)).text


def test_a_template_that_knows_the_clock_and_does_not_write_it(with_template: Make) -> None:
    folder = with_template("{% set day = strftime_now('%F') %}" + CHATML)
    assert not ChatTemplate(loaded(folder)).dated
    assert Tokeniser(loaded(folder), chat=True).notices(dated=True) == []


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{ lipsum(1, false, 3, 5) }}" + CHATML, "draws at random"),
        (BESIDE_SYSTEM.replace("%s", "range(999) | random") + CHATML, "draws at random"),
        ("{{ messages[0].items }}" + CHATML, "0x[0-9a-f]+> into the prompt, which is no text"),
    ],
)
def test_a_template_that_writes_another_text_each_time(
    template: str, message: str, with_template: Make
) -> None:
    with pytest.raises(grace.GraceError, match=message):
        prompt(with_template(template), (USER,))


WITHOUT = TURN.replace("messages %}", "messages if m['role'] != 'assistant' %}")
CONTENT = "{{ m['content'] }}"
ONCE = TURN + CONTENT + END + BEGUN
LAST = "{{ '<|im_start|>user\n' + messages[-1]['content'] + '<|im_end|>\n' }}" + BEGUN


@pytest.mark.parametrize(
    ("template", "turns", "message"),
    [
        (WITHOUT + CONTENT + END + BEGUN, TALK, "leaves out .* assistant says"),
        (LAST, (Message("user", "warm"), Message("assistant", "yes"), USER), "leaves out"),
        (ONCE.replace(CONTENT, CONTENT * 2), (USER,), "more than once what the user says"),
        (ONCE.replace("in messages", "in messages | reverse"), TALK, "leaves out|order"),
        (ONCE.replace("m['content'] }}", "m['content'].split() | join(' ') }}"),
         (Message("user", "Is  it\n\nwarm?"),), "changes what the user says"),
        (ONCE.replace("m['content'] }}", "m['content'].title() }}"), (USER,), "changes"),
    ],
)  # fmt: skip
def test_turns_that_are_dropped_doubled_or_moved(
    template: str, turns: Sequence[Message], message: str, with_template: Make
) -> None:
    with pytest.raises(grace.GraceError, match=message):
        prompt(with_template(template), turns)


def test_turns_that_say_the_same_are_fine(with_template: Make) -> None:
    twice = (USER, Message("assistant", "yes"), USER, Message("assistant", "yes"), USER)
    found = prompt(with_template(ONCE), (SYSTEM, *twice))
    assert found.text.count(USER.content) == 3
    late = ONCE.replace(
        CONTENT,
        "{% if m['role'] == 'user' and loop.last and messages[0]['role'] "
        "== 'system' %}{{ messages[0]['content'] + ' ' }}{% endif %}" + CONTENT,
    )
    late = late.replace("messages %}", "messages if m['role'] != 'system' %}", 1)
    assert "Be brief. Sure?" in prompt(with_template(late, "late"), (SYSTEM, *TALK)).text


NOT_BEGUN = TURN + CONTENT + END


def test_options_are_not_scored_behind_the_user_s_turn(with_template: Make) -> None:
    folder = with_template(NOT_BEGUN)
    with pytest.raises(grace.GraceError, match="does not begin the model's turn"):
        prompt(folder, (USER,))
    started = prompt(folder, (USER,), answer_prefix="<|im_start|>assistant\n")
    begun = prompt(with_template(ONCE, "begun"), (USER,))
    assert (started.context, started.forms) == (begun.context, begun.forms)
    drawn = prompt(folder, (USER,), options=(), sampling=Sampling(0, 1, 5, 0))
    assert drawn.flags == ("turn_not_begun",)
    tokeniser = Tokeniser(loaded(folder), chat=True)
    assert "lacks '<|im_start|>assistant'" in tokeniser.notices(dated=True)[0]


@pytest.mark.parametrize(
    "template",
    [
        ONCE,
        # no header, and none in turns that are over: Mistral's
        "{% for m in messages %}{{ '[I]' + m['content'] + '[/I]' if m['role'] == 'user' else "
        "m['content'] + eos_token }}{% endfor %}",
        # a header whether asked for or not
        ONCE.replace(BEGUN, "{{ '<|im_start|>assistant\n' }}"),
        # answers that are over have closed thoughts before them
        ONCE.replace(CONTENT, "{{ ('<think>\n\n</think>\n\n' if m['role'] == 'assistant' else '') "
                     "+ m['content'] }}"),
    ],
)  # fmt: skip
def test_templates_that_begin_the_turn(template: str, with_template: Make) -> None:
    found = prompt(with_template(template), (USER,))
    assert found.flags == ()
    assert ChatTemplate(loaded(with_template(template, "again"))).beginning.missing == ""


TAGS = [
    "<internal>", "<cot>", "<analysis>", "<plan>\\n", "<rationale>", "<monologue>", "<ponder>",
    "[思考]", "<思考>", "Thinking:\\n", "<|thinking|>", "<inner_voice>", "<mull>\\nSo",
]  # fmt: skip


@pytest.mark.parametrize("tag", TAGS)
def test_thoughts_by_any_name(tag: str, with_template: Make) -> None:
    folder = with_template(CHATML.replace("assistant\n'", f"assistant\n{tag}'"))
    with pytest.raises(grace.GraceError, match="inside its thoughts"):
        prompt(folder, (USER,))


@pytest.mark.parametrize(
    "begun", ["<answer>", "<mull>Well.</mull>", "<mull>\\n\\n</mull>", "Sure: "]
)
def test_a_turn_that_is_begun_for_its_answer(begun: str, with_template: Make) -> None:
    folder = with_template(CHATML.replace("assistant\n'", f"assistant\n{begun}'"))
    assert prompt(folder, (USER,)).forms
    opened = with_template(CHATML.replace("assistant\n'", "assistant\n<mull>'"), "opened")
    assert prompt(opened, (USER,), answer_prefix="</mull>\n").forms
    assert prompt(with_template(CHATML, "own"), (USER,), answer_prefix="<vote>").forms


def test_what_stood_before_past_answers_is_no_thought() -> None:
    past = ["<|end|>\n<|role|>assistant<|sep|>"]
    assert open_thoughts("warm?<|end|>\n<|role|>assistant<|sep|>", "warm?", past) == ""
    assert open_thoughts("warm?<|end|>\n<|role|>assistant<|sep|><x>", "warm?", past) == "<x>"
    assert open_thoughts("warm?<|end|>\n<|role|>assistant<|sep|><x>", "warm?") == ""


DAY = date(2026, 11, 28)
DATES = [
    "28 Nov 2026", "November 28th, 2026", "28. November 2026", "2026年11月28日", "11/28/26",
    "28 novembre 2026", "28 de noviembre de 2026", "28.11.26", "Sat Nov 28 2026", "Nov. 28, 2026",
    "2026.11.28", "Saturday, November 28", "28 NOVEMBER 2026", "2026-11-28T05:00", "28/11/2026",
    "27 November 2026", "28 ноября 2026", "28. novembra 2026 / 28.11.2026", "20261128",
]  # fmt: skip


@pytest.mark.parametrize("shown", DATES)
def test_dates_as_people_write_them(shown: str) -> None:
    assert written_date(f"Today is {shown}.", DAY)


@pytest.mark.parametrize("shown", ["28 Nov 2023", "November 2026", "11/28/2019", "May 1", "28", ""])
def test_other_numbers_are_no_date_of_today(shown: str) -> None:
    assert written_date(f"Knowledge until {shown}.", DAY) == ""


def test_a_single_figure_s_zero_is_overlooked() -> None:
    assert written_date("It is March 1, 2026.", date(2026, 3, 1))
    assert written_date("It is 1.3.2026.", date(2026, 3, 1))


def test_a_time_of_day_in_a_text() -> None:
    now = datetime(2026, 11, 28, 14, 37)
    assert written_time("It is 02:37 PM", now)
    assert written_time("16:38:59", now)
    assert not written_time("Open from 9:00 to 17:15, score 1:2", now)
