"""Strict parsing of raw answers, declared in a study's YAML.

A field is looked for in one of three places:

- after a *label*: "Initial Answer: 2"; of several *items* after one label each is a field:
  "Probabilities: 0: 10%, 1: 90%";
- in a *sentence* with gaps: "It {frame} {assessment}.";
- a field with neither, then the only one, is the whole answer.

There the text must begin with the answer and must name no other one; only punctuation
may follow it directly, so that neither "2 or more" nor "No idea" is an answer. What differs
from that is missing and the status says what was found. Nothing is guessed, rescaled or rounded.

An answer goes through these modules: thoughts (cut out), markup (what is struck out, LaTeX),
layout (JSON and tables as labelled lines), passage (one normal form), places and sentence (where
an answer stands), tokens (what it is there), reservations and quoting (whether it is meant).
"""

from __future__ import annotations

from grace.config import ParserSpec
from grace.questions.parsing.reading import Parsed, parse
from grace.questions.parsing.thoughts import Split, split_thoughts

__all__ = ["Parsed", "ParserSpec", "Split", "parse", "split_thoughts"]
