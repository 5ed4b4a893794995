"""The description of a run's folder, held against the rules of Psych-DS 1.5.1 as published."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.docs.test_docs import blocks
from tests.places import ROOT
from tests.runs.test_run import model, run

Tiny = Callable[[str], Path]
FILE = "dataset_description.json"
DATA_FILE = re.compile(r"([a-z]+-[a-zA-Z0-9]+)(_[a-z]+-[a-zA-Z0-9]+)*_data\.csv")
#: Properties schema.org gives a Dataset and a PropertyValue, of those used here.
DATASET = {
    "@context", "@type", "schemaVersion", "name", "description", "keywords", "variableMeasured",
    "measurementTechnique", "distribution", "isBasedOn", "creator", "license",
}  # fmt: skip
VALUE = {"@type", "name", "description", "unitText", "minValue", "maxValue"}
R_PAGE = ROOT / "docs" / "r.md"


def read(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / FILE).read_text(encoding="utf-8"))
    return content


def header(path: Path) -> list[str]:
    with path.open(encoding="utf-8", newline="") as file:
        return next(csv.reader(file))


def breaches(dataset: Path) -> list[str]:
    """Every rule of level "error" of schema 1.5.1 that a dataset's folder breaks."""
    found = []
    described = read(dataset)
    if not re.fullmatch("https?://schema.org/?", described["@context"]):
        found.append("namespace")
    if described["@type"] != "Dataset":
        found.append("type")
    found += [key for key in ("name", "description", "variableMeasured") if not described.get(key)]
    files = sorted((dataset / "data").rglob("*.csv"))
    if not files:
        found.append("no data file")
    columns: set[str] = set()
    for path in files:
        if not DATA_FILE.fullmatch(path.name):
            found.append(f"name {path.name}")
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file, strict=True))
        if len({len(row) for row in rows}) != 1 or len(set(rows[0])) != len(rows[0]):
            found.append(f"rows {path.name}")
        columns |= set(rows[0])
    named = [variable["name"] for variable in described["variableMeasured"]]
    if columns != set(named) or len(set(named)) != len(named):
        found.append("variableMeasured")
    return found


@pytest.fixture(scope="module")
def runs(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output folder of all four runs."""
    where = tmp_path_factory.mktemp("runs")
    run(
        "--multirun", "study=1,2", "exp=1,2", "pilot=4", *model(tiny("llama-byte")), cwd=where
    )  # fmt: skip
    return where / "outputs"


@pytest.mark.parametrize("where", ["1/1", "1/2", "2/1", "2/2"])
def test_a_run_copied_as_the_docs_say_breaks_no_rule(
    where: str, runs: Path, tmp_path: Path
) -> None:
    folder = runs / where / "tiny"
    assert breaches(folder) == ["no data file", "variableMeasured"]  # in style, as it is
    (script,) = (code for code in blocks(R_PAGE, "bash") if "_data.csv" in code)
    shutil.copytree(folder, tmp_path / "outputs/1/2/smollm2-135m")
    subprocess.run(["bash", "-euc", script], cwd=tmp_path, check=True)
    assert breaches(tmp_path / "shared") == []


def test_every_column_of_the_codebook_is_described(runs: Path) -> None:
    folder = runs / "1/2/tiny"
    described = read(folder)
    assert set(described) <= DATASET
    values = {value["name"]: value for value in described["variableMeasured"]}
    assert all(set(value) <= VALUE for value in values.values())
    assert set(values) == {*header(folder / "trials.csv"), *header(folder / "responses.csv")}
    codebook = json.loads((folder / "codebook.json").read_text(encoding="utf-8"))
    for columns in codebook["tables"].values():
        for column in columns:
            assert column["meaning"] in values[column["name"]]["description"]
            assert values[column["name"]].get("unitText", "") == column["unit"]
    assert values["state2_prob_30"]["minValue"] == 0
    assert values["state2_prob_30"]["maxValue"] == 1
    assert "1, 2, 3" in values["access"]["description"]
    for part in described["distribution"]:
        assert (folder / part["contentUrl"]).is_file()


def test_what_a_user_adds_stays_and_what_cannot_be_read_is_not_overwritten(runs: Path) -> None:
    folder = runs / "2/2/tiny"
    before = read(folder)
    mine = {"creator": [{"@type": "Person", "name": "Ada"}], "license": "CC-BY-4.0"}
    (folder / FILE).write_text(json.dumps(mine | {"name": "old"}), encoding="utf-8")
    run(str(folder), module="grace.tables", cwd=runs)
    assert read(folder) == before | mine
    (folder / FILE).write_text('{"creator": "Ada",', encoding="utf-8")
    output = run(str(folder), module="grace.tables", cwd=runs, code=1)
    assert FILE in output
    assert (folder / FILE).read_text(encoding="utf-8") == '{"creator": "Ada",'
