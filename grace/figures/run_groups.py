"""Several runs: which belong together, and what each is called."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from grace.figures.run_view import View


def alike(views: Sequence[View]) -> dict[str, list[View]]:
    """Runs that are compared with the same people, by study."""
    found: dict[str, list[View]] = {}
    for view in views:
        if not isinstance(view.compared, str):
            found.setdefault(view.compared.study, []).append(view)
    return found


def names(views: Sequence[View]) -> list[str]:
    """A name for each run: its model's, with study, experiment and folder where it needs them."""
    return _apart(views, [view.label for view in views], ", ")


def folders(views: Sequence[View]) -> list[str]:
    """A folder's name for each run: that of its own, told apart in the same way."""
    return _apart(views, [view.settings.folder.name for view in views], "-")


def _apart(views: Sequence[View], own: Sequence[str], between: str) -> list[str]:
    longer = [f"{_experiment(view)}{between}{name}" for view, name in zip(views, own, strict=True)]
    candidates = (own, longer, [f"{name}{between}{i}" for i, name in enumerate(longer, 1)])
    return next(list(found) for found in candidates if max(Counter(found).values(), default=1) == 1)


def short_names(views: Sequence[View]) -> list[str]:
    """A name for each run where study and experiment stand beside it."""
    rows = Counter((view.label, _experiment(view)) for view in views)
    return [view.label for view in views] if max(rows.values()) == 1 else names(views)


def _experiment(view: View) -> str:
    return f"study{view.settings.study.name}-exp{view.settings.exp.name}"
