"""CONTRIBUTING.md is true: its drawing is the code's, and its answers are where it says."""

from __future__ import annotations

import ast
import re

import pytest

from tests.layout import stages
from tests.places import ROOT

TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| ([^|]+\?) \| `(grace/[^`]+)` \| `(\w+)` \|$", TEXT, re.MULTILINE)


def test_the_drawing_is_the_code() -> None:
    assert stages.drawn() == TEXT, "python -m tests.layout.stages makes it anew"


def test_twenty_five_questions_over_all_stages() -> None:
    assert len({question for question, _, _ in ROWS}) == 25
    asked = {path.split("/")[1] for _, path, _ in ROWS}
    packages = {room for room in stages.rooms() if (ROOT / "grace" / room).is_dir()}
    assert asked == packages


@pytest.mark.parametrize(("question", "path", "name"), ROWS, ids=[row[0] for row in ROWS])
def test_the_answer_is_where_it_is_said_to_be(question: str, path: str, name: str) -> None:
    module = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    defined = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    assert name in {node.name for node in module.body if isinstance(node, defined)}


def test_every_file_and_folder_it_names_is_there() -> None:
    for name in re.findall(r"`((?:grace|tests|docs|conf|data|prompts)/[\w/.-]*)`", TEXT):
        if "NAME" not in name:
            assert (ROOT / name).exists(), name
