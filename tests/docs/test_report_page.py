"""docs/report.md is true: its words are the report's, its figures exist (see also test_pages)."""

from __future__ import annotations

import re

from grace.report.verdict import UNKNOWN, WORDS
from tests.figures.figure_runs import EXPECTED
from tests.places import ROOT

PAGE = ROOT / "docs" / "report.md"


def test_the_words_and_figures_are_all_there() -> None:
    text = PAGE.read_text(encoding="utf-8")
    words = re.findall(r"^\| ([A-Z][^|]*\.) \| ", text, re.M)
    assert words == [*(word for _, word, _ in WORDS), UNKNOWN]
    shares = re.findall(r"\| ([\d.]+) or more", text)
    assert [float(share) for share in shares] == [least for least, _, _ in WORDS[:-1]]
    for found in EXPECTED.values():
        for name in found:
            known = "answers-QUESTION" if name.startswith("answers-") else name
            assert f"`{known}`" in text, name
