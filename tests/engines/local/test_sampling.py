"""Drawing texts: the distribution drawn from, and independence of the batch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from grace.engines.local import sampling
from grace.types import Sampling


def drawn(logits: torch.Tensor, settings: Sampling, n: int = 20_000) -> np.ndarray:
    uniforms = np.random.default_rng(0).random(n)
    tokens = sampling.pick(logits.expand(n, -1), [settings] * n, uniforms)
    return np.bincount(tokens.numpy(), minlength=logits.shape[-1])


@pytest.mark.parametrize("temperature", [0.5, 0.7, 1.0, 2.0])
@pytest.mark.parametrize("top_p", [0.3, 0.9, 1.0])
@pytest.mark.parametrize("head", [2, 512])
def test_draws_follow_the_nucleus(
    temperature: float, top_p: float, head: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "HEAD", head)
    logits = torch.tensor([[1.0, 3.0, 2.0, -1.0, 0.5, 2.5]])
    counts = drawn(logits, Sampling(temperature, top_p, 1, 0))
    # By the definition: the smallest set of most probable tokens that holds top_p.
    p = np.exp(logits[0].double().numpy() / temperature)
    p /= p.sum()
    order = np.argsort(-p)
    size = int(np.searchsorted(np.cumsum(p[order]), top_p - 1e-12)) + 1
    nucleus = np.zeros_like(p)
    nucleus[order[:size]] = p[order[:size]] / p[order[:size]].sum()
    assert set(np.flatnonzero(counts)) == set(np.flatnonzero(nucleus))
    kept = nucleus > 0
    if kept.sum() > 1:
        assert stats.chisquare(counts[kept], nucleus[kept] * counts.sum()).pvalue > 1e-4


def test_temperature_0_takes_the_most_probable() -> None:
    counts = drawn(torch.tensor([[1.0, 3.0, 2.0]]), Sampling(0.0, 0.9, 1, 0), n=50)
    assert counts.tolist() == [0, 50, 0]
