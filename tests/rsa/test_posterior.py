"""Posterior sampling against the same posterior summed over a fine line of values."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from grace import rsa
from grace.errors import GraceError
from grace.rsa.likelihood import Likelihood
from tests.rsa.people import BETS, COUNTS


def on_a_line(
    model: rsa.Model, answers: rsa.Answers, axes: dict[str, np.ndarray]
) -> tuple[dict[str, float], dict[str, float]]:
    """Mean and standard deviation of each parameter, equally likely beforehand all along."""
    held = {name: np.full(len(next(iter(axes.values()))), v) for name, v in model.held.items()}
    heights = Likelihood(model, answers).of({**held, **axes})
    weights = np.exp(heights - heights.max())
    weights /= weights.sum()
    means = {name: float(weights @ values) for name, values in axes.items()}
    sds = {n: float(np.sqrt(weights @ (values - means[n]) ** 2)) for n, values in axes.items()}
    return means, sds


@pytest.mark.posterior
@pytest.mark.parametrize("study", [1, 2])
def test_draws_are_from_the_posterior(study: int) -> None:
    pytest.importorskip("numpyro", reason="needs the extra rsa")
    if study == 1:
        counts = {cell: np.array(share) / 100 * n for cell, (share, n) in BETS.items()}
        model, answers = rsa.listener_model(alpha=3.17, lapse=0.02), rsa.listener_answers(counts)
        axes = {"base_rate": np.linspace(0.2, 0.95, 1500)}
    else:
        model = rsa.polite_model(
            ["informational", "social"], goals=["kind"], alpha=3, cost_wasnt=1.5
        )
        answers = rsa.polite_answers({"kind": np.array(COUNTS["kind"]) / 10})
        share = np.linspace(0.001, 0.999, 999)
        axes = {"kind.omega_inf": 1 - share, "kind.omega_soc": share}
    found = rsa.sample(model, answers, draws=400, warmup=200, chains=2, seed=1)
    means, sds = on_a_line(model, answers, axes)
    assert set(found.summary) == set(axes)
    for name, one in found.summary.items():
        assert found.draws[name].shape == (2, 400)
        assert one.mean == pytest.approx(means[name], abs=0.25 * sds[name])
        assert one.sd == pytest.approx(sds[name], rel=0.25)
        assert one.low < means[name] < one.high
        assert one.rhat < 1.05
        assert one.ess > 80
    if study == 2:
        np.testing.assert_allclose(sum(found.draws.values()), 1)  # weights stay on their simplex
    assert found.divergences == 0
    assert found.converged == (not found.notes)


def test_answers_the_model_rules_out() -> None:
    pytest.importorskip("numpyro")
    answers = rsa.listener_answers({("two", 2): [0, 1, 5, 5]})
    with pytest.raises(GraceError, match="cell two/2: answer 1"):
        rsa.sample(rsa.listener_model(), answers)
    with pytest.raises(GraceError, match="draws=1"):
        rsa.sample(rsa.listener_model(), answers, draws=1)


def test_without_the_extra_its_name_is_said() -> None:
    code = (
        "import sys; sys.modules['numpyro'] = None\n"
        "from grace import rsa\n"
        "data = rsa.listener_answers({('two', 2): [0, 0, 5, 5]})\n"
        "try:\n"
        "    rsa.sample(rsa.listener_model(), data)\n"
        "except rsa.GraceError as error:\n"
        "    print(error)\n"
    ).replace("rsa.GraceError", "__import__('grace').GraceError")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'grace-psycholinguistics[rsa]'" in done.stdout
