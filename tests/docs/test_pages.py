"""Every page as it is written, in one folder, from the first command to the last."""

from __future__ import annotations

import csv
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.docs.pages import Block, blocks, pages, rows_of, same, strays
from tests.places import ROOT

STANDIN = ROOT / "tests" / "engines" / "vllm" / "standin"
#: For long runs of which no output is shown. A pilot may grow, and the first has as many rows.
FEW = "pilot=10"
#: Servers that the pages name; a stand-in for each is here.
NODES = ("http://node7:8000/v1", "http://node8:8000/v1")


def test_every_page_is_named_in_the_readme() -> None:
    assert {page.name for page in (ROOT / "docs").glob("*.md")} == {p.name for p in pages()[1:]}


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_what_can_be_run_says_so(page: Path) -> None:
    assert strays(page) == []


def test_every_target_of_make_exists() -> None:
    known = {
        target
        for file in (ROOT / "Makefile", *ROOT.glob("*.mk"))
        for target in re.findall(r"^([a-z-]+):", file.read_text(encoding="utf-8"), re.MULTILINE)
    }
    for page in pages():
        named = re.findall(r"(?:^|`)make ([a-z-]+)", page.read_text(encoding="utf-8"), re.MULTILINE)
        assert set(named) <= known, page.name


def test_every_page_that_the_code_names_exists() -> None:
    for path in [*ROOT.glob("grace/**/*.py"), *ROOT.glob("conf/**/*.yaml")]:
        for name in re.findall(r"\bdocs/[\w-]+\.md", path.read_text(encoding="utf-8")):
            assert (ROOT / name).exists(), f"{path.relative_to(ROOT)}: {name}"


class Reader:
    """Somebody with a clone of their own who does what the pages say."""

    def __init__(self, folder: Path, servers: list[str]) -> None:
        self.folder, self.servers = folder, servers
        self.said: list[str] = []  # what was not run, and why
        self.session: dict[Path, str] = {}
        for name in ("grace", "conf", "data", "prompts", "docs"):
            shutil.copytree(
                ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__")
            )

    def do(self, block: Block) -> Iterator[str]:
        """What is not as the page says."""
        if block.language == "rows":
            yield from self.compare(block)
        elif block.file:
            path = self.folder / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
        elif block.comment == "not run":
            self.said.append(f"{block.place} is not run: {block.said}")
        elif block.language == "bash":
            for line in block.commands():
                if not line.startswith("make "):
                    yield from self.run(block, ["bash", "-ec", self.command(block, line)], line)
        elif block.language == "python":
            yield from self.run(block, [sys.executable, "-c", block.text], "python")
        elif block.language == "r":
            yield from self.r(block)

    def command(self, block: Block, line: str) -> str:
        """The line, with less work where it shows nothing, and servers for those it names."""
        if block.comment == "run with":
            line = f"{line} {block.said.partition(' (')[0]}"
        if "grace.run " in line and not re.search(r"pilot=|dry_run|--help", line):
            line = f"{line} {FEW}"
        for name, url in zip(NODES, self.servers, strict=True):
            line = line.replace(name, url)
        return line

    def run(self, block: Block, command: list[str], what: str) -> Iterator[str]:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("GRACE_REPORT")}
        environment |= {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": os.pathsep.join(map(str, (STANDIN, self.folder, ROOT))),
            "COLUMNS": "90",
            "HF_TOKEN": "hf_of_a_reader",
        }
        if "model=gemma" in what and "endpoints" not in what:
            environment["GRACE_ENDPOINTS"] = self.servers[0]
        done = subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True,
            stdin=subprocess.DEVNULL, timeout=600, check=False,
        )  # fmt: skip
        output = done.stdout + done.stderr
        if done.returncode or "Traceback" in output:
            yield f"{block.place}: {what}\nexit code {done.returncode}\n{output}"
        elif block.shown is not None:
            found = [line.rstrip() for line in done.stdout.splitlines()]
            if found != block.shown.splitlines():
                yield f"{block.place}: {what}\nprints otherwise than shown:\n{done.stdout}"

    def r(self, block: Block) -> Iterator[str]:
        """A page's R is one session."""
        self.session[block.page] = self.session.get(block.page, "") + block.text
        if not shutil.which("Rscript"):
            self.said.append(f"{block.place} is not run: R is not here")
            return
        for problem in self.run(block, ["Rscript", "-e", self.session[block.page]], "R"):
            missing = re.search(r"there is no package called .(\w+).", problem)
            if missing:
                self.said.append(f"{block.place} is not run: R has no {missing[1]}")
            else:
                yield problem

    def compare(self, block: Block) -> Iterator[str]:
        with (self.folder / block.file).open(encoding="utf-8", newline="") as file:
            found = list(csv.DictReader(file))
        for row in rows_of(block.text):
            if not any(all(same(row[name], other[name]) for name in row) for other in found):
                yield f"{block.place}: no such row in {block.file}: {row}"


@pytest.mark.full
@pytest.mark.model
def test_every_page_as_it_is_written(tiny: Callable[[str], Path], tmp_path: Path) -> None:
    from tests.engines.vllm.server import ModelServer

    folder = tmp_path / "a clone"
    folder.mkdir()
    model = tiny("llama-byte")
    with ModelServer(model, "gemma-9b") as one, ModelServer(model, "gemma-9b") as two:
        reader = Reader(folder, [one.url, two.url])
        wrong = [
            problem for page in pages() for block in blocks(page) for problem in reader.do(block)
        ]
    print(*reader.said, sep="\n")
    assert not wrong, "\n\n".join(wrong)
