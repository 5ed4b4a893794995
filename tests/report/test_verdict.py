"""The verdict says no more than the data do, and calls each number by its name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from grace.comparison.comparing import Comparison, compare
from grace.comparison.humans import people
from grace.comparison.other_results import read_results
from grace.comparison.show import same_way
from grace.report.page import comparison_tables
from grace.report.verdict import UNKNOWN, verdict

CELLS = [("one", 1), ("one", 2), ("one", 3), ("two", 2), ("two", 3), ("three", 3)]


def compared(folder: Path, items: int) -> Comparison:
    """Bets of a model that hardly looks at what was said, on some stories."""
    random = np.random.default_rng(1)
    rows = [
        {"word": word, "access": access, "item": f"story {item}"}
        | {f"p_{k}": v for k, v in enumerate(25 + random.normal(0, 1, 4))}
        for item in range(items)
        for word, access in CELLS
    ]
    pd.DataFrame(rows).to_csv(folder / "bets.csv", index=False)
    (answers,) = read_results(folder / "bets.csv", "1")
    return compare(answers, people("1"))


def test_the_mean_error_is_the_mean_and_the_rmse_is_called_so(tmp_path: Path) -> None:
    found = compared(tmp_path, 8)
    errors = 100 * (found.main.means - found.people.distribution)
    said = verdict(found).because
    assert f"off people's by {np.abs(errors).mean():.1f} percentage points on average" in said
    assert f"{np.sqrt((errors**2).mean()):.1f} percentage points (95% interval" in said
    assert found.main.estimates["mae"].value == pytest.approx(np.abs(errors).mean())
    assert found.people.se is not None
    expected = 100 * np.sqrt(2 / np.pi) * np.nanmean(found.people.se)
    assert found.main.estimates["mae"].ceiling == pytest.approx(expected)


def test_without_an_interval_no_word_is_said(tmp_path: Path) -> None:
    few, enough = compared(tmp_path, 3), compared(tmp_path, 8)
    assert verdict(few).word == UNKNOWN
    assert "no interval (3 items are too few to draw again" in verdict(few).spread
    assert verdict(enough).word != UNKNOWN


def test_a_direction_that_is_open_is_so_in_the_report_too(tmp_path: Path) -> None:
    for items in (3, 8):
        found = compared(tmp_path, items)
        table = next(comparison_tables(found))
        told = [row[-1] for row in table.rows]
        assert told == [same_way(one) for one in found.main.contrasts[: len(told)]]
        for one, word in zip(found.main.contrasts, told, strict=False):
            sure = one.model.low > 0 or one.model.high < 0
            assert word.endswith("(open)") == (not sure)
        assert "one/3: the speaker has looked at 3 of the 3 objects" in table.caption
