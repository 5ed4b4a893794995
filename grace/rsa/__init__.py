"""Rational Speech Act models: parameters in, predictions out; answers in, fits out.

    from grace import rsa

    rsa.listener("one", 2)                # P(0 … 3 of 3 objects | "one", the speaker saw 2)
    rsa.polite_speaker("kind")            # P(utterance | state), 4 × 8
    rsa.fit(rsa.polite_model(), rsa.polite_answers(counts))

docs/rsa.md has the equations and how to fit.
"""

from __future__ import annotations

from grace.rsa.ablation import (
    ABLATIONS,
    Ablation,
    ablation_rows,
    ablations,
    in_published_order,
)
from grace.rsa.answers import Answers, listener_answers, polite_answers, pool
from grace.rsa.fitting import Estimate, Fit, fit
from grace.rsa.heldout import HeldOut, held_out
from grace.rsa.knowledge import (
    ACCESSES,
    LISTENER_VARIANTS,
    WORDS,
    knows,
    listener,
    listener_table,
    observed,
)
from grace.rsa.models import Model, listener_model, polite_model
from grace.rsa.polite import SPEAKER_VARIANTS, polite_speaker, speaker_table
from grace.rsa.posterior import Posterior, Summary, sample
from grace.rsa.published import (
    ALPHA_FIGURE,
    ALPHA_TEXT,
    COMPARISON,
    GOAL_WEIGHTS,
    GOALS,
    STATES,
    THETA,
    UTILITIES,
    UTTERANCES,
)

__all__ = [
    "ABLATIONS",
    "ACCESSES",
    "ALPHA_FIGURE",
    "ALPHA_TEXT",
    "COMPARISON",
    "GOALS",
    "GOAL_WEIGHTS",
    "LISTENER_VARIANTS",
    "SPEAKER_VARIANTS",
    "STATES",
    "THETA",
    "UTILITIES",
    "UTTERANCES",
    "WORDS",
    "Ablation",
    "Answers",
    "Estimate",
    "Fit",
    "HeldOut",
    "Model",
    "Posterior",
    "Summary",
    "ablation_rows",
    "ablations",
    "fit",
    "held_out",
    "in_published_order",
    "knows",
    "listener",
    "listener_answers",
    "listener_model",
    "listener_table",
    "observed",
    "polite_answers",
    "polite_model",
    "polite_speaker",
    "pool",
    "sample",
    "speaker_table",
]
