"""Models against people, in parts: what `python -m grace.compare` is made of.

    from grace.comparison import compare, people, read_run

    comparison = compare(read_run(Path("outputs/2/2/smollm2-135m")), people("2"))
    comparison.main.means, comparison.main.estimates["tvd"], comparison.rsa

Arrays are (cells, options) in the order of `comparison.answers.design`. docs/compare.md says what
each number means.
"""

from __future__ import annotations

from grace.comparison.answers import Answers, Reading
from grace.comparison.comparing import Comparison, compare
from grace.comparison.design import DESIGNS, STUDY1, STUDY2, Design
from grace.comparison.humans import People, people, published_literal
from grace.comparison.measure import Contrast, Estimate, Measured, Options
from grace.comparison.other_results import read_results
from grace.comparison.run_answers import read_run

__all__ = [
    "DESIGNS",
    "STUDY1",
    "STUDY2",
    "Answers",
    "Comparison",
    "Contrast",
    "Design",
    "Estimate",
    "Measured",
    "Options",
    "People",
    "Reading",
    "compare",
    "people",
    "published_literal",
    "read_results",
    "read_run",
]
