"""Every trial with its prompts, tokens and distributions, small enough to travel in a page.

Trials share prompts, and prompts share their options' forms: each is kept once, and the whole
is deflated. The page unpacks it when somebody looks a trial up.
"""

from __future__ import annotations

import base64
import json
import math
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from grace.config import QuestionSpec
from grace.figures import View
from grace.questions import Asked, asked_of_each
from grace.report.prompts_and_tokens import TEXT, TRIALS, Forms, Material, Told
from grace.runs.prompt_examples import sound

SCORED = ("prob", "prob_low", "prob_high", "logprob", "mass", "method", "flags")
RAW = ("answer", "response", "parse_status", "flags")


def pack(view: View, material: Material, spelling: Mapping[int, str]) -> str:
    """The look-up of a run: deflated JSON in base64, which no HTML can be hidden in."""
    book = make_book(view, material, spelling)
    try:
        content = _as_json(book)
    except UnicodeEncodeError:  # some text has halves of surrogate pairs
        content = _as_json(sound(book))
    return base64.b64encode(zlib.compress(content, 4)).decode("ascii")


def _as_json(book: Any) -> bytes:
    text = json.dumps(book, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode("utf-8")


def make_book(view: View, material: Material, spelling: Mapping[int, str]) -> dict[str, Any]:
    """The look-up as plain containers; null is missing.

    `trials` holds a row each: the values of `columns`, then for every thing asked the number of
    its record. A record holds what was answered, and the number of the prompt it answers.
    """
    of_each = asked_of_each(view.spec, view.settings.exp)
    widths = [_width(view.spec.questions[asked.slot[0]]) for asked in of_each]
    table = _read(view, TRIALS * sum(widths), sum(widths))
    count = len(table["flags"])
    prompts = _Prompts(material)
    columns = _columns(view)
    records: dict[Any, int] = {}
    kept: list[dict[str, Any]] = []
    numbers = np.empty((count, len(of_each)), dtype=int)
    start = 0
    for place, (asked, width) in enumerate(zip(of_each, widths, strict=True)):
        record = _reader(table, view.spec.questions[asked.slot[0]], slice(start, start + width))
        start += width
        for trial in range(count):
            key = material.keys[trial, place] if trial < len(material.keys) else ""
            name = (asked.slot, key) if key else (asked.slot, place, trial)
            if name not in records:
                records[name] = len(kept)
                kept.append(record(trial) | prompts.of(key))
            numbers[trial, place] = records[name]
    values = _values(view, columns, count)
    return {
        "columns": [*columns, "flags"],
        "asked": [_thing(view, asked) for asked in of_each],
        "trials": [[*row, *own] for row, own in zip(values, numbers.tolist(), strict=True)],
        "records": kept,
        "forms": prompts.forms,
        "spelling": {str(token): text for token, text in spelling.items()},
        "left_out": len(view.run.trials) // _replicates(of_each) - count,
        "why": material.why,
    }


class _Prompts:
    """What a record says of its prompt; forms are kept once."""

    def __init__(self, material: Material) -> None:
        self._told = material.prompts
        self._places: dict[Forms, int] = {}
        self.forms: list[Any] = []

    def of(self, key: str) -> dict[str, Any]:
        told = self._told.get(key)
        if told is None:
            return {}
        found: dict[str, Any] = {"text": told.text, "n": told.n_tokens, "last": list(told.last)}
        if told.length > len(told.text):
            found["length"] = told.length
        if told.forms:
            found |= {"forms": self._place(told), "x": _rounded(told.logprobs, 4)}
        return found

    def _place(self, told: Told) -> int:
        if told.forms not in self._places:
            self._places[told.forms] = len(self.forms)
            self.forms.append([[i, text, list(ids)] for i, text, ids in told.forms])
        return self._places[told.forms]


def _read(view: View, rows: int, each: int) -> dict[str, NDArray[np.object_]]:
    """Columns of the first rows of the tidy table, (trials, rows of each); None is missing."""
    kinds = ((SCORED, view.spec.scored), (RAW, view.spec.raw))
    wanted = list(dict.fromkeys(name for names, questions in kinds if questions for name in names))
    parts, left = [], rows
    with pq.ParquetFile(view.run.path / "responses.parquet") as file:
        for batch in file.iter_batches(columns=wanted):
            parts.append(batch.slice(0, left))
            left -= len(parts[-1])
            if not left:
                break
        table = pa.Table.from_batches(parts, file.schema_arrow.empty_table().select(wanted).schema)
    return {
        name: np.array(table[name].to_pylist(), dtype=object).reshape(-1, each) for name in wanted
    }


def _reader(
    table: Mapping[str, NDArray[np.object_]], question: QuestionSpec, own: slice
) -> Callable[[int], dict[str, Any]]:
    """A function from a trial's number to what was answered, read from its rows."""
    names = SCORED if question.options else RAW
    return lambda trial: (_scores if question.options else _texts)(
        {name: table[name][trial, own] for name in names}
    )


def _scores(rows: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "p": [_digits(value) for value in rows["prob"]],
        "l": _rounded(rows["logprob"], 3),
        "m": _digits(rows["mass"][0]),
        "w": rows["method"][0],
    }
    if any(_digits(value) is not None for value in rows["prob_low"]):
        found["low"] = [_digits(value) for value in rows["prob_low"]]
        found["high"] = [_digits(value) for value in rows["prob_high"]]
    return found | ({"f": rows["flags"][0]} if rows["flags"][0] else {})


def _texts(rows: Mapping[str, Any]) -> dict[str, Any]:
    response = rows["response"][0]
    found: dict[str, Any] = {
        "r": None if response is None else response[:TEXT],
        "s": rows["parse_status"][0],
        "v": list(rows["answer"]),
    }
    if response is not None and len(response) > TEXT:
        found["cut"] = len(response)
    return found | ({"f": rows["flags"][0]} if rows["flags"][0] else {})


def _thing(view: View, asked: Asked) -> dict[str, Any]:
    """A thing asked of every trial: its name, and what its answers are over."""
    name, _ = asked.slot
    question = view.spec.questions[name]
    label = " ".join([name, *map(str, asked.over.values())])
    if asked.replicate:
        label += f", replicate {asked.replicate}"
    if question.options:
        return {"label": label, "options": [option.text for option in question.options]}
    return {"label": label, "fields": list(question.parse.fields if question.parse else ())}


def _width(question: QuestionSpec) -> int:
    """Rows of the tidy table a question's answer has."""
    if question.options:
        return len(question.options)
    return len(question.parse.fields) if question.parse else 0


def _columns(view: View) -> list[str]:
    study = view.settings.study
    return list(dict.fromkeys((*study.key, *study.factors)))


def _replicates(of_each: Sequence[Asked]) -> int:
    return 1 + max(asked.replicate for asked in of_each)


def _values(view: View, columns: Sequence[str], count: int) -> list[list[Any]]:
    """Keys, factors and flags of each trial, as text; of several replicates all flags."""
    repeats = _replicates(asked_of_each(view.spec, view.settings.exp))
    table = view.run.trials.iloc[: count * repeats]
    first = table.iloc[::repeats]
    flags = table["flags"].fillna("").to_numpy(dtype=object).reshape(-1, repeats)
    cells = [[_text(value) for value in first[name]] for name in columns]
    return [
        [*row, "; ".join(dict.fromkeys(f for f in own if f))]
        for row, own in zip(zip(*cells, strict=True), flags, strict=True)
    ]


def _text(value: Any, length: int = 200) -> str:
    text = str(value)
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _digits(value: Any) -> float | None:
    """Four digits that count; None for what is missing."""
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value:.4g}")


def _rounded(values: Iterable[float | None], places: int) -> list[float | None]:
    return [None if v is None or not math.isfinite(v) else round(v, places) for v in values]
