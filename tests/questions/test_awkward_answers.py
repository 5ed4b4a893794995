"""No awkward answer is read wrongly, and few are left unread."""

from __future__ import annotations

import csv
import json
import os
import unicodedata
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from grace.questions.parsing import ParserSpec, parse
from grace.questions.parsing.statuses import count_answers, shown_reasons
from grace.questions.parsing.thoughts import Split, split_thoughts
from grace.questions.parsing.tokens import Value
from grace.runs.summary import _show_parsed
from tests.places import SHARED
from tests.questions.awkward_answers import ALL, BETS, FULL, KNOWS, NUMBERS, WHOLE
from tests.questions.awkward_sentences import OTHERS, SENTENCES
from tests.questions.parsing_specs import bets, knowledge_answer, knowledge_spec, polite_spec, spec

#: What is read by, an answer, and the codes of all fields.
Case = tuple[ParserSpec, str, tuple[Value | None, ...]]
ROWS = [
    json.loads(line)
    for line in Path(__file__).with_name("awkward_more.jsonl").read_text("utf-8").splitlines()
]
STUDIES = {"1": knowledge_spec, "2": polite_spec}
#: What is known of an answer beside its text, as `parse` takes it.
KNOWN = {"prefix", "speaker", "cut"}


def further() -> Iterator[Case]:
    """Answers made up against the parser itself, a line each: study, text, codes of all fields."""
    for row in ROWS:
        if not KNOWN & row.keys():
            declared = STUDIES.get(row["study"]) or spec(row["study"])
            yield declared, row["text"], tuple(row["codes"])


CASES: list[Case] = [
    *((knowledge_spec, knowledge_answer(initial=t), (n, 10, 20, 30, 40, "no")) for t, n in NUMBERS),
    *((knowledge_spec, knowledge_answer(knows=t), (2, 10, 20, 30, 40, k)) for t, k in KNOWS),
    *((knowledge_spec, knowledge_answer(probabilities=t), (2, *b, "no")) for t, b in BETS),
    *((knowledge_spec, text, codes) for text, codes in WHOLE),
    *((polite_spec, text, (frame, adjective)) for text, frame, adjective in SENTENCES),
    *((spec(declared), text, tuple(codes.values())) for declared, text, codes in OTHERS),
    *further(),
]
#: Answers written by others, where they are at hand.
GIVEN = Path(os.environ.get("GRACE_AWKWARD", SHARED / "data/awkward_answers.csv"))
#: Fields of these that a careful reader codes and the parser leaves missing: may only fall.
MISSED = 916
MISSED_WITH_MORE = 10


def differs(value: Value | None, code: Value | None) -> bool:
    if value is None:
        return False
    return code is None or value != (code if isinstance(code, str) else pytest.approx(code))


def test_nothing_is_read_otherwise_than_a_careful_reader_codes_it() -> None:
    wrong = [
        (text, name, value, code)
        for declared, text, codes in CASES
        for (name, value), code in zip(parse(text, declared).values.items(), codes, strict=True)
        if differs(value, code)
    ]
    assert wrong == []


def test_few_are_left_unread() -> None:
    missed = 0
    for declared, text, codes in CASES:
        values = parse(text, declared).values.values()
        missed += sum(v is None and c is not None for v, c in zip(values, codes, strict=True))
    assert missed <= MISSED, missed


def test_what_is_known_beside_the_text_counts() -> None:
    missed = 0
    for row in (row for row in ROWS if KNOWN & row.keys()):
        declared = STUDIES.get(row["study"]) or spec(row["study"])
        parsed = parse(row["text"], declared, **{key: row[key] for key in KNOWN & row.keys()})
        assert parsed.status.isprintable()
        for value, code in zip(parsed.values.values(), row["codes"], strict=True):
            assert not differs(value, code), row
            missed += value is None and code is not None
    assert missed <= MISSED_WITH_MORE, missed


def test_given_awkward_answers() -> None:
    if not GIVEN.exists():
        pytest.skip("the file of awkward answers is not here")
    missed = 0
    with GIVEN.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            values = parse(row["answer"], {"1": knowledge_spec, "2": polite_spec}[row["study"]])
            for name, value in values.values.items():
                code = row[name] or None
                if value is None:
                    missed += code is not None
                else:
                    assert code is not None, row
                    assert value == (code if isinstance(value, str) else float(code)), row
    assert missed <= 1


# Properties


THOUGHTS = [
    ("<think>", "</think>"),
    ("<Thinking>", "</Thinking>"),
    ("<reasoning>", "</reasoning>"),
    ("[THINK]", "[/THINK]"),
    ("<seed:think>", "</seed:think>"),
    ("◁think▷", "◁/think▷"),
    ("<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("", "</think>"),
]
talk = st.text(
    st.characters(exclude_characters="<>[]◁▷|&＜＞〈〉⟨⟩【】", codec="utf-8"), max_size=80
)
answers = st.sampled_from([(s, t) for s, t, _ in CASES if split_thoughts(t) == Split(t)])


@settings(deadline=None)
@given(answers, st.sampled_from(THOUGHTS), talk)
def test_closed_thoughts_before_an_answer_change_nothing(
    answer: tuple[ParserSpec, str], marks: tuple[str, str], thought: str
) -> None:
    declared, text = answer
    opening, closing = marks
    assert parse(f"{opening}{thought}{closing}\n{text}", declared) == parse(text, declared)


@settings(deadline=None)
@given(answers, st.sampled_from([marks for marks in THOUGHTS if marks[0]]), talk)
def test_unfinished_thoughts_are_no_answer(
    answer: tuple[ParserSpec, str], marks: tuple[str, str], thought: str
) -> None:
    declared, text = answer
    parsed = parse(f"{marks[0]}{thought}\n{text}", declared)
    assert set(parsed.values.values()) == {None}
    assert parsed.status == f"unfinished thoughts: {', '.join(declared.fields)}"
    assert parsed.flags == ("unfinished_thoughts",)


@settings(deadline=None)
@given(st.sampled_from(CASES), st.sampled_from(["NFC", "NFD"]))
def test_composed_and_decomposed_are_one(case: Case, form: Literal["NFC", "NFD"]) -> None:
    declared, text, _ = case
    assert parse(unicodedata.normalize(form, text), declared).values == parse(text, declared).values


CONTRADICTIONS = [
    "Wait, that is wrong.",
    "Actually, I was wrong about that.",
    "On second thought, I take that back.",
    "Scratch that.",
    "Correction: the opposite.",
    "The above is only an example.",
    "Hmm, let me reconsider.",
]


@settings(deadline=None)
@given(st.sampled_from(CONTRADICTIONS), st.sampled_from(["\n", "\n\n", " "]))
def test_what_is_taken_back_is_missing(words: str, between: str) -> None:
    for declared, text in [
        (knowledge_spec, knowledge_answer(knows="no.")),
        (knowledge_spec, knowledge_answer(knows="yes.")),
        (polite_spec, "It was good."),
        (polite_spec, 'Nora would say: "It was good."'),
    ]:
        last = list(declared.fields)[-1]
        parsed = parse(f"{text}{between}{words}", declared)
        assert parsed.values[last] is None, (text, words)


@settings(deadline=None)
@given(
    st.sampled_from(["yes", "no"]),
    st.sampled_from([" ", ", ", ". ", " — ", "; ", "\n", " ("]),
    st.sampled_from(["or rather", "but", "actually", "wait,", "I mean", "well,", "not", "hmm,"]),
)
def test_contradiction_in_the_line_is_never_the_opposite(
    answer: str, between: str, turn: str
) -> None:
    other = {"yes": "no", "no": "yes"}[answer]
    parsed = parse(knowledge_answer(knows=f"{answer}{between}{turn} {other}"), knowledge_spec)
    assert parsed.values["knowledge"] is None


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 20), min_size=4, max_size=4).filter(any),
    st.sampled_from(["{0}/{1}", "$\\frac{{{0}}}{{{1}}}$"]),
)
def test_fractions_of_one_are_percentages(parts: list[int], form: str) -> None:
    whole = sum(parts)
    written = ", ".join(f"{k}: {form.format(part, whole)}" for k, part in enumerate(parts))
    parsed = parse(knowledge_answer(probabilities=written), knowledge_spec)
    assert bets(parsed) == pytest.approx([100 * part / whole for part in parts])


@settings(deadline=None)
@given(st.lists(st.integers(1, 96), min_size=4, max_size=4))
def test_decimals_are_percentages_only_if_they_sum_to_one(parts: list[int]) -> None:
    written = ", ".join(f"{k}: {part / 100:.2f}" for k, part in enumerate(parts))
    found = bets(parse(knowledge_answer(probabilities=written), knowledge_spec))
    if abs(sum(parts) - 100) <= 1:
        assert found == pytest.approx(parts)
    else:
        assert found == [None] * 4


PIECES = [*"|{}[]\"':,.;-~$\\/<>()%?0123 \n\t", "|---|---|\n", "| 0 | 10% |\n", "~~", "<think>"]
PIECES += ["</think>", "\\boxed{", "\\frac{1}{2}", '{"knowledge": "yes"}', "Knowledge", "wait, "]
PIECES += [
    "Initial Answer",
    "Probabilities",
    "yes",
    "no",
    "It was good",
    "she says",
    "1. ",
    "½",
    "<s>",
]
PIECES += [
    "2️⃣",
    "\u0336",
    "\u200d",
    "👨",
    "है",
    "İ",
    "ß",
    "\ud800",
    "<|channel|>",
    "and",
    "of the 3",
    "```",
]


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
def test_any_layout_can_be_read(text: str) -> None:
    for declared in (knowledge_spec, polite_spec, spec("fields: {p: {type: percent}}")):
        parsed = parse(text, declared)
        assert set(parsed.values) == set(declared.fields)
        assert (parsed.status == "ok") == (None not in parsed.values.values())
        assert "\n" not in parsed.status


def test_thoughts_are_given_apart_from_the_answer() -> None:
    split = split_thoughts("<think>\nPerhaps bad.\n</think>\n\nIt was good.")
    assert (split.thoughts, split.answer.strip(), split.finished) == (
        "Perhaps bad.",
        "It was good.",
        True,
    )
    assert split_thoughts("no thoughts < here").answer == "no thoughts < here"
    assert not split_thoughts("<think>and so").finished


def test_whole_answer_in_full() -> None:
    assert tuple(parse(FULL, knowledge_spec).values.values()) == ALL


# What is said of answers that were not read


def statuses(count: int) -> list[str]:
    """One answer that was read and `count` that lack different things, two of the first."""
    lacking = [f"missing: knowledge; out of range: p_{k % 4} ({k}%)" for k in range(4)]
    lacking += ["in doubt: knowledge (Yes, but)", "taken back: p_0", "missing: p_1", "missing: p_2"]
    return ["ok", lacking[0], *lacking[:count]]


def test_an_answer_counts_once_and_the_words_in_it_do_not() -> None:
    trials = pd.DataFrame({"a_parse_status": statuses(8), "b_parse_status": ["ok"] * 9 + [None]})
    counts = count_answers(trials, knowledge_spec.fields)
    assert (counts.sum(), counts["ok"], counts["no answer"]) == (20, 10, 1)
    assert counts["missing: knowledge; out of range: p_0"] == 2
    assert counts["in doubt: knowledge"] == 1


def test_reasons_beyond_those_listed_are_counted() -> None:
    counts = count_answers(pd.DataFrame({"parse_status": statuses(8)}), knowledge_spec.fields)
    shown = shown_reasons(counts, 5)
    assert shown[0] == "2 × missing: knowledge; out of range: p_0"
    assert len(shown) == 6
    assert shown[-1] == "and 3 more reasons (3 answers)"
    few = count_answers(pd.DataFrame({"parse_status": statuses(5)}), knowledge_spec.fields)
    assert len(shown_reasons(few, 5)) == 5


def test_terminal_counts_answers(tmp_path: Path) -> None:
    pd.DataFrame({"parse_status": statuses(8)}).to_parquet(tmp_path / "trials.parquet")
    asked: Any = SimpleNamespace(raw={"answer": SimpleNamespace(parse=knowledge_spec)})
    terminal = StringIO()
    _show_parsed(tmp_path, asked, Console(file=terminal, width=200))
    lines = terminal.getvalue().splitlines()
    assert lines[0] == "Parsed: 1 of 10 raw answers were read in full."
    assert lines[-1].strip() == "and 3 more reasons (3 answers)"
