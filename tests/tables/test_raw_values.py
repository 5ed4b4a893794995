"""What the tables say of a raw answer: read with what is known of it, told as it was drawn."""

from __future__ import annotations

import pytest

from grace.config import QuestionSpec
from grace.questions import Asked
from grace.tables.block import Item, raw_values
from grace.types import Generation, Trial
from tests.questions.parsing_specs import knowledge_spec, polite_spec

TRIAL = Trial(1, ("1",), {"SP_Name": "Ben", "LS_Name": "Ruth"})


def item(text: str, reason: str = "stop") -> Item:
    return Item(Asked(("answer", 0), {}, 0), Generation(text, reason, 9, 5), 0)


@pytest.mark.parametrize(
    ("text", "frame"), [('Ben says: "It was good."', "was"), ('Ruth says: "It was good."', None)]
)
def test_another_than_the_rows_speaker_is_no_speaker(text: str, frame: str | None) -> None:
    question = QuestionSpec(template="x.j2", parse=polite_spec)
    assert raw_values(item(text), question, TRIAL, "")["frame"] == frame


def test_an_answer_is_read_with_its_beginning_and_told_without() -> None:
    question = QuestionSpec(template="x.j2", parse=polite_spec)
    found = raw_values(item(" wasn't bad."), question, TRIAL, "It")
    assert (found["frame"], found["assessment"], found["response"]) == (
        "wasnt",
        "bad",
        " wasn't bad.",
    )


def test_a_number_where_an_answer_was_cut_may_go_on() -> None:
    question = QuestionSpec(template="x.j2", parse=knowledge_spec)
    text = "Probabilities: 0: 0.1, 1: 0.2, 2: 0.3, 3: 0.4"
    assert raw_values(item(text), question, TRIAL, "")["p_3"] == 40
    assert raw_values(item(text, "length"), question, TRIAL, "")["p_3"] is None
