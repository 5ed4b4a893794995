"""Posterior sampling of either model (extra `rsa`: numpyro and jax)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from grace.config.argument_kinds import strict
from grace.config.missing_library import need
from grace.errors import GraceError
from grace.rsa.answers import Answers
from grace.rsa.likelihood import Likelihood, refuse_impossible
from grace.rsa.models import Model
from grace.rsa.published import Floats

#: R̂ above this: the chains do not agree, and the draws are not to be used.
RHAT_LIMIT = 1.01


@dataclass(frozen=True)
class Summary:
    """A parameter's posterior: mean, standard deviation, equal-tailed interval, diagnostics."""

    mean: float
    sd: float
    low: float
    high: float
    rhat: float  # split R̂, 1 where chains agree
    ess: float  # effective number of draws


@dataclass(frozen=True)
class Posterior:
    """Draws (chains, draws) by parameter, their summary, and what to doubt."""

    draws: Mapping[str, Floats]
    summary: Mapping[str, Summary]
    divergences: int
    converged: bool  # all R̂ within the limit and no divergence
    notes: tuple[str, ...]


@strict
def sample(
    model: Model,
    answers: Answers,
    *,
    draws: int = 1000,
    warmup: int = 1000,
    chains: int = 4,
    level: float = 0.95,
    seed: int = 0,
) -> Posterior:
    """Draw from the posterior with NUTS (No-U-Turn sampler), in float64, one chain after another.

    Priors are flat over each parameter's usual range (α: 0–20, cost of "wasn't": 1–10, base rate,
    φ and lapse: 0–1, temperature: 0.2–5) and over the simplex of weights. Needs the extra `rsa`.
    """
    need("rsa", "posterior sampling")
    import jax
    from numpyro.infer import MCMC, NUTS, init_to_value

    if draws < 4 or warmup < 1 or chains < 1:
        raise GraceError(
            f"draws={draws}, warmup={warmup}, chains={chains}: expected 4, 1 and 1 or more"
        )
    start = dict(model.published) | dict(model.held)
    refuse_impossible(Likelihood(model, answers), start)
    begin = init_to_value(values=_starting(model, start))
    with jax.enable_x64(True):
        sampler = MCMC(
            NUTS(_density(model, answers), init_strategy=begin),
            num_warmup=warmup,
            num_samples=draws,
            num_chains=chains,
            chain_method="sequential",
            progress_bar=False,
        )
        sampler.run(jax.random.PRNGKey(seed))
        sites = sampler.get_samples(group_by_chain=True)
        divergences = int(np.sum(sampler.get_extra_fields(group_by_chain=True)["diverging"]))
    found = {name: np.asarray(sites[name], dtype=np.float64) for name in model.space.names}
    summary = {name: _summary(values, level) for name, values in found.items()}
    notes = list(answers.notes)
    notes += [
        f"{name}: R̂ {one.rhat:.3f}, over {RHAT_LIMIT}; ask for more draws"
        for name, one in summary.items()
        if not one.rhat <= RHAT_LIMIT
    ]
    if divergences:
        notes.append(f"{divergences} divergent transitions: the draws may miss a narrow place")
    agreed = divergences == 0 and all(one.rhat <= RHAT_LIMIT for one in summary.values())
    return Posterior(found, summary, divergences, agreed, tuple(notes))


def _density(model: Model, answers: Answers) -> Callable[[], None]:
    """The model for numpyro: flat priors, and the likelihood as a factor."""
    import jax.numpy as jnp
    import numpyro
    from numpyro.distributions import Dirichlet, Uniform

    def density() -> None:
        values: dict[str, Any] = dict(model.held)
        for p in model.space.scalars:
            low, high = np.clip(p.usual, p.low, p.high)
            values[p.name] = numpyro.sample(p.name, Uniform(low, high))
        for set_ in model.space.weights:
            weights = numpyro.sample("/".join(set_), Dirichlet(jnp.ones(len(set_))))
            for i, name in enumerate(set_):
                values[name] = numpyro.deterministic(name, weights[i])
        predicted = model.predict(values, answers.cells, jnp)
        counts = jnp.asarray(answers.counts)
        logs = jnp.log(jnp.where(counts > 0, predicted, 1.0))
        numpyro.factor("answers", jnp.sum(counts * logs))

    return density


def _starting(model: Model, values: Mapping[str, float]) -> dict[str, Any]:
    """Where chains start, site by site: the published values."""
    sites: dict[str, Any] = {p.name: values[p.name] for p in model.space.scalars}
    for set_ in model.space.weights:
        sites["/".join(set_)] = np.array([values[name] for name in set_])
    return sites


def _summary(values: Floats, level: float) -> Summary:
    from numpyro.diagnostics import effective_sample_size, split_gelman_rubin

    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return Summary(
        mean=float(values.mean()),
        sd=float(values.std(ddof=1)),
        low=float(low),
        high=float(high),
        rhat=float(split_gelman_rubin(values)),
        ess=float(effective_sample_size(values)),
    )
