"""Chat templates as they come: what they take, leave out, write by themselves, and end with."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

import grace
from grace.engines.local.chat_template import ChatTemplate
from grace.engines.local.tokenise import Tokeniser
from grace.questions.rendered_chat import open_thoughts
from grace.questions.written_dates import written_date
from grace.types import Message, Option, Query
from tests.tiny import CHATML

TURN = "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' }}"
END = "{{ '<|im_end|>\n' }}{% endfor %}"
BEGUN = "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
PARTS = (
    TURN
    + "{% for p in m['content'] %}{% if p.type == 'text' %}{{ p.text }}{% endif %}{% endfor %}"
    + END
    + BEGUN
)
MIXED = (
    TURN
    + "{% if m['role'] == 'system' %}{{ m['content'] | trim }}{% else %}"
    + "{% for p in m['content'] %}{{ p['text'] }}{% endfor %}{% endif %}"
    + END
    + BEGUN
)
BOTH = (
    TURN
    + "{% if m['content'] is string %}{{ m['content'] }}{% else %}"
    + "{% for p in m['content'] %}{{ p['text'] }}{% endfor %}{% endif %}"
    + END
    + BEGUN
)
DATED = "{{ '<|im_start|>system\nToday: ' + strftime_now('%d %b %Y') + '<|im_end|>\n' }}" + CHATML

Make = Callable[..., Any]


@pytest.fixture
def with_template(tiny: Callable[[str], Path], tmp_path: Path) -> Make:
    """A tokeniser's folder, the model with it, under another chat template."""

    def make(template: Any, name: str = "other") -> Path:
        folder = shutil.copytree(tiny("llama-byte"), tmp_path / name)
        tokenizer = AutoTokenizer.from_pretrained(folder)
        tokenizer.chat_template = template
        (folder / "chat_template.jinja").unlink(missing_ok=True)
        tokenizer.save_pretrained(folder)
        return folder

    return make


def loaded(folder: Path) -> Any:
    return AutoTokenizer.from_pretrained(folder)


SYSTEM, USER = Message("system", "Be brief."), Message("user", "Is the soup warm?")


@pytest.mark.parametrize("template", [PARTS, MIXED, BOTH], ids=["parts", "mixed", "both"])
def test_contents_come_in_the_form_the_template_takes(template: str, with_template: Make) -> None:
    text = ChatTemplate(loaded(with_template(template))).render([SYSTEM, USER])
    assert text == (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nIs the soup warm?<|im_end|>\n"
        "<|im_start|>assistant\n"
    )


def test_scores_behind_parts_are_those_behind_the_same_text(with_template: Make) -> None:
    parts, plain = with_template(PARTS, "parts"), with_template(CHATML, "plain")
    prompts = ["Is the soup warm?", "Say no."]
    one, other = (grace.score(str(f), prompts, ["yes", "no"]) for f in (parts, plain))
    assert list(one["logprob"]) == list(other["logprob"])
    assert one["logprob"].nunique() == 4


@pytest.mark.parametrize(
    ("template", "message"),
    [
        (TURN + END + BEGUN, "leaves out what the user says"),
        (CHATML.replace("m['content']", "(m['content'] | lower)"), "changes what the user says"),
        (CHATML.replace("m['content']", "m['content'][:9]"), "changes what the user says"),
        (CHATML.replace("m['content']", "(m['content'] | e)"), "changes what the user says"),
        ("{% for m in messages %}{{ m['content'] }", "broken \\(line 1\\)"),
        ("{{ raise_exception('never') }}", "refuses this conversation .*never"),
        ("{{ 1 / 0 }}" + CHATML, "refuses this conversation .*division"),
        ("{{ messages[0].content.no.such }}" + CHATML, "refuses this conversation"),
        ("{{ ['a', 'b', 'c', 'd'] | random }}" + CHATML, "draws at random"),
        ({"rag": CHATML, "tool_use": CHATML}, "several chat templates \\(rag, tool_use\\)"),
    ],
)
def test_a_template_that_cannot_be_used_is_one_sentence(
    template: Any, message: str, with_template: Make
) -> None:
    folder = with_template(template)
    with pytest.raises(grace.GraceError, match=message) as told:
        grace.score(str(folder), ["Is the <B>soup</B> warm?"], ["yes", "no"])
    assert "\n" not in str(told.value)


def test_one_of_several_templates_is_chosen_by_name(with_template: Make) -> None:
    folder = with_template({"rag": CHATML.replace("user", "x"), "chat": CHATML})
    chosen = "++model.chat_template_kwargs.chat_template=chat"
    table = grace.score(str(folder), ["Warm?"], ["yes", "no"], overrides=[chosen])
    plain = grace.score(str(with_template(CHATML, "plain")), ["Warm?"], ["yes", "no"])
    assert list(table["logprob"]) == list(plain["logprob"])


def test_roles_that_must_alternate(with_template: Make) -> None:
    alternate = (
        "{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
        "{{ raise_exception('roles must alternate') }}{% endif %}{% endfor %}" + CHATML
    )
    turns = [{"role": "user", "content": "Warm?"}, {"role": "user", "content": "Cold?"}]
    with pytest.raises(grace.GraceError, match=r"prompt 2: .*roles must alternate"):
        grace.score(str(with_template(alternate)), ["Warm?", turns], ["yes", "no"])


def test_options_are_not_scored_inside_thoughts(with_template: Make) -> None:
    thinking = CHATML.replace("assistant\n'", "assistant\n<think>\n'")
    folder = str(with_template(thinking))
    with pytest.raises(grace.GraceError, match="inside its thoughts \\(<think>\\)"):
        grace.score(folder, ["Warm?"], ["yes", "no"])
    tokeniser = Tokeniser(loaded(Path(folder)), chat=True)
    options = (Option("yes", "yes"), Option("no", "no"))
    closed = Query((USER,), options, answer_prefix="\n</think>\n\n")
    (prompt,) = tokeniser.prompts([closed])
    assert prompt.text.endswith("<think>\n\n</think>\n\n")


@pytest.mark.parametrize(
    ("turn", "tag"),
    [
        ("assistant\n<think>\n", "<think>"),
        ("assistant\n<think>\n\n</think>\n\n", ""),
        ("assistant\n<think>Well", "<think>"),
        ("[/INST][THINK]", "[THINK]"),
        ("<|START_THINKING|>", "<|START_THINKING|>"),
        ("<|START_THINKING|><|END_THINKING|>", ""),
        ("<|channel|>analysis<|message|>", "<|channel|>analysis"),
        ("<|channel|>final<|message|>", ""),
        ("assistant\n", ""),
    ],
)
def test_thoughts_are_seen_where_they_are_open(turn: str, tag: str) -> None:
    assert open_thoughts(f"user\n<think> it over: warm?\n{turn}", "<think> it over: warm?") == tag


def test_a_date_is_seen_and_kept(with_template: Make) -> None:
    tokenizer = loaded(with_template(DATED))
    first = ChatTemplate(tokenizer, date="2026-03-01")
    second = ChatTemplate(tokenizer, date="2026-03-02")
    assert first.dated
    assert second.dated
    for template, day in ((first, "01"), (second, "02"), (first, "01")):
        assert f"Today: {day} Mar 2026" in template.render([USER])
    assert ChatTemplate(tokenizer).date == ChatTemplate(tokenizer)._today()
    plain = ChatTemplate(loaded(with_template(CHATML, "plain")), date="2026-03-01")
    assert not plain.dated
    given = (
        "{% if not date_string is defined %}{% set date_string = strftime_now('%F') %}{% endif %}"
    )
    pinned = loaded(with_template(given + "{{ date_string }}" + CHATML, "given"))
    assert ChatTemplate(pinned).dated
    assert not ChatTemplate(pinned, {"date_string": "26 Jul 2024"}).dated


def test_a_date_in_a_text_by_its_format() -> None:
    from datetime import date

    day = date(2026, 3, 1)
    assert written_date("Today Date: 01 Mar 2026.", day) == "%d %b %Y"
    assert written_date("Today is March 02, 2026.", day) == "%B %d, %Y"  # a server to the east
    assert written_date("Knowledge until 2024-01-01.", day) == ""


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        (CHATML, (["<|im_end|>"], ())),
        (CHATML.replace("'<|im_end|>\n'", "eos_token"), (["</s>"], ())),
        (CHATML.replace("'<|im_end|>\n'", "'\n'"), (["<|im_start|>"], ())),
        (
            "{% for m in messages %}{{ '### ' + m['role'] + ':\n' + m['content'] + '\n\n' }}"
            "{% endfor %}{{ '### assistant:\n' }}",
            ([], ("### assistant:", "### user:")),
        ),
    ],
    ids=["own", "eos", "next", "plain"],
)
def test_a_turn_ends_as_its_template_ends_it(
    template: str, expected: tuple[list[str], tuple[str, ...]], with_template: Make
) -> None:
    tokenizer = loaded(with_template(template))
    ids, texts = Tokeniser(tokenizer, chat=True).endings()
    assert (tokenizer.convert_ids_to_tokens(sorted(ids)), texts) == expected
