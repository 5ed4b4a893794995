"""A description of a run's folder for machines: JSON-LD in the manner of Psych-DS.

Psych-DS (schema 1.5.1) asks for `dataset_description.json`, a schema.org Dataset whose
`variableMeasured` names every column, and for tables at `data/KEY-VALUE_data.csv`. The tables
of a run keep their own names, so the folder is Psych-DS in style; docs/r.md shows how to copy
them to where a validator looks.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from grace.config import Settings, StudySpec
from grace.errors import GraceError
from grace.tables.columns import Column
from grace.tables.write import write_json

NAME = "dataset_description.json"
_LIMITS = re.compile(r"(?P<low>-?[0-9.]+)–(?P<high>-?[0-9.]+)")
_FORMATS = {"csv": "text/csv", "parquet": "application/vnd.apache.parquet"}


def write_description(
    folder: Path, settings: Settings, tables: Mapping[str, Sequence[Column]]
) -> None:
    """Describe the tables of a run's folder; what a user has added to the file stays."""
    path = folder / NAME
    write_json(path, _added(path) | describe(settings, tables))


def describe(settings: Settings, tables: Mapping[str, Sequence[Column]]) -> dict[str, Any]:
    """The description as plain containers.

    Who made the data and under which licence others may use it only the user can say: `creator`,
    `license`, `citation`, `funder` are left out.
    """
    study, model = settings.study, settings.model
    what = f"{study.title}: study {study.name}, experiment {settings.exp.name}"
    names = ", ".join(f"{table}.csv" for table in tables)
    described: dict[str, Any] = {
        "@context": "https://schema.org/",
        "@type": "Dataset",
        "schemaVersion": "Psych-DS 1.5.1",
        "name": f"{what}, asked of {model.name}" + (f" ({settings.tag})" if settings.tag else ""),
        "description": f"Answers of the language model {model.id or model.name} to the questions "
        f"of {what}. Tables: {names}; the same rows are in the Parquet files. codebook.json "
        "describes every column, manifest.json everything the numbers depend on.",
        "keywords": ["psycholinguistics", "language model", study.title.lower(), model.name],
        "measurementTechnique": _technique(study, settings.exp.name),
        "variableMeasured": [_variable(name, found) for name, found in _columns(tables).items()],
        "distribution": [
            {
                "@type": "DataDownload",
                "name": f"{table}.{ending}",
                "contentUrl": f"{table}.{ending}",
                "encodingFormat": kind,
            }
            for table in tables
            for ending, kind in _FORMATS.items()
        ],
    }
    if study.source:
        described["isBasedOn"] = {"@type": "CreativeWork", "name": study.source.strip()}
    return described


def _added(path: Path) -> dict[str, Any]:
    """What the file holds already; nothing where there is none."""
    try:
        found: Any = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise GraceError(
            f"{path}: cannot be read ({error}); mend or remove it, and run the same command again"
        ) from error
    if not isinstance(found, dict):
        raise GraceError(f"{path}: found a {type(found).__name__}, expected a JSON object")
    return found


def _technique(study: StudySpec, experiment: str) -> str:
    raw = any(q.parse is not None for q in study.experiments[experiment].questions.values())
    if raw:
        return "raw text answers, drawn from the model and parsed"
    return "the model's probability of every possible answer"


def _columns(tables: Mapping[str, Sequence[Column]]) -> dict[str, dict[str, Column]]:
    """Every column's name once, with the tables it is in."""
    found: dict[str, dict[str, Column]] = {}
    for table, columns in tables.items():
        for column in columns:
            found.setdefault(column.name, {})[table] = column
    return found


def _variable(name: str, found: Mapping[str, Column]) -> dict[str, Any]:
    """A column as schema.org's PropertyValue."""
    meanings = {column.meaning for column in found.values()}
    text = (
        meanings.pop()
        if len(meanings) == 1
        else "; ".join(f"in {table}: {column.meaning}" for table, column in found.items())
    )
    first = next(iter(found.values()))
    variable: dict[str, Any] = {"@type": "PropertyValue", "name": name}
    limits = _LIMITS.fullmatch(first.range)
    if first.range and not limits:
        text += f" ({first.range})"
    variable["description"] = text
    if first.unit:
        variable["unitText"] = first.unit
    if limits:
        variable["minValue"], variable["maxValue"] = (float(limits[k]) for k in ("low", "high"))
    return variable
