"""Both tables of a run, built block by block from its sheet and the answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from grace.errors import ConfigError
from grace.psychds import write_description
from grace.questions import Asked
from grace.settings import Settings
from grace.sheet import Sheet
from grace.stimuli import Stimuli
from grace.study import ExperimentSpec
from grace.tables.block import Block, Item, Slot, slots
from grace.tables.columns import Column
from grace.tables.tidy import tidy_columns, tidy_rows
from grace.tables.wide import wide_columns, wide_rows
from grace.tables.write import codebook, write_json, write_table
from grace.types import Answer, Failure

#: Answers by their prompts' keys.
LookUp = Callable[[Sequence[str]], Mapping[str, Answer]]
#: Trials tabulated at a time: bounds the memory, whatever the size of the study.
TRIALS = 500


def build_tables(
    folder: Path,
    settings: Settings,
    spec: ExperimentSpec,
    stimuli: Stimuli,
    sheet: Sheet,
    answers: LookUp,
) -> dict[str, int]:
    """Write trials, responses and codebook; returns each table's number of rows."""
    wide = wide_columns(settings.study, spec, stimuli)
    tidy = tidy_columns(settings.study, spec)
    refuse_clashes(wide)
    refuse_clashes(tidy)
    model = settings.model.name

    def blocks() -> Iterator[Block]:
        return _blocks(settings, spec, stimuli, sheet, answers)

    rows = {
        "trials": write_table(
            folder / "trials",
            wide,
            (wide_rows(block, settings.study, spec, stimuli, model) for block in blocks()),
        ),
        "responses": write_table(
            folder / "responses",
            tidy,
            (tidy_rows(block, settings.study, spec, model) for block in blocks()),
        ),
    }
    title = f"Study {settings.study.name} ({settings.study.title}), experiment {settings.exp.name}"
    tables = {"trials": wide, "responses": tidy}
    write_json(folder / "codebook.json", codebook(title, tables))
    write_description(folder, settings, tables)
    return rows


def refuse_clashes(columns: Sequence[Column]) -> None:
    """Refuse a stimuli column whose name a column of the results has."""
    seen: set[str] = set()
    for column in columns:
        if column.name in seen:
            raise ConfigError(
                f"column {column.name} of the stimuli has the name of a column of the results; "
                "expected another name"
            )
        seen.add(column.name)


def _blocks(
    settings: Settings, spec: ExperimentSpec, stimuli: Stimuli, sheet: Sheet, look_up: LookUp
) -> Iterator[Block]:
    by_trial: list[list[Asked]] = [[] for _ in stimuli.trials]
    for asked in sheet.asked:
        by_trial[asked.trial].append(asked)
    index = {
        (name, tuple(over.items())): (name, i)
        for name, question in spec.questions.items()
        for i, over in enumerate(question.variants())
    }
    for start in range(0, len(stimuli.trials), TRIALS):
        several = [asked for part in by_trial[start : start + TRIALS] for asked in part]
        keys = [sheet.keys[asked.query] for asked in several]
        found = look_up(list({key: None for key in keys if isinstance(key, str)}))
        items: dict[Slot, list[Item]] = {slot: [] for slot, _ in slots(spec)}
        for asked, key in zip(several, keys, strict=True):
            answer = key if isinstance(key, Failure) else found.get(key)
            items[index[asked.question, tuple(asked.over.items())]].append(Item(asked, answer))
        yield Block(
            stimuli.trials[start : start + TRIALS],
            stimuli.cells[start : start + TRIALS],
            items,
            settings.exp.low_mass,
        )
