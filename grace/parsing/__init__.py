"""Strict parsing of raw answers, declared in a study's YAML.

A field is looked for in one of three places:

- after a *label*: "Initial Answer: 2"; of several *items* after one label each is a field:
  "Probabilities: 0: 10%, 1: 90%";
- in a *sentence* with gaps: "It {frame} {assessment}.";
- a field with neither, then the only one, is the whole answer.

There the text must begin with the answer and must name no other one; only punctuation
may follow it directly, so that neither "2 or more" nor "No idea" is an answer. What differs
from that is missing and the status says what was found. Case, Markdown, square brackets and
typographic quotes and dashes do not matter. Nothing is guessed, rescaled or rounded.
"""

from __future__ import annotations

from grace.parsing.reading import Parsed, parse
from grace.parsing.spec import ParserSpec

__all__ = ["Parsed", "ParserSpec", "parse"]
