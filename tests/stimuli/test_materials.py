"""The stimuli that come with Grace: what the builder makes of the material files."""

from __future__ import annotations

import csv
import re
from collections import Counter, defaultdict
from itertools import islice, pairwise, product
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grace.materials import build_stimuli
from grace.stimuli.counterbalance import assignments, orders, trials
from grace.stimuli.materials import read
from grace.stimuli.stories import STUDIES, Materials, Scenario, Study1
from tests.places import ROOT

DATA = ROOT / "data"
SHAPES = {"1": (8, 6, 24), "2": (12, 12, 24)}  # items, conditions, participants

SPEECH = re.compile(
    r"(?P<name>\w+) tells you on the phone: 'I have looked at (?P<access>[123]) of the 3 "
    r"(?P<objects>\w+)\. (?P<observe>[123]) of the (?P=objects) (?P<report>[\w ]+)\.'"
)
GOALS = {
    "informative": r"If (?P<sp>\w+) wanted to give as accurate and informative feedback "
    r"as possible",
    "kind": r"If (?P<sp>\w+) wanted to make (?P<ls>\w+) feel good, rather than give "
    r"informative feedback",
    "both": r"If (?P<sp>\w+) wanted to BOTH make (?P<ls>\w+) feel good AND give accurate and "
    r"informative feedback",
}
UTTERANCES = {
    f"It {frame} {word}"
    for frame in ("was", "wasn't")
    for word in ("terrible", "bad", "good", "amazing")
}


def materials(study: str) -> Materials:
    return read(DATA / "materials" / f"study{study}.yaml", STUDIES[study])


def scenarios() -> tuple[Scenario, ...]:
    found = materials("1")
    assert isinstance(found, Study1)
    return found.scenarios


def rows(study: str) -> list[dict[str, str]]:
    with (DATA / f"study{study}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def by_participant(study: str) -> list[list[dict[str, str]]]:
    groups = defaultdict(list)
    for row in rows(study):
        groups[row["participant_id" if study == "1" else "Participant_ID"]].append(row)
    return list(groups.values())


# The checked-in files


@pytest.mark.parametrize("study", STUDIES)
def test_builder_reproduces_the_checked_in_files(study: str, tmp_path: Path) -> None:
    assert build_stimuli(["--study", study, "--output", str(tmp_path)]) == 0
    built = (tmp_path / f"study{study}.csv").read_bytes()
    assert built == (DATA / f"study{study}.csv").read_bytes()
    assert b"\r" not in built
    assert built.endswith(b"\n")
    assert not built.startswith(b"\xef\xbb\xbf")


def test_columns_are_the_published_ones_and_the_explicit_factors() -> None:
    assert ",".join(rows("1")[0]) == (
        "participant_id,story_shortname,story_setup,priorQ,speach,speachQ,knowledgeQ,"
        "access,observe,objects,predicate"
    )
    assert ",".join(rows("2")[0]) == (
        "Participant_ID,Domain,Precontext,Scenario,Utterance,Goal,State,SP_Name,LS_Name,"
        "goal_type,hearts"
    )


@pytest.mark.parametrize("study", STUDIES)
def test_items_and_conditions_are_fully_crossed_and_equally_often(study: str) -> None:
    items, conditions, participants = SHAPES[study]
    item, *factors = STUDIES[study].design
    cells = Counter((row[item], *(row[factor] for factor in factors)) for row in rows(study))
    assert len(cells) == items * conditions
    assert set(cells.values()) == {participants // conditions}


@pytest.mark.parametrize("study", STUDIES)
def test_participant_sees_every_item_once_and_conditions_evenly(study: str) -> None:
    items, conditions, participants = SHAPES[study]
    item, *factors = STUDIES[study].design
    lists = by_participant(study)
    assert len(lists) == participants
    for seen in lists:
        assert len({row[item] for row in seen}) == len(seen) == items
        often = Counter(tuple(row[factor] for factor in factors) for row in seen)
        assert len(often) == conditions
        assert max(often.values()) - min(often.values()) <= 1


@pytest.mark.parametrize("study", STUDIES)
def test_item_is_at_every_place_equally_often(study: str) -> None:
    items, _, participants = SHAPES[study]
    item = STUDIES[study].design[0]
    places = Counter(
        (row[item], place) for seen in by_participant(study) for place, row in enumerate(seen)
    )
    assert len(places) == items * items
    assert set(places.values()) == {participants // items}


def test_goals_and_states_are_crossed_within_a_participant() -> None:
    for seen in by_participant("2"):
        assert Counter((row["goal_type"], row["hearts"]) for row in seen) == Counter(
            product(GOALS, "0123")
        )


@pytest.mark.parametrize(("study", "distinct"), [("1", 48), ("2", 144)])
def test_wording_depends_on_item_and_condition_alone(study: str, distinct: int) -> None:
    """So that equal trials of different participants are one query."""
    private = {"participant_id", "Participant_ID", "Utterance"}
    shown = {
        tuple(text for column, text in row.items() if column not in private) for row in rows(study)
    }
    assert len(shown) == distinct


# The wording


def test_speech_says_what_the_columns_say() -> None:
    singular = {s.id: s.predicate_singular for s in scenarios()}
    for row in rows("1"):
        said = SPEECH.fullmatch(row["speach"])
        assert said
        assert (said["access"], said["observe"]) == (row["access"], row["observe"])
        assert said["objects"] == row["objects"]
        one = row["observe"] == "1"
        assert said["report"] == (singular[row["story_shortname"]] if one else row["predicate"])
        asked = f"ow many of the 3 {row['objects']} do you think {row['predicate']}?"
        assert row["priorQ"] == f"H{asked}"
        assert row["speachQ"] == f"Now h{asked}"
        assert row["knowledgeQ"] == (
            f"Do you think {said['name']} knows exactly how many of the 3 {row['objects']} "
            f"{row['predicate']}?"
        )
        setup = re.fullmatch(r"([^.]+\.) ([^.]+\.)", row["story_setup"])
        assert setup
        base_rate, today = setup.groups()
        assert "almost always" in base_rate
        assert "today" in today.lower()
        assert f"3 {row['objects']}" in today
        assert said["name"] in today


def test_predicates_agree_in_number() -> None:
    verbs = {"has": "have", "is": "are", "contains": "contain"}
    for scenario in scenarios():
        one, _, _ = scenario.predicate_singular.partition(" ")
        assert scenario.predicate.partition(" ")[0] == verbs[one]


def test_goals_and_states_say_what_the_columns_say() -> None:
    for row in rows("2"):
        matching = {kind for kind, goal in GOALS.items() if re.fullmatch(goal, row["Goal"])}
        assert matching == {row["goal_type"]}
        goal = re.fullmatch(GOALS[row["goal_type"]], row["Goal"])
        assert goal
        people = goal.groupdict()
        assert people["sp"] == row["SP_Name"]
        assert people.get("ls", row["LS_Name"]) == row["LS_Name"]
        assert row["State"] == f"{row['hearts']} heart{'' if row['hearts'] == '1' else 's'}"
        assert row["Precontext"].startswith(f"Imagine that {row['LS_Name']} has just ")
        assert re.fullmatch(
            rf"Imagine that {row['LS_Name']} approached {row['SP_Name']}, who had just "
            r"[\w ]+, and asked, 'How [\w ]+\?'",
            row["Scenario"],
        )


def test_utterances_fill_their_column_evenly() -> None:
    often = Counter(row["Utterance"] for row in rows("2"))
    assert set(often) == UTTERANCES
    assert set(often.values()) == {288 // 8}


@pytest.mark.parametrize("study", STUDIES)
def test_text_is_clean_and_without_pronouns_for_people(study: str) -> None:
    text = (DATA / f"study{study}.csv").read_text(encoding="utf-8")
    assert text.isascii()
    assert not re.search(r"[<>{}]|  ", text)
    assert not re.search(r"\b(he|she|him|her|his|hers|himself|herself)\b", text, re.IGNORECASE)


def test_domain_has_one_pair_of_names_and_nobody_is_in_two() -> None:
    pairs = {(row["Domain"], row["SP_Name"], row["LS_Name"]) for row in rows("2")}
    assert len(pairs) == 12
    assert len({name for _, *names in pairs for name in names}) == 24


# Dealing


sizes = st.integers(1, 14)
seeds = st.integers(0, 2**64)


@settings(deadline=None)
@given(items=sizes, conditions=sizes, participants=st.integers(1, 40), seed=seeds)
def test_any_number_of_participants_is_as_balanced_as_arithmetic_allows(
    items: int, conditions: int, participants: int, seed: int
) -> None:
    dealt = list(trials(range(items), range(conditions), participants, seed))
    together = Counter((item, condition) for _, item, condition in dealt)
    for item in range(items):
        often = [together[item, condition] for condition in range(conditions)]
        assert sum(often) == participants
        assert max(often) - min(often) <= 1
    for participant in range(1, participants + 1):
        own = [(item, condition) for person, item, condition in dealt if person == participant]
        assert sorted(item for item, _ in own) == list(range(items))
        seen = Counter(condition for _, condition in own)
        often = [seen[condition] for condition in range(conditions)]
        assert max(often) - min(often) <= 1


@settings(deadline=None)
@given(items=sizes, conditions=sizes, seed=seeds)
def test_block_of_assignments_is_a_latin_square(items: int, conditions: int, seed: int) -> None:
    block = list(islice(assignments(items, conditions, Random(seed)), conditions))
    for item in range(items):
        assert sorted(row[item] for row in block) == list(range(conditions))


@settings(deadline=None)
@given(items=sizes, seed=seeds)
def test_orders_balance_places_and_what_comes_before(items: int, seed: int) -> None:
    block = list(islice(orders(items, Random(seed)), items))
    assert all(sorted(order) == list(range(items)) for order in block)
    assert all(sorted(place) == list(range(items)) for place in zip(*block, strict=True))
    if items % 2 == 0:
        after = Counter(pair for order in block for pair in pairwise(order))
        assert len(after) == items * (items - 1)
        assert set(after.values()) == {1}


@settings(deadline=None)
@given(items=sizes, conditions=sizes, few=st.integers(1, 20), more=st.integers(0, 20), seed=seeds)
def test_more_participants_leave_the_first_lists_alone(
    items: int, conditions: int, few: int, more: int, seed: int
) -> None:
    short = list(trials(range(items), range(conditions), few, seed))
    long = list(trials(range(items), range(conditions), few + more, seed))
    assert long[: len(short)] == short


@pytest.mark.parametrize("study", STUDIES)
def test_another_seed_gives_another_order_and_the_same_balance(study: str, tmp_path: Path) -> None:
    assert build_stimuli(["--study", study, "--output", str(tmp_path), "--seed", "99"]) == 0
    with (tmp_path / f"study{study}.csv").open(encoding="utf-8", newline="") as file:
        other = list(csv.DictReader(file))
    ours = rows(study)
    design = STUDIES[study].design
    person = STUDIES[study].columns[0]
    assert [row[design[0]] for row in other] != [row[design[0]] for row in ours]
    for keys in (design, (person, design[0]), (person,)):
        assert Counter(tuple(row[key] for key in keys) for row in other) == Counter(
            tuple(row[key] for key in keys) for row in ours
        )
