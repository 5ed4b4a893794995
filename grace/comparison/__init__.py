"""Answers of models and of people in; distances with intervals, and what people agree on, out.

    from grace.comparison import compare, people, read_run

    comparison = compare(read_run(Path("outputs/2/2/smollm2-135m")), people("2"))
    comparison.main.means, comparison.main.estimates["tvd"], comparison.rsa

Arrays are (cells, options) in the order of `comparison.answers.design`; docs/compare.md says what
each number means.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
