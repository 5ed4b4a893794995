"""What each utility is worth, against the paper and the people's own answers."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from grace import rsa
from tests.places import SHARED
from tests.rsa.people import COUNTS, ENDORSED

HUMAN = Path(os.environ.get("GRACE_HUMAN", SHARED / "data/human"))
WORDS = ("terrible", "bad", "good", "amazing")


@pytest.fixture(scope="module")
def found() -> tuple[rsa.Ablation, ...]:
    return rsa.ablations(rsa.polite_answers(COUNTS), starts=1)


def test_the_published_order(found: tuple[rsa.Ablation, ...]) -> None:
    """By AIC, by BIC and by likelihood, as in the paper's table; all seven settled."""
    assert rsa.in_published_order(found)
    assert [set(a.utilities) for a in found] == [set(row.utilities) for row in rsa.COMPARISON]
    for measure in ("loglik", "bic"):
        values = [getattr(a.fit, measure) for a in found]
        assert values == sorted(values, reverse=measure == "loglik")
    assert all(a.fit.converged for a in found)
    assert not rsa.in_published_order(found[::-1])


def test_only_informing_explains_much(found: tuple[rsa.Ablation, ...]) -> None:
    """The paper: r² of .83 and more with, .23 and less without the informational utility."""
    assert found[0].r2 > 0.97
    for ablation in found:
        published = ablation.published.r2
        assert (ablation.r2 > 0.5) == (published > 0.5)
        if "informational" not in ablation.utilities:
            assert ablation.r2 == pytest.approx(published, abs=0.05)


def test_more_utilities_never_fit_worse(found: tuple[rsa.Ablation, ...]) -> None:
    by_set = {frozenset(a.utilities): a.fit for a in found}
    for small, large in itertools.permutations(by_set, 2):
        if small < large:
            assert by_set[small].loglik <= by_set[large].loglik + 1e-3
            assert by_set[small].k < by_set[large].k
    data = found[0].fit
    assert data.uniform < found[-1].fit.loglik
    assert found[0].fit.loglik < data.saturated
    assert f"{data.saturated:.1f} {data.uniform:.1f}" == "-2598.1 -5065.5"


def test_a_weight_at_its_bound_leaves_the_others_known(found: tuple[rsa.Ablation, ...]) -> None:
    """Of the full model only the social weight of informative speakers is at a bound, 0."""
    statuses = {name: e.status for name, e in found[0].fit.estimates.items()}
    assert statuses.pop("informative.omega_soc") == "at lower bound"
    assert set(statuses.values()) == {"estimated", "held"}
    assert found[0].fit.notes == ("informative.omega_soc: at lower bound",)


def test_the_full_model_beats_the_published_numbers(found: tuple[rsa.Ablation, ...]) -> None:
    """The published values are posterior means under a prior; the peak is above them."""
    published = np.array([rsa.polite_speaker(goal, variant="smooth") for goal in COUNTS])
    counts = np.array(list(COUNTS.values()))
    there = float((counts * np.log(published)).sum())
    assert there < found[0].fit.loglik < there + 60


def test_with_the_judged_meanings_the_middle_changes_places() -> None:
    """The order of the two models next to the full one hangs on the literal meanings."""
    theta = (np.array(ENDORSED) + 1) / 51
    judged = rsa.ablations(rsa.polite_answers(COUNTS), rsa.ABLATIONS[:4], theta=theta, starts=0)
    assert [a.utilities for a in judged[:3]] == [
        ("informational", "social", "presentational"),
        ("informational", "social"),
        ("informational", "presentational"),
    ]


def test_rows_for_a_table(found: tuple[rsa.Ablation, ...]) -> None:
    table = pd.DataFrame(rsa.ablation_rows(found))
    assert table["utilities"][0] == "informational + social + presentational"
    assert table["delta_aic"][0] == 0
    assert table["delta_aic"].is_monotonic_increasing
    value = pd.DataFrame(found[2].fit.rows()).set_index("parameter")["value"]
    assert value["kind.omega_soc"] > value["informative.omega_soc"]


@pytest.fixture(scope="module")
def people() -> rsa.Answers:
    path = HUMAN / "speaker_production.csv"
    if not path.is_file():
        pytest.skip("the participant-level answers are not here")
    raw = pd.read_csv(path)
    place = raw["utterance"].map(WORDS.index) + 4 * (raw["positivity"] != "no_neg")
    state = raw["true_state"].str[-1].astype(int)
    groups = []
    for _, rows in raw.groupby("subid").groups.items():
        one = {goal: np.zeros((4, 8)) for goal in raw["goal"].unique()}
        for row in rows:
            one[raw["goal"][row]][state[row], place[row]] += 1
        groups.append(rsa.polite_answers(one))
    return rsa.pool(groups)


def test_people_add_up_to_the_published_counts(people: rsa.Answers) -> None:
    for goal, table in COUNTS.items():
        rows = [people.cells.index((goal, state)) for state in range(4)]
        np.testing.assert_array_equal(people.counts[rows], table)
    assert people.groups is not None
    assert len(people.groups) == 203


def test_the_full_model_predicts_new_people_best(people: rsa.Answers) -> None:
    held = {
        utilities: rsa.held_out(rsa.polite_model(utilities), people, folds=3, starts=0)
        for utilities in (
            rsa.UTILITIES,
            ("informational", "presentational"),
            ("informational", "social"),
        )
    }
    full, seen, kind = (one.loglik for one in held.values())
    assert full > seen > kind > held[rsa.UTILITIES].uniform
    assert held[rsa.UTILITIES].by == "groups"
