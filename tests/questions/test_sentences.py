"""Parsing of sentences, of other studies, and of any text at all."""

from __future__ import annotations

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from grace.config.validation_messages import describe
from grace.questions.parsing import ParserSpec, parse
from tests.questions.parsing_specs import (
    bets,
    knowledge_spec,
    polite_spec,
    spec,
)

# A sentence


@pytest.mark.parametrize(
    ("text", "frame", "assessment"),
    [
        ("It was good.", "was", "good"),
        ("it was amazing", "was", "amazing"),
        ("IT WASN'T TERRIBLE!", "wasnt", "terrible"),
        ("It wasn’t bad.", "wasnt", "bad"),
        ("It wasnt bad.", "wasnt", "bad"),
        ("It was n't bad.", "wasnt", "bad"),
        ("It was not bad.", "wasnt", "bad"),
        ("It  was\tNOT bad .", "wasnt", "bad"),
        ("It [was] [good].", "was", "good"),
        ("It [wasn't] [amazing].", "wasnt", "amazing"),
        ("It **wasn't** *good*.", "wasnt", "good"),
        ("`It was bad.`", "was", "bad"),
        ('"It wasn\'t terrible."', "wasnt", "terrible"),
        ("“It wasn’t terrible.”", "wasnt", "terrible"),
        ("'It was good.'", "was", "good"),
        ("‘It wasn’t good’", "wasnt", "good"),
        ('"It was good," Anna would say.', "was", "good"),
        ("Anna would say: It was good.", "was", "good"),
        ('Anna would most likely say, "It was good."', "was", "good"),
        ("Anna would say 'It was good.'", "was", "good"),
        ("- It was good", "was", "good"),
        ("1. It was good", "was", "good"),
        ("> It was good", "was", "good"),
        ("Sure!\n\nIt was good.\n\nThe speaker wants to be kind.", "was", "good"),
        ("It was good. It was good.", "was", "good"),
        ("It wasn't good. It was not good!", "wasnt", "good"),
        ("It was good 😊", "was", "good"),
        ("It was good...", "was", "good"),
        ("It was good…", "was", "good"),
        ("\u200fIt was good.\u200f", "was", "good"),
        ("It was good.\x00", "was", "good"),
    ],
)
def test_sentence(text: str, frame: str, assessment: str) -> None:
    parsed = parse(text, polite_spec)
    assert parsed.status == "ok"
    assert parsed.values == {"frame": frame, "assessment": assessment}


@pytest.mark.parametrize(
    "text",
    [
        "It [was/wasn't] [terrible/bad/good/amazing].",
        "It was really good.",
        "It was pretty good!",
        "It was not too bad.",
        "It was not a bad talk.",
        "It was a good talk",
        "It was goodish.",
        "It was good-ish.",
        "It was good enough.",
        "It was good, but not amazing.",
        "It was good?",
        "It was good/amazing.",
        "It was good or bad.",
        "It was.",
        "It is good.",
        "It's good.",
        "The talk was good.",
        "I think it was good.",
        "I don't think it was good.",
        "Honestly, it was good.",
        "was good",
        "good",
        "I don't know.",
    ],
)
def test_other_sentence_is_missing_and_shown(text: str) -> None:
    parsed = parse(text, polite_spec)
    assert parsed.values == {"frame": None, "assessment": None}
    shown = text if len(text) <= 40 else f"{text[:39]}…"
    assert parsed.status == f"not in the format: frame and assessment ({shown})"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("It was good. It wasn't amazing.", "It was good, It wasn't amazing"),
        ("It was good. It was amazing.", "It was good, It was amazing"),
        ("It was bad.\nIt was not bad.", "It was bad, It was not bad"),
        ('"It was bad" or "It was good"', "It was bad, It was good"),
    ],
)
def test_two_different_statements_leave_all_of_the_sentence_open(text: str, shown: str) -> None:
    parsed = parse(text, polite_spec)
    assert parsed.values == {"frame": None, "assessment": None}
    assert parsed.status == f"ambiguous: frame and assessment ({shown})"


def test_empty_answer_has_no_sentence() -> None:
    assert parse(" \n", polite_spec).status == "missing: frame, assessment"


# Other studies


def test_whole_answer_as_one_field() -> None:
    rating = spec("fields: {rating: {type: integer, min: 1, max: 7}}")
    assert parse("5", rating).values == {"rating": 5}
    assert parse(" **5**.\n\nBecause 6 is too much.", rating).values == {"rating": 5}
    assert parse("8", rating).status == "out of range: rating (8)"
    assert parse("1. The speaker is kind.", rating).values == {"rating": None}
    choice = spec('fields: {b: {type: choice, choices: {a: ["true"], c: ["not true"]}}}')
    assert parse("Not true, I think.", choice).values == {"b": "c"}


def test_other_languages() -> None:
    german = spec("""
        fields:
          size: {label: Größe, type: choice, choices: {big: [groß], small: [klein]}}
          count: {label: Anzahl, type: integer, words: {0: [keine], 3: [alle drei, alle]}}
    """)
    parsed = parse("GRÖßE: Groß.\nanzahl: Alle drei", german)
    assert (parsed.status, parsed.values) == ("ok", {"size": "big", "count": 3})


def test_sentence_with_numbers_and_labelled_lines_beside_it() -> None:
    stars = spec("""
        sentence: "I give it {stars} stars ({sure} sure)."
        fields:
          stars: {type: integer, min: 0, max: 5, words: {5: [five]}}
          sure: {type: percent}
          reason: {label: "Reason:", type: choice, choices: {taste: [taste], price: [price]}}
    """)
    parsed = parse("I give it five stars (80% sure).\nReason: price", stars)
    assert (parsed.status, parsed.values) == ("ok", {"stars": 5, "sure": 80, "reason": "price"})
    parsed = parse("I give it 9 stars (80 sure).\nReason: none", stars)
    assert parsed.status == (
        "out of range: stars (9); no percent sign: sure (80); not in the format: reason (none)"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fields: {}", "fields={}: expected at least 1"),
        (
            "fields: {a: {type: integr}}",
            "fields.a.type='integr': expected one of integer, percent",
        ),
        ("fields: {a: {type: percent, mni: 3}}", "fields.a.percent.mni: no such setting"),
        ("fields: {a: {type: percent}}\nstrict: true", "strict: no such setting"),
        ("fields: {a b: {type: percent}}", "expected a name of letters, digits and _"),
        ("fields: {a: {type: integer, min: 3, max: 1}}", "min 3 is above max 1"),
        ("fields: {a: {type: integer, max: 3, words: {4: [four]}}}", "words for 4, which is"),
        ("fields: {a: {type: integer, words: {4: [four], 5: [Four]}}}", "'Four' stands twice"),
        ("fields: {a: {type: integer, words: {4: ['5']}}}", "word '5' has a digit"),
        ("fields: {a: {type: choice, choices: {}}}", "choices={}: expected at least 1"),
        ("fields: {a: {type: choice, choices: {x: []}}}", "choice 'x' has no spelling"),
        ("fields: {a: {type: choice, choices: {x: ['**']}}}", "'**' has nothing to look for"),
        (
            "fields: {a: {type: choice, choices: {x: [wasn't], y: [Wasn’t]}}}",
            "'Wasn’t' stands twice; case and typography do not count",
        ),
        ("fields: {a: {type: choice, choices: {yes: [yes]}}}", 'write "yes" and "no" in quotes'),
        ("fields: {a: {type: choice, choices: {n: [no]}}}", 'write "yes" and "no" in quotes'),
        ("fields: {a: {type: percent, label: ':'}}", "expected a word to look for"),
        ("fields: {a: {type: percent, item: 0}}", "field a has an item but no label"),
        (
            "fields: {a: {type: percent}, b: {type: percent, label: B}}",
            "field a has no label and is not in a sentence",
        ),
        (
            "fields: {a: {type: percent, label: L}, b: {type: percent, label: 'l:'}}",
            "field b has the label 'l:' of another field",
        ),
        (
            "fields: {a: {type: percent, label: L, item: 1}, b: {type: percent, label: L}}",
            "field b has the label 'L' of another field",
        ),
        ("fields: {a: {type: percent}}\nsentence: It was.", "expected a field in the sentence"),
        ("fields: {a: {type: percent}}\nsentence: 'It {b}'", "names 'b', which is no field"),
        ("fields: {a: {type: percent}}\nsentence: 'It {a} {a}'", "names 'a' twice"),
        ("fields: {a: {type: percent}}\nsentence: 'It {a'", "expected '}' before end"),
        ("fields: {a: {type: percent}}\nsentence: 'It {a!r}'", "a gap {a} that is no field's"),
        ("fields: {a: {type: percent}}\nsentence: 'It {}'", "a gap {} that is no field's"),
        ("fields: {a: {type: percent}}\nsentence: 'It{a}'", "around each gap"),
        ("fields: {a: {type: percent, label: L}}\nsentence: 'It {a}'", "and has a label"),
        ("fields: {a: {type: percent}}\nplaceholders: [' ']", "found an empty placeholder"),
        ("fields: {a: {type: percent}}\nignore: [of, Of]", "'Of' stands twice"),
        (
            "fields: {a: {type: percent}}\nchecks: [{sum: [b], total: 1, flag: f}]",
            "check f names 'b', which is no field",
        ),
        (
            "fields: {a: {type: percent}}\nchecks: [{sum: [a, a], total: 1, flag: f}]",
            "check f names a field twice",
        ),
        (
            "fields: {a: {type: choice, choices: {x: [x]}}}\n"
            "checks: [{sum: [a], total: 1, flag: f}]",
            "check f sums a, which is no number",
        ),
        (
            "fields: {a: {type: percent}}\nchecks: [{sum: [a], total: 1, tolerance: -1, flag: f}]",
            "tolerance=-1: expected 0 or more",
        ),
    ],
)
def test_wrong_parser_is_refused_when_read(text: str, message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        spec(text)
    assert message in describe(caught.value)


def test_parser_survives_being_written_and_read() -> None:
    for one in (knowledge_spec, polite_spec):
        assert ParserSpec.model_validate_json(one.model_dump_json()) == one


# Any text


pieces = ["It was ", "wasn't", "good", "yes", "no", "two", "10%"]
pieces += ["Initial Answer", "Probabilities", "Knowledge", *"0123 %:.,;-–'\"’[]()*_`#>|\n\r\t"]
pieces += ["\x00", "\u200f", "\ud800", "\U0001f60a", "½", "²", "İ", "ſ"]
nasty = st.text() | st.lists(st.sampled_from(pieces)).map("".join)


@settings(max_examples=300, deadline=None)
@given(nasty)
def test_parse_takes_any_text(text: str) -> None:
    for one in (knowledge_spec, polite_spec):
        parsed = parse(text, one)
        assert set(parsed.values) == set(one.fields)
        assert (parsed.status == "ok") == (None not in parsed.values.values())
        assert "\n" not in parsed.status


#: A number, four percentages, yes or no.
Answer = tuple[int, list[float], str]
percentages = st.lists(st.integers(0, 1000), min_size=4, max_size=4).map(
    lambda tenths: [x / 10 for x in tenths]
)
answers = st.tuples(st.integers(0, 3), percentages, st.sampled_from(["yes", "no"]))
#: Talk without a label, and without a sentence of the format.
chatter = st.text(st.sampled_from(string.ascii_letters + string.digits + " .,!?\n😊’–")).map(
    lambda text: text + "\n"
)


def written(answer: Answer, pattern: str = "{}: {}%", separator: str = ", ") -> str:
    number, bet, knows = answer
    pairs = separator.join(pattern.format(state, f"{x:g}") for state, x in enumerate(bet))
    return f"Initial Answer: {number}\nProbabilities: {pairs}\nKnowledge: {knows}"


@settings(deadline=None)
@given(answers, st.sampled_from(["{}: {}%", "{} – {} %", "**{}**: [{}]%", "- {} = {}%"]),
       st.sampled_from([", ", "; ", " ", "\n", ",\n", " and "]))  # fmt: skip
def test_answer_in_the_format_is_read_as_written(
    answer: Answer, pattern: str, separator: str
) -> None:
    parsed = parse(written(answer, pattern, separator), knowledge_spec)
    number, bet, knows = answer
    assert parsed.status == "ok"
    assert parsed.values["initial_answer"] == number
    assert bets(parsed) == pytest.approx(bet)
    assert parsed.values["knowledge"] == knows
    assert bool(parsed.flags) == (abs(sum(round(10 * x) for x in bet) - 1000) > 10)


@settings(deadline=None)
@given(chatter, answers)
def test_talk_before_an_answer_does_not_change_it(talk: str, answer: Answer) -> None:
    text = written(answer)
    assert parse(talk + text, knowledge_spec) == parse(text, knowledge_spec)


@settings(deadline=None)
@given(
    chatter.filter(lambda talk: "it was" not in talk.lower()),
    st.sampled_from(["was", "wasn't", "was not"]),
    st.sampled_from(["terrible", "bad", "good", "amazing"]),
)
def test_talk_before_a_sentence_does_not_change_it(talk: str, frame: str, assessment: str) -> None:
    parsed = parse(f"{talk}It {frame} {assessment}.\n", polite_spec)
    assert parsed.status == "ok"
    assert parsed.values == {
        "frame": "was" if frame == "was" else "wasnt",
        "assessment": assessment,
    }


@pytest.mark.parametrize(
    "unit",
    [
        " ",
        "\n",
        "9",
        "(",
        ",",
        "It ",
        "It was good. ",
        "Knowledge: ",
        "0: 1%, ",
        "[",
        "of ",
        "\x00",
    ],
)
def test_a_megabyte_does_not_take_a_power_of_the_time(unit: str) -> None:
    """Linear: with a pattern that backtracks this would not end within the tests' time."""
    text = "Initial Answer: 2\nProbabilities: 0: 1" + unit * (1_000_000 // len(unit))
    for one in (knowledge_spec, polite_spec):
        assert len(parse(text, one).status) < 1000
