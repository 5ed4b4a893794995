"""Every figure Grace draws: its name, what it shows, and which runs have it.

To add a figure write a function that takes a View and returns a Figure, and an entry here: the
command and the report then have it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

from grace.config.argument_kinds import strict
from grace.figures import against_people
from grace.figures.run_view import View

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Where the report puts a figure.
Part = Literal["against", "answers", "validity"]


@dataclass(frozen=True)
class Plot:
    """A figure of one run: `name` is its file's, `title` and `caption` are for a reader."""

    name: str
    part: Part
    title: str
    caption: str
    draw: Callable[..., Figure]  # takes the view, and style=


@strict
def plots(view: View) -> Iterator[Plot]:
    """The figures that a run has, in the order in which they are read."""
    if not isinstance(view.compared, str):
        yield from _against_people(view, view.compared.study)
    yield from _answers(view)
    yield from _validity(view)


def _against_people(view: View, study: str) -> Iterator[Plot]:
    from grace.figures import study1, study2

    readings = [one.reading for one in view.comparison.measured if one.trials == "all"]
    for i, reading in enumerate(readings):
        ending = f"-{_slug(reading.name)}" if i else ""
        how = f"The model's answers are read as {reading.name}: {reading.meaning}."
        if study == "1":
            yield Plot(
                f"bets{ending}",
                "against",
                f"Bets on each state ({reading.name})",
                "How people, the model and the RSA model divide a bet among 0 to 3 objects, for "
                f"each number word and number of objects looked at. {how}",
                partial(study1.bets, reading=reading.name),
            )
        else:
            yield Plot(
                f"utterances{ending}",
                "against",
                f"What is said ({reading.name})",
                "Share of each utterance for every goal (rows) and true state (columns): people, "
                f"the model and the RSA model. {how}",
                partial(study2.utterances, reading=reading.name),
            )
    if study == "2":
        yield Plot(
            "negation",
            "against",
            "Negation",
            "How often “wasn't” is said. People negate most where they want to be kind and "
            "informative about poor work.",
            study2.negations,
        )
    elif view.comparison.answers.knowledge is not None:
        yield Plot(
            "knowledge",
            "against",
            "Does the speaker know?",
            "How probably the model says that the speaker knows exactly how many. One who has "
            "looked at all 3 does, others do not. Beyond the dotted lines a trial passes the "
            "paper's filter.",
            study1.knowledge,
        )
    yield Plot(
        "scatter",
        "against",
        "Cell by cell",
        "Each point is one answer in one cell of the design. On the diagonal the prediction is "
        "what people did.",
        against_people.scatter,
    )


def _answers(view: View) -> Iterator[Plot]:
    from grace.figures import heatmaps

    for name, question in view.spec.scored.items():
        dots = ""
        if all(option.option(forms=True).value is not None for option in question.options):
            dots = " White dots are mean answers."
            if len(question.variants()) < 2:
                dots = " The mean answer stands beside each cell."
        yield Plot(
            f"answers-{_slug(name)}",
            "answers",
            f"Answers to {name}",
            f"Mean probability of each answer by cell of the design; brighter is more.{dots}",
            partial(heatmaps.distributions, question=name),
        )
    for name in view.spec.raw:
        yield Plot(
            f"answers-{_slug(name)}",
            "answers",
            f"What was read from the answers to {name}",
            "How often each value was read, by cell of the design, among the answers in which it "
            "could be read; of percentages the mean.",
            partial(heatmaps.fields, question=name),
        )


def _validity(view: View) -> Iterator[Plot]:
    from grace.figures import validity

    if view.spec.scored:
        yield Plot(
            "mass",
            "validity",
            "Mass",
            "The probability that the model answers with one of the options at all. Dots are "
            "medians, as beside the questions, thick lines the middle half of the answers, thin "
            "lines the middle 90%. The further left, the more the model would rather say something "
            "else.",
            validity.mass,
        )
    if validity.reductions(view):
        yield Plot(
            "coherence",
            "validity",
            "Coherence",
            "Whether a trial's answers about the states add up. A coherent answerer has a sum of "
            "1 and a log probability near 0.",
            validity.coherence,
        )
    if view.spec.raw:
        yield Plot(
            "readable",
            "validity",
            "Answers that could be read",
            "How many raw answers are in the format that was asked for, and what the others lack.",
            validity.readable,
        )


def _slug(text: str) -> str:
    from grace.config.column_names import slug

    return slug(text).replace("_", "-")
