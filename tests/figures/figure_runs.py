"""Runs to draw: which figures each has, and runs of raw answers of which most could be read."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from grace import figures

EXPECTED = {
    "1/1": ["bets", "bets-answers", "knowledge", "scatter", "answers-answer", "readable"],
    "1/2": [
        "bets", "bets-coherent", "knowledge", "scatter", "answers-state", "answers-knowledge",
        "mass", "coherence",
    ],
    "2/1": ["utterances", "negation", "scatter", "answers-answer", "readable"],
    "2/2": [
        "utterances", "utterances-frame-assessment", "negation", "scatter", "answers-frame",
        "answers-assessment", "answers-utterance", "mass",
    ],
}  # fmt: skip
WORDS = ("terrible", "bad", "good", "amazing")


def with_answers_read(four_runs: Path, folder: Path, study: str) -> figures.View:
    """A copy of a run in which other things were read from the answers, every tenth nothing."""
    path = folder / study
    shutil.copytree(four_runs / study / "1" / "tiny", path)
    trials = pd.read_parquet(path / "trials.parquet")
    random = np.random.default_rng(int(study))
    there = np.arange(len(trials)) % 10 != 9
    said: dict[str, Any]
    if study == "1":
        stated = random.integers(0, 4, len(trials))
        said = {"initial_answer": stated, "knowledge": np.where(stated > 1, "yes", "no")}
        said |= {f"p_{k}": np.where(stated == k, 70.0, 10.0) for k in range(4)}
    else:
        said = {
            "frame": random.choice(["was", "wasnt"], len(trials)),
            "assessment": random.choice(WORDS, len(trials)),
        }
    responses = pd.read_parquet(path / "responses.parquet")
    for name, values in said.items():
        trials[name] = pd.Series(values).where(there, None)
        own = responses["option"] == name
        text = pd.Series(values).astype(str).where(there, None)
        responses.loc[own, "answer"] = text.to_numpy(dtype=object)
        if name.startswith("p_"):
            responses.loc[own, "value"] = pd.Series(values).where(there).to_numpy()
    trials["parse_status"] = np.where(there, "ok", 'not in the format: frame ("Well (hm), …")')
    trials.to_parquet(path / "trials.parquet")
    responses.to_parquet(path / "responses.parquet")
    return figures.view(path)
