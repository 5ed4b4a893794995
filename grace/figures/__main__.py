"""`python -m grace.figures RUN [RUN…]`: a run's figures as SVG, PDF and PNG."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from grace.config import OK, plain_main, read_words
from grace.config.folder_arguments import shared_folder
from grace.config.manual.commands import FIGURES


def figures(words: Sequence[str]) -> int:
    """Draw and write; returns the exit code."""
    runs, settings = read_words(words, FIGURES)
    output = Path(settings["output"]) if "output" in settings else None
    notes: set[str] = set()
    for path in write_all(runs, output, settings.get("style"), notes):
        print(path, flush=True)
    for note in sorted(notes):
        print(f"note: {note}.")
    return OK


def write_all(
    runs: Sequence[Path], output: Path | None, style: str | None, notes: set[str]
) -> Iterator[Path]:
    """Every run's figures, then those of several runs of one study together."""
    from grace.figures.against_people import models
    from grace.figures.catalogue import plots
    from grace.figures.run_groups import alike, folders
    from grace.figures.run_view import view
    from grace.figures.write import UndrawnError, save_all, write_figures

    views = [view(run) for run in runs]
    groups = {study: group for study, group in alike(views).items() if len(group) > 1}
    places = {
        study: output or shared_folder(v.run.path for v in group) / "figures"
        for study, group in groups.items()
    }
    failed = []
    for one, name in zip(views, folders(views), strict=True):
        folder = one.run.path / "figures" if output is None else output
        place = folder / name if output and len(views) > 1 else folder
        try:
            yield from write_figures(one, place, plots(one), style, notes)
        except UndrawnError as error:
            failed.append(str(error))
    for study, group in groups.items():
        yield from save_all(models(group, style=style), places[study], f"models-{study}", style)
    if failed:
        raise UndrawnError("; ".join(failed))


if __name__ == "__main__":
    plain_main(figures)
