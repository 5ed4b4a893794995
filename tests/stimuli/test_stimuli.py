"""Stimuli: what is accepted, and the sentence each bad file gets."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from grace.config.command_line import compose
from grace.config.resources import shipped
from grace.config.settings import read_settings
from grace.config.study import StudySpec
from grace.errors import StimuliError
from grace.questions.templates import Templates
from grace.stimuli.csv_file import split_rows
from grace.stimuli.pilot import pilot_rows
from grace.stimuli.read import Stimuli, read_stimuli

STUDY1 = {
    "participant_id": "1",
    "story_shortname": "letters",
    "story_setup": "Letters almost always have stamps.<br> Today Ann received 3 letters.",
    "priorQ": "How many of the 3 letters do you think have stamps?",
    "speach": "Ann tells you on the phone: 'I have looked at 2 of the 3 letters. "
    "1 of the letters has a stamp.'",
    "speachQ": "Now how many of the 3 letters do you think have stamps?",
    "knowledgeQ": "Do you think Ann knows exactly how many of the 3 letters have stamps?",
    "access": "2",
    "observe": "1",
}
STUDY2 = {
    "Participant_ID": "1",
    "Domain": "cake",
    "Precontext": "Imagine that Mia has just baked a cake.",
    "Scenario": "Imagine that Mia approached Leo, who had tasted it, and asked, 'How was it?'",
    "Utterance": "It was good",
    "Goal": "If Leo wanted to make Mia feel good, rather than give informative feedback",
    "State": "2 hearts",
    "SP_Name": "Leo",
    "LS_Name": "Mia",
}


def study(name: str) -> StudySpec:
    return read_settings(compose([f"study={name}"])).study


def to_csv(rows: Iterable[dict[str, str]], newline: str = "\n") -> str:
    rows = list(rows)
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), lineterminator=newline)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


Read = Callable[..., Stimuli]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def reader(content: str | bytes, name: str = "1") -> Stimuli:
        path = tmp_path / "stimuli.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return read_stimuli(path, study(name), Templates())

    return reader


def test_old_columns_give_the_new_ones(read: Read) -> None:
    trial = read(to_csv([STUDY1])).trials[0]
    assert trial.values["objects"] == "letters"
    assert trial.values["predicate"] == "have stamps"
    assert trial.values["story_setup"] == (
        "Letters almost always have stamps. Today Ann received 3 letters."
    )
    assert trial.values["access"] == 2


@pytest.mark.parametrize(
    ("goal", "goal_type"),
    [
        ("to BOTH make Mia feel good AND give accurate and informative feedback", "both"),
        ("to give as accurate and informative feedback as possible", "informative"),
        ("to make Mia feel good, rather than give informative feedback", "kind"),
    ],
)  # fmt: skip
def test_goal_and_hearts_are_derived(read: Read, goal: str, goal_type: str) -> None:
    for hearts in range(4):
        state = f"{hearts} heart" + ("" if hearts == 1 else "s")
        trial = read(
            to_csv([STUDY2 | {"Goal": f"If Leo wanted {goal}", "State": state}]), "2"
        ).trials[0]
        assert (trial.values["goal_type"], trial.values["hearts"]) == (goal_type, hearts)


def test_bom_crlf_and_blank_lines_change_nothing(read: Read) -> None:
    rows = [STUDY1, STUDY1 | {"participant_id": "2"}]
    plain = read(to_csv(rows)).trials
    assert read(b"\xef\xbb\xbf" + to_csv(rows).encode()).trials == plain
    assert read(to_csv(rows, "\r\n")).trials == plain
    assert read(to_csv(rows).replace("\n1,", "\n\n1,") + "\n\n").trials == plain


def row(**changes: str) -> str:
    return to_csv([STUDY1 | {"participant_id": "0"}, STUDY1 | changes])


def row2(**changes: str) -> str:
    return to_csv([STUDY2 | changes])


BAD: list[tuple[str, str | bytes, str, list[str]]] = [
    ("missing column", to_csv([{k: v for k, v in STUDY1.items() if k != "speach"}]), "1",
     ["column speach is missing", "expects participant_id"]),
    ("duplicate key", to_csv([STUDY1, STUDY1 | {"access": "3"}])
     .replace("looked at 2 of the 3 letters. 1", "looked at 2 of the 3 letters. 1"), "1",
     ["row 2"]),
    ("access outside", row(access="4"), "1",
     ["row 2, column access", "found '4'", "expected one of 1, 2, 3"]),
    ("access no number", row(access="two"), "1", ["row 2, column access", "'two'", "1, 2, 3"]),
    ("access empty", row(access=""), "1", ["row 2, column access", "empty cell"]),
    ("observe > access", row(access="1", observe="2"), "1",
     ["row 2, column observe", "found 2", "at most 1"]),
    ("speech contradicts access", row(access="3"), "1",
     ["row 2, column speach", "looked at 3 (access)"]),
    ("speech contradicts observe", row(observe="2"), "1",
     ["row 2, column speach", "reports 2 (observe)"]),
    ("priorQ unreadable", row(priorQ="How many?"), "1",
     ["row 2, column priorQ", "found 'How many?'", "objects"]),
    ("unknown state", row2(State="4 hearts"), "2",
     ["row 1, column State", "'4 hearts'", "0 hearts, 1 heart"]),
    ("unknown goal", row2(Goal="If Leo wanted to be funny"), "2",
     ["row 1, column Goal", "be funny", "goal_type"]),
    ("hearts against state", to_csv([STUDY2 | {"hearts": "3"}]), "2",
     ["row 1, column hearts", "found 3", "2 hearts"]),
    ("unknown goal type", to_csv([STUDY2 | {"goal_type": "rude"}]), "2",
     ["row 1, column goal_type", "'rude'", "informative, kind, both"]),
    ("latin-1", to_csv([STUDY1 | {"story_setup": "Café"}]).encode("latin-1"), "1",
     ["row 1", "UTF-8", "xe9"]),
    ("utf-16", to_csv([STUDY1]).encode("utf-16"), "1", ["UTF-8"]),
    ("empty file", "", "1", ["the file is empty"]),
    ("blank file", "\n \n", "1", ["the file is empty"]),
    ("no rows", to_csv([STUDY1]).splitlines()[0] + "\n", "1", ["no rows"]),
    ("ragged", to_csv([STUDY1]) + "2,letters\n", "1", ["row 2", "found 2 cells, expected 9"]),
    ("open quote", to_csv([STUDY1]) + '2,"letters\n', "1", ["row 2", "no valid CSV"]),
    ("same header twice", "a,a\n1,2\n", "1", ["column a", "twice"]),
    ("header without a name", "a,\n1,2\n", "1", ["column 2 has no name"]),
    ("NUL", to_csv([STUDY1]).replace("letters", "let\0ters"), "1", ["NUL"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "name", "words"), [bad[1:] for bad in BAD], ids=[bad[0] for bad in BAD]
)
def test_bad_files_are_refused_in_words(
    read: Read, content: str | bytes, name: str, words: list[str]
) -> None:
    with pytest.raises(StimuliError) as caught:
        read(content, name)
    for word in ["stimuli.csv", *words]:
        assert word in str(caught.value)


def test_a_duplicate_key_names_both_rows(read: Read) -> None:
    with pytest.raises(StimuliError, match=r"row 2.*'1 \+ letters'.*duplicate of row 1"):
        read(to_csv([STUDY1, STUDY1]))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(StimuliError, match=r"nowhere\.csv: no such file"):
        read_stimuli(tmp_path / "nowhere.csv", study("1"), Templates())


@pytest.mark.parametrize(("name", "rows", "queries"), [("1", 300, 36), ("2", 2424, 2046)])
def test_the_original_files_run_unchanged(
    original: Path, name: str, rows: int, queries: int
) -> None:
    spec = study(name)
    stimuli = read_stimuli(original / f"study{name}.csv", spec, Templates())
    assert len(stimuli.trials) == rows
    factor_cells = {tuple(t.values[f] for f in spec.factors) for t in stimuli.trials}
    assert len(factor_cells) == {"1": 6, "2": 12}[name]
    raw = spec.experiments["1"].questions["answer"]
    prompts = {Templates().messages(raw.template, t.values) for t in stimuli.trials}
    assert len(prompts) == queries


@pytest.mark.parametrize("name", ["1", "2"])
@pytest.mark.parametrize("n", [1, 6, 10, 12, 25, 10_000])
def test_a_pilot_covers_the_cells_evenly_and_reproducibly(name: str, n: int) -> None:
    spec = study(name)
    trials = read_stimuli(shipped("data") / f"study{name}.csv", spec, Templates()).trials
    rows = pilot_rows(trials, spec, n, seed=0)
    assert len(rows) == len(set(rows)) == min(n, len(trials))
    assert rows == sorted(rows)
    assert rows == pilot_rows(list(reversed(trials)), spec, n, seed=0)
    by_row = {t.row: t for t in trials}
    cells: dict[tuple[object, ...], int] = {
        tuple(t.values[f] for f in spec.factors): 0 for t in trials
    }
    for chosen in rows:
        cells[tuple(by_row[chosen].values[f] for f in spec.factors)] += 1
    assert max(cells.values()) - min(cells.values()) <= 1


def test_another_seed_makes_another_pilot() -> None:
    spec = study("1")
    trials = read_stimuli(shipped("data") / "study1.csv", spec, Templates()).trials
    assert len({tuple(pilot_rows(trials, spec, 10, seed)) for seed in range(5)}) > 1


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"PK\x03\x04\x14\0\x06\0[Content_Types].xml", "an Excel workbook (.xlsx)"),
        (b"PK\x03\x04 of text alone", "an Excel workbook (.xlsx)"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Excel workbook (.xls)"),
        (b"PAR1\x15\x04\x15", "a Parquet file"),
        (b"\x1f\x8b\x08\0", "compressed with gzip"),
        (b"$FL2@(#) IBM SPSS", "a file of SPSS"),
        (b"%PDF-1.7", "a PDF"),
        (b"<!DOCTYPE html>\n<html>", "a web page"),
    ],
)
def test_another_kind_of_file_is_named(content: bytes, found: str, tmp_path: Path) -> None:
    path = tmp_path / "stimuli.csv"
    path.write_bytes(content)
    with pytest.raises(StimuliError, match="expected a CSV; save or export") as caught:
        split_rows(path, content)
    assert found in str(caught.value)


def test_a_header_that_begins_like_another_kind_of_file_is_read(tmp_path: Path) -> None:
    assert split_rows(tmp_path / "x.csv", b"PAR1,PK\n1,2\n")[0] == ("PAR1", "PK")
