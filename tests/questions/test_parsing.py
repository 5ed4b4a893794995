"""Raw answers as models write them, and what may be read in them: labelled lines."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest
from pydantic import ValidationError

from grace.questions.parsing import parse
from tests.questions.parsing_specs import (
    PERCENTAGES,
    bets,
    knowledge_answer,
    knowledge_spec,
    spec,
)

# Whole answers


WHOLE = [2, 10, 20, 30, 40, "no"]


@pytest.mark.parametrize(
    "text",
    [
        knowledge_answer(),
        knowledge_answer().lower(),
        knowledge_answer().upper(),
        knowledge_answer().replace("\n", "\r\n"),
        knowledge_answer().replace("\n", "\n\n"),
        knowledge_answer().replace("\n", " "),
        knowledge_answer("[2]", "0: [10]%, 1: [20]%, 2: [30]%, 3: [40]%", "[no]"),
        "**Initial Answer:** 2\n**Probabilities:** " + PERCENTAGES + "\n**Knowledge:** No",
        "**Initial Answer**: **2**\n\n**Probabilities**:\n- **0**: 10%\n- **1**: 20%\n"
        "- **2**: 30%\n- **3**: 40%\n\n**Knowledge**: **no**",
        "### Initial Answer\n2\n### Probabilities\n" + PERCENTAGES + "\n### Knowledge\nNo.",
        "1. Initial Answer: 2\n2. Probabilities: " + PERCENTAGES + "\n3. Knowledge: no",
        "- Initial Answer: 2\n- Probabilities: " + PERCENTAGES + "\n- Knowledge: no",
        "> Initial Answer: 2\n> Probabilities: " + PERCENTAGES + "\n> Knowledge: no",
        "Knowledge: no\nProbabilities: " + PERCENTAGES + "\nInitial Answer: 2",
        "Sure! Here is my answer.\n\n" + knowledge_answer() + "\n\nI hope this helps. 1 of 3.",
        "Initial Answer：2\nProbabilities：0：10％，1：20％，2：30％，3：40％\nKnowledge：no",
        "\ufeffInitial Answer:\u00a02\nProbabilities:\u2009"
        + PERCENTAGES
        + "\nKnowledge: no\u200b",
        knowledge_answer() + "\n" + knowledge_answer(),
        "Initial Answer: [0-3]\nProbabilities: 0: [X]%, 1: [Y]%, 2: [Z]%, 3: [W]%\n"
        "Knowledge: [yes/no]\n\n" + knowledge_answer(),
    ],
)
def test_whole_answer_however_it_is_set(text: str) -> None:
    parsed = parse(text, knowledge_spec)
    assert parsed.status == "ok"
    assert list(parsed.values.values()) == WHOLE
    assert parsed.flags == ()


def test_types_of_values() -> None:
    values = parse(knowledge_answer(), knowledge_spec).values
    assert list(values) == ["initial_answer", "p_0", "p_1", "p_2", "p_3", "knowledge"]
    assert [type(value) for value in values.values()] == [int, float, float, float, float, str]


def test_result_is_frozen() -> None:
    parsed = parse("", knowledge_spec)
    with pytest.raises(FrozenInstanceError):
        parsed.status = "ok"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("", "missing: initial_answer, p_0, p_1, p_2, p_3, knowledge"),
        (" \n\t\n", "missing: initial_answer, p_0, p_1, p_2, p_3, knowledge"),
        ("I think it is 2.", "missing: initial_answer, p_0, p_1, p_2, p_3, knowledge"),
        (
            knowledge_answer("[0-3]", "0: [X]%, 1: [Y]%, 2: [Z]%, 3: [W]%", "[yes/no]"),
            "missing: initial_answer, p_0, p_1, p_2, p_3, knowledge",
        ),
        (
            "Initial Answer: 7\nProbabilities: 0: 10%, 1: 20%, 3: 2",
            "out of range: initial_answer (7); missing: p_2, knowledge; no percent sign: p_3 (2)",
        ),
        (
            "Initial Answer: 1\nInitial Answer: 7\nKnowledge: maybe",
            "ambiguous: initial_answer (1, 7); missing: p_0, p_1, p_2, p_3; "
            "not in the format: knowledge (maybe)",
        ),
    ],
)
def test_status_says_what_is_missing_of_each_field(text: str, status: str) -> None:
    assert parse(text, knowledge_spec).status == status


# A number


@pytest.mark.parametrize(
    ("answer", "number"),
    [
        ("0", 0),
        ("3.", 3),
        ("[1]", 1),
        ("(1)", 1),
        ('"1"', 1),
        ("'1'", 1),
        ("**2**", 2),
        ("_2_", 2),
        ("`2`", 2),
        ("two", 2),
        ("Two.", 2),
        ("2 (two)", 2),
        ("two (2)", 2),
        ("2 – two", 2),
        ("2 of the 3 exams have passing grades.", 2),
        ("two of the three", 2),
        ("2 out of 3", 2),
        ("none", 0),
        ("None of the 3 letters", 0),
        ("zero", 0),
        ("all", 3),
        ("all three", 3),
        ("All 3 of them.", 3),
        ("2, because Mark looked at two exams", 2),
        ("2 - a guess", 2),
        ("2 ✅", 2),
        ("3️⃣", 3),
        ("\n2", 2),
        ("\n\n- 2.", 2),
        ("２", 2),
    ],
)
def test_number(answer: str, number: float) -> None:
    parsed = parse(knowledge_answer(initial=answer), knowledge_spec)
    assert (parsed.status, parsed.values["initial_answer"]) == ("ok", number)


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ("", "missing: initial_answer"),
        ("[0-3]", "missing: initial_answer"),
        ("7", "out of range: initial_answer (7)"),
        ("-1", "out of range: initial_answer (-1)"),
        ("−1", "out of range: initial_answer (-1)"),
        ("0-3", "ambiguous: initial_answer (0, 3)"),
        ("2 or 3", "ambiguous: initial_answer (2, 3)"),
        ("two or three", "ambiguous: initial_answer (2, 3)"),
        ("2-3", "ambiguous: initial_answer (2, 3)"),
        ("2–3", "ambiguous: initial_answer (2, 3)"),
        ("2/3", "ambiguous: initial_answer (2, 3)"),
        ("2, perhaps 3", "ambiguous: initial_answer (2, 3)"),
        ("2 (67%)", "ambiguous: initial_answer (2, 67)"),
        ("0 1 2 3 4 5", "ambiguous: initial_answer (0, 1, 2, 3, …)"),
        ("2.5", "not in the format: initial_answer (2.5)"),
        ("2+", "not in the format: initial_answer (2+)"),
        ("2?", "not in the format: initial_answer (2?)"),
        ("2%", "not in the format: initial_answer (2%)"),
        ("2nd", "not in the format: initial_answer (2nd)"),
        ("~2", "not in the format: initial_answer (~2)"),
        ("²", "not in the format: initial_answer (²)"),
        ("about 2", "not in the format: initial_answer (about 2)"),
        ("at least 2", "not in the format: initial_answer (at least 2)"),
        ("2 or more", "not in the format: initial_answer (2 or more)"),
        ("I don't know", "not in the format: initial_answer (I don't know)"),
        ("I don't know, 2 of 3?", "not in the format: initial_answer (I don't know, 2 of 3?)"),
        ("unknown", "not in the format: initial_answer (unknown)"),
        ("no-one", "not in the format: initial_answer (no-one)"),
        ("someone", "not in the format: initial_answer (someone)"),
        ("\n1. Mark looked at the exams.",
         "not in the format: initial_answer (1. Mark looked at the exams.)"),
        ("9" * 50, f"not in the format: initial_answer ({'9' * 39}…)"),
    ],
)  # fmt: skip
def test_no_number(answer: str, status: str) -> None:
    parsed = parse(knowledge_answer(initial=answer), knowledge_spec)
    assert parsed.values["initial_answer"] is None
    assert parsed.status == status
    assert bets(parsed) == [10, 20, 30, 40]
    assert parsed.values["knowledge"] == "no"


# Percentages


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("\n0: 10%\n1: 20%\n2: 30%\n3: 40%", [10, 20, 30, 40]),
        ("\n- 0: 10%\n- 1: 20%\n- 2: 30%\n- 3: 40%", [10, 20, 30, 40]),
        ("\n* 0: 10%\n* 1: 20%\n* 2: 30%\n* 3: 40%", [10, 20, 30, 40]),
        ("\n• 0: 10%\n• 1: 20%\n• 2: 30%\n• 3: 40%", [10, 20, 30, 40]),
        ("0 – 10 %, 1 – 20 %, 2 – 30 %, 3 – 40 %", [10, 20, 30, 40]),
        ("0=10%, 1 = 20%, 2=30%,3=40%", [10, 20, 30, 40]),
        ("0: 10% 1: 20% 2: 30% 3: 40%", [10, 20, 30, 40]),
        ("0: 10%; 1: 20%; 2: 30%; 3: 40%.", [10, 20, 30, 40]),
        ("0: 10%. 1: 20%. 2: 30%. 3: 40%.", [10, 20, 30, 40]),
        ("0: 10%, 1: 20%, 2: 30% and 3: 40%", [10, 20, 30, 40]),
        ("0: 10%, 1: 20%, 2: 30%, and 3: 40%", [10, 20, 30, 40]),
        ("(0: 10%, 1: 20%, 2: 30%, 3: 40%)", [10, 20, 30, 40]),
        ("[0: 10%, 1: 20%, 2: 30%, 3: 40%]", [10, 20, 30, 40]),
        ("**0:** 10%, **1:** 20%, **2:** 30%, **3:** 40%", [10, 20, 30, 40]),
        ("0: [10%], 1: [20%], 2: [30%], 3: [40%]", [10, 20, 30, 40]),
        ("3: 40%, 2: 30%, 1: 20%, 0: 10%", [10, 20, 30, 40]),
        ("0: 10% (unlikely), 1: 20% - so so, 2: 30%, 3: 40%", [10, 20, 30, 40]),
        ("0: 0.5%, 1: .5%, 2: 33.25%, 3: 65.75%", [0.5, 0.5, 33.25, 65.75]),
        ("0: 0%, 1: 0%, 2: 0%, 3: 100%", [0, 0, 0, 100]),
        ("0: 10%, 1: 20%, 2: 30%, 3: 40%\n\nI looked at 2: both passed.", [10, 20, 30, 40]),
    ],
)
def test_percentages(answer: str, expected: list[float]) -> None:
    parsed = parse(knowledge_answer(probabilities=answer), knowledge_spec)
    assert (parsed.status, bets(parsed), parsed.flags) == ("ok", expected, ())


ALL = "p_0, p_1, p_2, p_3"


@pytest.mark.parametrize(
    ("answer", "expected", "status"),
    [
        ("", [None] * 4, f"missing: {ALL}"),
        ("10%, 20%, 30%, 40%", [None] * 4, f"missing: {ALL}"),
        ("0: 0.2, 1: 0.8", [None] * 4,
         "no percent sign: p_0 (0.2), p_1 (0.8); missing: p_2, p_3"),
        ("0: 10, 1: 20, 2: 30, 3: 40", [None] * 4,
         "no percent sign: p_0 (10), p_1 (20), p_2 (30), p_3 (40)"),
        ("0: 10%, 1: 20%, 2: 30%, 3: 4", [10, 20, 30, None], "no percent sign: p_3 (4)"),
        ("0: 10%, 1: 20%, 2: 30%, 3:", [10, 20, 30, None], "missing: p_3"),
        ("0: 10%, 1: 90%, 2: [Z]%, 3: [W]%", [10, 90, None, None], "missing: p_2, p_3"),
        ("0: 120%, 1: -20%, 2: 0%, 3: 0%", [None, None, 0, 0],
         "out of range: p_0 (120%), p_1 (-20%)"),
        ("0: 10-20%, 1: 5% or 6%, 2: 0%, 3: 0%", [None, None, 0, 0],
         "ambiguous: p_0 (10, 20%), p_1 (5%, 6%)"),
        ("0: <1%, 1: ~1%, 2: 0%, 3: about 9%", [None, None, 0, None],
         "not in the format: p_0 (<1%), p_1 (~1%), p_3 (about 9%)"),
        ("0: 12,5%, 1: 0%, 2: 0%, 3: 0%", [None, 0, 0, 0], "ambiguous: p_0 (12, 5%)"),
        ("0: ten%, 1: 0%, 2: 0%, 3: 0%", [None, 0, 0, 0], "not in the format: p_0 (ten%)"),
        ("0-10%, 1-20%, 2-30%, 3-40%", [None] * 4, f"missing: {ALL}"),
        ("1-2: 30%, 3: 70%", [None, None, None, 70], "missing: p_0, p_1, p_2"),
        ("0 to 1: 30%, 2: 70%", [None, None, 70, None], "missing: p_0, p_1, p_3"),
        ("2 exams of 3: 30%", [None] * 4, f"missing: {ALL}"),
        ("3: 1 - 5%", [None] * 4, "missing: p_0, p_1, p_2; ambiguous: p_3 (1, 5%)"),
        ("10: 30%, 2: 70%", [None, None, 70, None], "missing: p_0, p_1, p_3"),
        ("0: 10%, 0: 15%, 1: 0%, 2: 0%, 3: 0%", [None, 0, 0, 0], "ambiguous: p_0 (10%, 15%)"),
    ],
)  # fmt: skip
def test_no_percentage(answer: str, expected: list[float | None], status: str) -> None:
    parsed = parse(knowledge_answer(probabilities=answer), knowledge_spec)
    assert bets(parsed) == expected
    assert parsed.status == status


def test_percentages_without_their_label_are_not_taken() -> None:
    parsed = parse("Initial Answer: 2\n" + PERCENTAGES + "\nKnowledge: no", knowledge_spec)
    assert parsed.status == f"missing: {ALL}"


@pytest.mark.parametrize(
    ("bet", "flags"),
    [
        ("25%", ()),
        ("24%", ()),
        ("26%", ()),
        ("24.0%", ()),
        ("23.9%", ("sum_not_100",)),
        ("26.1%", ("sum_not_100",)),
        ("0%", ("sum_not_100",)),
        ("120%", ()),  # out of range, so that there is no sum
    ],
)
def test_sum_other_than_100_is_flagged_and_not_rescaled(bet: str, flags: tuple[str, ...]) -> None:
    parsed = parse(
        knowledge_answer(probabilities=f"0: 25%, 1: 25%, 2: 25%, 3: {bet}"), knowledge_spec
    )
    assert parsed.flags == flags
    assert bets(parsed)[:3] == [25, 25, 25]


# A choice


@pytest.mark.parametrize(
    ("answer", "choice"),
    [
        ("yes", "yes"),
        ("[no]", "no"),
        ("NO!", "no"),
        ("**Yes**", "yes"),
        ('"Yes."', "yes"),
        ("No, he doesn't.", "no"),
        ("no – he has seen two of the three", "no"),
        ("Yes. Mark has looked at all the exams and knows it.", "yes"),
        ("No, Mark does not know; I don't know either", "no"),
        ("no, no", "no"),
        ("no (he cannot)", "no"),
        ("\nNo, he doesn't.", "no"),
        ("\n- Yes", "yes"),
        ("yes ✅", "yes"),
    ],
)
def test_choice(answer: str, choice: str) -> None:
    parsed = parse(knowledge_answer(knows=answer), knowledge_spec)
    assert (parsed.status, parsed.values["knowledge"]) == ("ok", choice)


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ("", "missing: knowledge"),
        ("[yes/no]", "missing: knowledge"),
        ("yes/no", "ambiguous: knowledge (yes, no)"),
        ("Yes, but no", "ambiguous: knowledge (yes, no)"),
        ("yes and no", "ambiguous: knowledge (yes, no)"),
        ("no\nKnowledge: yes", "ambiguous: knowledge (no, yes)"),
        ("I don't know", "not in the format: knowledge (I don't know)"),
        ("know", "not in the format: knowledge (know)"),
        ("unknown", "not in the format: knowledge (unknown)"),
        ("none", "not in the format: knowledge (none)"),
        ("not sure", "not in the format: knowledge (not sure)"),
        ("No idea", "not in the format: knowledge (No idea)"),
        ("No one knows", "not in the format: knowledge (No one knows)"),
        ("no-one knows", "not in the format: knowledge (no-one knows)"),
        ("yes?", "not in the format: knowledge (yes?)"),
        ("yes-ish", "not in the format: knowledge (yes-ish)"),
        ("He does not, no", "not in the format: knowledge (He does not, no)"),
        ("Y", "not in the format: knowledge (Y)"),
        ("50%", "not in the format: knowledge (50%)"),
    ],
)
def test_no_choice(answer: str, status: str) -> None:
    parsed = parse(knowledge_answer(knows=answer), knowledge_spec)
    assert parsed.values["knowledge"] is None
    assert parsed.status == status


# Labels


def test_place_without_an_answer_is_passed_over() -> None:
    text = "Knowledge: I will come to that.\n" + knowledge_answer()
    assert parse(text, knowledge_spec).status == "ok"


@pytest.mark.parametrize(
    "line",
    [
        "Prior knowledge: yes",
        "Mark's knowledge: yes",
        "Acknowledge: yes",
        "Knowledge is yes",
        "Knowledge of this: yes",
    ],
)
def test_other_words_are_not_the_label(line: str) -> None:
    parsed = parse(line + "\nInitial Answer: 2\nProbabilities: " + PERCENTAGES, knowledge_spec)
    assert parsed.status == "missing: knowledge"


def test_labels_in_one_line_with_an_answer_left_out() -> None:
    parsed = parse("Initial Answer: Probabilities: 0: 10% Knowledge: no", knowledge_spec)
    assert parsed.status == "missing: initial_answer, p_1, p_2, p_3"
    assert (parsed.values["p_0"], parsed.values["knowledge"]) == (10, "no")


def test_what_may_be_ignored_may_follow_a_number_directly() -> None:
    declared = spec("{ignore: ['/100'], fields: {s: {type: integer, min: 0, max: 200}}}")
    assert parse("70/100", declared).values == {"s": 70}
    assert parse("70/1000", declared).values == {"s": None}


def test_a_speaker_needs_a_sentence() -> None:
    with pytest.raises(ValidationError, match="there is no sentence"):
        spec("{speaker: who, fields: {a: {type: percent}}}")


@pytest.mark.parametrize(
    ("prefix", "text", "initial"),
    [
        ("Initial Answer:", " 2", 2),
        ("**Initial Answer**: ", "2.", 2),
        ("Initial Answer:", "Initial Answer: 2", 2),
        ("Initial Answer: about", " 2", None),
        ("Answer:", " Initial Answer: 2", 2),
        ("A wrong answer:", "Initial Answer: 2", None),
        ("<think>", "Initial Answer: 2", None),
        ("<think>", "hm</think>Initial Answer: 2", 2),
    ],
)
def test_a_prefix_is_read_with_the_answer(prefix: str, text: str, initial: int | None) -> None:
    assert parse(text, knowledge_spec, prefix=prefix).values["initial_answer"] == initial
