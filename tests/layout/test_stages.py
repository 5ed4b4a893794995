"""The house: every file in the room of its stage, and no import runs upward."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from grace.cli import NO_COMMANDS, commands
from tests.layout import stages
from tests.places import ROOT

GRACE = ROOT / "grace"
ON_TOP = {"__init__", *NO_COMMANDS}
PACKAGES = sorted(path.parent for path in GRACE.glob("**/__init__.py") if path.parent != GRACE)


def docstring(path: Path) -> str:
    return ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""


def test_the_top_floor_holds_commands_and_what_the_design_names() -> None:
    assert {"__init__", "__main__", "api", "cli", "errors", "types", "version"} == ON_TOP
    modules = {path.stem for path in GRACE.glob("*.py")}
    assert modules - ON_TOP == {name for name in commands() if not (GRACE / name).is_dir()}
    packages = {path.name for path in PACKAGES if path.parent == GRACE}
    assert packages <= {room for layer in stages.layers() for room in layer}


@pytest.mark.parametrize("name", commands())
def test_a_command_is_thin(name: str) -> None:
    path = GRACE / f"{name}.py"
    path = path if path.is_file() else GRACE / name / "__main__.py"
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) < 60
    assert text.startswith(f'"""`python -m grace.{name}')


def test_few_rooms_on_few_floors() -> None:
    assert len(stages.rooms()) <= 30
    assert stages.floors() <= 12


def test_nothing_imports_a_command() -> None:
    alone = {name for name in commands() if not (GRACE / name).is_dir()}
    for room, others in stages.arrows().items():
        assert not others & alone, room


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: str(path.relative_to(GRACE)))
def test_a_package_says_in_ten_lines_what_it_does(package: Path) -> None:
    said = docstring(package / "__init__.py")
    assert said
    assert len(said.splitlines()) <= 10
    if package.parent == GRACE:
        assert re.search(r"\bin\b.*\bout\b", said.partition("\n")[0]), said


@pytest.mark.parametrize("stub", sorted(GRACE.glob("**/__init__.pyi")), ids=lambda p: p.parent.name)
def test_no_exported_name_is_that_of_a_module_beside_it(stub: Path) -> None:
    """The module would take the name's place as soon as something imports it."""
    exported = {alias for module, _, alias in imported(stub) if module}
    beside = {path.stem for path in stub.parent.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert not exported & beside


@cache
def offered(room: str) -> set[str]:
    """The names that a package gives to others."""
    stub = GRACE / room / "__init__.pyi"
    path = stub if stub.is_file() else stub.with_suffix(".py")
    return {alias for _, _, alias in imported(path)} if path.is_file() else set()


def imported(path: Path) -> Iterator[tuple[str, str, str]]:
    """Module, name and alias of all that a file imports by name."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module != "__future__":
            for one in node.names:
                yield node.module or "", one.name, one.asname or one.name


def test_a_stage_takes_from_its_neighbour_what_that_offers() -> None:
    """And not from a file within it."""
    past_the_door = [
        f"{path.relative_to(ROOT)}: {module}.{name}"
        for path in GRACE.glob("**/*.py")
        for module, name, _ in imported(path)
        if module.startswith("grace.") and module.count(".") >= 2
        for room in [module.split(".")[1]]
        if room != path.relative_to(GRACE).parts[0] and name in offered(room)
    ]
    assert not past_the_door


UPWARD = {
    "scoring/trie.py": "\n\ndef _count(path: str) -> int:\n"
    "    from grace.store import Store\n\n    return Store(path).size\n",
    "store/schema.py": "\n\nif TYPE_CHECKING:\n    from grace.tables import Column\n",
    "questions/templates.py": "\n\nimport grace.run\n",
}


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    """What `lint-imports` says of a copy into which imports that run upward were written."""
    folder = tmp_path_factory.mktemp("planted")
    shutil.copytree(GRACE, folder / "grace", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    for name, text in UPWARD.items():
        with (folder / "grace" / name).open("a", encoding="utf-8") as file:
            file.write(text)
    return subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--no-logo"],
        cwd=folder, env=os.environ | {"PYTHONPATH": str(folder)}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip


def test_an_import_that_runs_upward_is_refused(planted: subprocess.CompletedProcess[str]) -> None:
    assert planted.returncode == 1
    assert "BROKEN" in planted.stdout


@pytest.mark.parametrize(
    ("importer", "imported"),
    [
        ("grace.scoring.trie", "grace.store"),  # within a function
        ("grace.store.schema", "grace.tables"),  # for types alone
        ("grace.questions.templates", "grace.run"),  # of a command
    ],
)
def test_wherever_it_stands(
    importer: str, imported: str, planted: subprocess.CompletedProcess[str]
) -> None:
    assert re.search(rf"{re.escape(importer)} -> {re.escape(imported)}\b", planted.stdout)
