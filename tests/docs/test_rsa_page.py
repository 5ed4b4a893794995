"""docs/rsa.md: its table is what the fits give (its examples are run by test_pages)."""

from __future__ import annotations

import re

import numpy as np
import pytest

from grace import rsa
from tests.places import ROOT
from tests.rsa.people import COUNTS

PAGE = (ROOT / "docs" / "rsa.md").read_text(encoding="utf-8")


def test_the_table_of_ablations() -> None:
    rows = re.findall(r"^\| ((?:informational|social|presentational).*?) \|(.*)\|$", PAGE, re.M)
    found = rsa.ablation_rows(rsa.ablations(rsa.polite_answers(COUNTS), starts=0))
    assert [name for name, _ in rows] == [row["utilities"] for row in found]
    for (_, cells), row in zip(rows, found, strict=True):
        numbers = [float(cell.replace("−", "-")) for cell in cells.split("|")]
        expected = [
            row["loglik"], row["k"], row["delta_aic"], row["r2"], row["published_r2"],
            row["published_log_bayes_factor"],
        ]  # fmt: skip
        np.testing.assert_allclose(numbers, expected, atol=0.51, rtol=1e-3)
        assert numbers[3] == pytest.approx(row["r2"], abs=6e-4)
