"""The notebooks run from top to bottom, and what they show is what comes out."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import pytest

from tests.places import ROOT

NOTEBOOKS = ROOT / "notebooks"


@pytest.mark.parametrize("name", ["study1", "study2", "compare_models"])
@pytest.mark.full
def test_a_notebook_shows_what_comes_out(name: str, tmp_path: Path) -> None:
    here = tmp_path / "notebooks"
    shutil.copytree(NOTEBOOKS, here)
    kept = nbformat.read(here / f"{name}.ipynb", as_version=4)
    fresh = nbformat.read(here / f"{name}.ipynb", as_version=4)
    client = nbclient.NotebookClient(
        fresh, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(here)}}
    )
    client.execute()
    assert [shown(cell) for cell in fresh.cells] == [shown(cell) for cell in kept.cells]
    assert any("image/png" in data for cell in fresh.cells for data in displays(cell))


def shown(cell: Any) -> list[str]:
    """What a cell prints and returns, as text."""
    streams = [out.text for out in cell.get("outputs", []) if out.output_type == "stream"]
    return [*streams, *(data["text/plain"] for data in displays(cell))]


def displays(cell: Any) -> list[dict[str, str]]:
    return [out.data for out in cell.get("outputs", []) if "data" in out]
