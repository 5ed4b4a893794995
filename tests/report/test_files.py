"""report.html without a browser: self-contained, true to comparison.json, and never worth a run."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import grace
from grace.comparison.comparing import compare
from grace.comparison.humans import people
from grace.comparison.other_results import read_results
from grace.config.resources import shipped
from grace.figures import View
from grace.report.verdict import WORDS, verdict, word_for
from grace.report.write import report_folders
from tests.runs.test_run import _wait_for_answers, command, model, run

#: Attributes by which a browser loads something.
LOADING = {"src", "srcset", "href", "xlink:href", "data", "action", "poster", "background"}


class _Page(HTMLParser):
    """Tables by their captions as rows of texts, and everything a browser would load."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[tuple[str, str, str]] = []
        self.tables: dict[str, list[list[str]]] = {}
        self.headings: list[str] = []
        self._rows: list[list[str]] = []
        self._text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loads += [(tag, name, value or "") for name, value in attrs if name in LOADING]
        self._text = ""
        if tag == "table":
            self._rows, self._caption = [], ""
        elif tag == "tr":
            self._rows.append([])

    def handle_data(self, data: str) -> None:
        self._text += data

    def handle_endtag(self, tag: str) -> None:
        text = " ".join(self._text.split())
        if tag == "caption":
            self._caption = text
        elif tag in {"td", "th"}:
            self._rows[-1].append(text)
        elif tag == "table":
            self.tables[self._caption] = self._rows
        elif tag in {"h1", "h2", "h3"}:
            self.headings.append(text)
        self._text = ""


PageOf = Callable[[str], tuple[str, _Page]]


@pytest.fixture
def page_of(report_of: Callable[[str], Path]) -> PageOf:
    def read(which: str) -> tuple[str, _Page]:
        text = report_of(which).read_text(encoding="utf-8")
        return text, _Page(text)

    return read


# Self-contained


@pytest.mark.parametrize("which", ["1/1", "1/2", "2/1", "2/2"])
def test_nothing_is_loaded_from_elsewhere(which: str, page_of: PageOf) -> None:
    text, page = page_of(which)
    for tag, name, value in page.loads:
        assert value.startswith(("#", "data:image/png;base64,")), (tag, name, value)
    assert "@import" not in text
    assert not re.search(r"url\((?!#)", text)
    assert "default-src 'none'" in text
    assert "What to doubt" in page.headings


# The numbers are the comparison's


@pytest.mark.parametrize("which", ["1/2", "2/2"])
def test_numbers_equal_comparison_json(
    which: str, page_of: PageOf, four_runs: Path, tmp_path: Path
) -> None:
    """The command's own file, made with its usual settings."""
    folder = str(four_runs / which / "tiny")
    run(folder, f"output={tmp_path}", cwd=tmp_path, module="grace.compare")
    found = json.loads((tmp_path / "comparison.json").read_text())
    text, page = page_of(which)
    names = {
        "RMSE, points": "rmse", "mean absolute error, points": "mae", "correlation r": "r",
        "total variation": "tvd", "earth mover's, states": "emd", "Jensen–Shannon, bits": "jsd",
    }  # fmt: skip
    rows = page.tables["How near to people"][1:]
    assert len(rows) == (5 if which == "1/2" else 3)
    for label, value, interval, ceiling, _, _ in rows:
        one = found[names[label]]
        places = 1 if label.endswith(", points") else 3
        shown = [one["value"], one["low"], one["high"]]
        assert [value, *interval.split(" to ")] == [_shown(x, places) for x in shown]
        known = one.get("ceiling")
        assert ceiling == ("not known" if known is None else _shown(known, places))
    deciding = next(row for row in rows if names[row[0]] == ("rmse" if which == "1/2" else "tvd"))
    ours, best, guessing = (float(deciding[i].replace("−", "-")) for i in (1, 3, 5))
    way = (guessing - ours) / (guessing - best)
    said = re.search(r'class="verdict"><strong>(.*?)</strong>', text)
    assert said
    assert said[1] in {word_for(way + off) for off in (-0.01, 0, 0.01)}  # of rounded numbers


def _shown(value: float, places: int) -> str:
    return f"{value:.{places}f}".replace("-", "−")


def test_every_cell_is_that_of_the_comparison(page_of: PageOf, views: dict[str, View]) -> None:
    found = views["2/2"].comparison
    _, page = page_of("2/2")
    rows = page.tables["Every cell and answer, in percent"][1:]
    assert len(rows) == 12 * 8
    shown = np.array([[float(cell.replace("−", "-")) for cell in row[3:5]] for row in rows])
    both = np.stack([found.people.means.ravel(), found.main.means.ravel()], axis=1)
    assert np.allclose(shown, 100 * both, rtol=6e-3, atol=0.06)


# The verdict's words


def test_a_word_for_every_part_of_the_way() -> None:
    assert [word_for(x) for x in (1.2, 1.0, 0.99, 0.8, 0.5, 0.2, 0.0, -0.01, -9)] == [
        WORDS[i][1] for i in (0, 0, 1, 1, 2, 3, 4, 5, 5)
    ]


def test_people_are_like_people_and_blind_guesses_hardly(tmp_path: Path) -> None:
    """People's own counts, and every utterance as often, as somebody else's results."""
    table = pd.read_csv(shipped("data") / "human" / "study2_production.csv")
    table.to_csv(tmp_path / "people.csv", index=False)
    table.assign(count=10).to_csv(tmp_path / "blind.csv", index=False)
    words = {}
    for name in ("people", "blind"):
        (answers,) = read_results(tmp_path / f"{name}.csv", "2")
        words[name] = verdict(compare(answers, people("2"))).word
    assert words == {"people": "Yes, as far as these data can tell.", "blind": "Hardly."}


def test_a_run_nobody_can_read_says_so(page_of: PageOf) -> None:
    """The tiny model's raw answers: no number, no made-up word, and what is wrong first."""
    text, page = page_of("2/1")
    assert "It cannot be said." in text
    assert "No number could be had" in text
    assert re.search(r'class="grave">\d+ of \d+ raw answers could not be read', text)
    assert all(row[1] == "missing" for row in page.tables["How near to people"][1:])


# A report is never worth a run


def test_a_report_that_fails_costs_nothing(
    tiny: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Real processes: with a matplotlib that is broken; mended; and then without a report."""
    broken = tmp_path / "broken" / "matplotlib"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise RuntimeError('this matplotlib is broken')\n")
    words = ["study=2", "exp=2", "pilot=3", *model(tiny("llama-byte"))]
    left = tmp_path / "outputs/2/2/tiny"
    monkeypatch.setenv("GRACE_REPORT", "true")
    monkeypatch.setenv("PYTHONPATH", str(broken.parent))
    said = run(*words, cwd=tmp_path)
    assert "this matplotlib is broken" in said
    assert "no report.html" in said
    assert not (left / "report.html").exists()
    assert grace.load(left).manifest["status"] == "complete"
    assert "this matplotlib is broken" in (left / "run.log").read_text()
    monkeypatch.delenv("PYTHONPATH")
    run(str(left), cwd=tmp_path, module="grace.report")
    assert (left / "report.html").stat().st_size > 100_000
    output = f"output={tmp_path / 'outputs'}"
    without = grace.run_study(*words, output, "report=false", "tag=without").path
    assert (without / "trials.csv").exists()
    assert not (without / "report.html").exists()


def test_an_interrupted_run_says_how_to_write_it(
    tiny: Callable[[str], Path], tmp_path: Path
) -> None:
    words = command("study=1", "exp=2", "pilot=72", "engine.max_batch_tokens=4",
                    "report=true", *model(tiny("llama-byte")))  # fmt: skip
    process = subprocess.Popen(
        words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    _wait_for_answers(tmp_path / "outputs/answers.sqlite", process)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    left = tmp_path / "outputs/1/2/tiny"
    assert process.returncode == 130, said
    assert "python -m grace.report outputs/1/2/tiny" in " ".join(said.split())
    assert not (left / "report.html").exists()
    page = _Page(report_folders([left], left / "report.html").read_text(encoding="utf-8"))
    assert "What to doubt" in page.headings
    assert "not asked yet" in (left / "report.html").read_text(encoding="utf-8")


# The command


def test_the_command_writes_one_page_about_several_runs(four_runs: Path, tmp_path: Path) -> None:
    runs = [str(four_runs / which / "tiny") for which in ("2/1", "2/2")]
    said = run(*runs, "output=both.html", cwd=tmp_path, module="grace.report")
    assert said.strip() == "both.html"
    page = _Page((tmp_path / "both.html").read_text(encoding="utf-8"))
    assert page.headings[:2] == ["2 runs beside each other", "Are they like people?"]
    assert len(page.tables["All runs"]) == 3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere"], "nowhere"),
        (["RUN", "output=report.txt"], "report.txt: expected a name that ends in .html"),
        (["RUN", "OTHER"], "the runs are in several folders; expected output=FILE.html"),
        (["RUN", "colour=red"], "colour=red: no such setting"),
        (["RUN", "output=x.html", "style=nothing"], "style=nothing: no such file"),
    ],
)
def test_errors(words: list[str], message: str, four_runs: Path, tmp_path: Path) -> None:
    folders = {"RUN": str(four_runs / "2/1/tiny"), "OTHER": str(four_runs / "1/1/tiny")}
    found = [folders.get(word, word) for word in words]
    said = run(*found, cwd=tmp_path, code=1, module="grace.report")
    assert message in said
    assert not (tmp_path / "x.html").exists()
