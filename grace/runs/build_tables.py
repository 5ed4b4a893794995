"""Both tables of a run, built block by block from its query table and the answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import cycle
from pathlib import Path

from grace.asking import QueryTable
from grace.asking.query_table import as_texts
from grace.config import ExperimentSpec, Settings
from grace.questions import Slot, answer_prefix, asked_of_each
from grace.stimuli import Stimuli
from grace.tables import (
    UnwrittenError,
    tidy_columns,
    tidy_rows,
    wide_columns,
    wide_rows,
    write_json,
)
from grace.tables.block import Block, Item, slots
from grace.tables.output import Output, Problems
from grace.tables.psychds import write_description
from grace.tables.write import codebook
from grace.types import Answer

#: Answers by their prompts' keys.
LookUp = Callable[[Sequence[str]], Mapping[str, Answer]]
#: Trials tabulated at a time: bounds the memory, whatever the size of the study.
TRIALS = 500


def build_tables(
    folder: Path,
    settings: Settings,
    spec: ExperimentSpec,
    stimuli: Stimuli,
    query_table: QueryTable,
    answers: LookUp,
    *,
    chat: bool = True,
) -> dict[str, int]:
    """Write trials, responses and codebook; returns each table's number of rows.

    Each is written whatever becomes of the others; UnwrittenError says at the end what is not.
    """
    study, model = settings.study, settings.model.name
    wide = wide_columns(study, spec, stimuli)
    tidy = tidy_columns(study, spec)
    trials = Output(folder / "trials", wide, lambda b: wide_rows(b, study, spec, stimuli, model))
    rows = Output(folder / "responses", tidy, lambda b: tidy_rows(b, study, spec, model))
    problems = Problems(folder)
    with trials.open(problems), rows.open(problems):
        for block in blocks(settings, spec, stimuli, query_table, answers, chat=chat):
            trials.add(block)
            rows.add(block)
    title = f"Study {study.name} ({study.title}), experiment {settings.exp.name}"
    tables = {"trials": wide, "responses": tidy}
    with problems.of("codebook.json"):
        write_json(folder / "codebook.json", codebook(title, tables))
    with problems.of("dataset_description.json"):
        write_description(folder, settings, tables)
    counts = {"trials": trials.count, "responses": rows.count}
    if problems.found:
        raise UnwrittenError(problems.sentence, counts)
    return counts


def blocks(
    settings: Settings,
    spec: ExperimentSpec,
    stimuli: Stimuli,
    query_table: QueryTable,
    look_up: LookUp,
    *,
    chat: bool = True,
) -> Iterator[Block]:
    """The trials and their answers, some at a time."""
    of_each = asked_of_each(spec, settings.exp)
    prefix = answer_prefix(settings.exp, chat=chat)
    for start in range(0, len(stimuli.trials), TRIALS):
        several = slice(start, start + TRIALS)
        numbers = query_table.asked[several].ravel()
        keys = as_texts(query_table.prompts[numbers])
        found = look_up([key for key in dict.fromkeys(keys) if key])
        items: dict[Slot, list[Item]] = {slot: [] for slot, _ in slots(spec)}
        for asked, number, key, seed in zip(
            cycle(of_each),
            numbers.tolist(),
            keys,
            query_table.seeds[numbers].tolist(),
            strict=False,
        ):
            answer = found.get(key) if key else query_table.failures.get(number)
            items[asked.slot].append(Item(asked, answer, seed))
        yield Block(
            spec,
            stimuli.trials[several],
            stimuli.cells[several],
            items,
            settings.exp.low_mass,
            prefix,
        )
